package okta_test

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
	"okta-collector/internal/oktasim"
)

// answers are those of an org: a list by its path, or by path and type. A list that begins with a status, such as
// "401 E0000015", is refused.
type answers map[string]string

func (a answers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	list := r.URL.Path
	if kind := r.URL.Query().Get("type"); kind != "" {
		list += "?type=" + kind
	}
	body, ok := a[list]
	if !ok {
		body = "404 E0000007"
	}
	status, code, refused := strings.Cut(body, " ")
	if n, err := strconv.Atoi(status); err == nil && refused {
		w.WriteHeader(n)
		fmt.Fprintf(w, `{"errorCode":%q,"errorSummary":"no"}`, code)
		return
	}
	w.Header().Set("Date", epoch.Format(http.TimeFormat))
	lists(body).ServeHTTP(w, r)
}

// numbered are n objects whose ids have a prefix.
func numbered(prefix string, n int) string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf(`{"id":"%s%d"}`, prefix, i))
	}
	return "[" + strings.Join(all, ",") + "]"
}

// off are the ways in which Okta says that a feature is off.
var off = []string{"401 E0000015", "403 E0000015", "400 E0000002", "404 E0000008", "404 E0000022", "405 E0000022", "405 ", "410 "}

// failure pulls until an error comes, and returns it.
func failure(t *testing.T, r *okta.Reader, p *pulled) *okta.Error {
	t.Helper()
	for {
		page, err := r.Next(t.Context(), p.position)
		if page != nil {
			p.add(t, page)
		}
		if err != nil {
			var e *okta.Error
			require.ErrorAs(t, err, &e)
			if e.Class == okta.RateLimited {
				time.Sleep(e.Wait)
				continue
			}
			return e
		}
		require.False(t, page.CaughtUp, "the pull has ended")
	}
}

func TestAListWhoseFeatureIsOffCostsOneRequestAndSoDoesWhatIsListedUnderIt(t *testing.T) {
	for list, services := range map[string][]string{
		"/api/v1/authorizationServers": {"auth_servers", "auth_server_scopes", "auth_server_policies", "auth_server_policy_rules"},
		"/api/v1/iam/assignees/users":  {"role_assignees", "user_roles", "user_role_apps"},
		"/api/v1/realms":               {"realms"},
	} {
		for _, name := range services {
			for _, answer := range off {
				t.Run(name+" "+answer, func(t *testing.T) {
					org, w := newOrg(t, answers{list: answer})
					var p pulled
					e := failure(t, org.Reader(service(t, name), okta.Begin{}, atEpoch), &p)
					require.Equal(t, okta.NotInOrg, e.Class)
					require.Contains(t, e.Advice, "leave "+name+" out of OKTA_SERVICES")
					require.Len(t, w.asked, 1)
					require.Nil(t, p.position.Pull)

					_, err := org.Check(t.Context(), name)
					require.ErrorAs(t, err, &e)
					require.Equal(t, okta.NotInOrg, e.Class)
					require.Contains(t, e.Advice, "leave "+name+" out of OKTA_SERVICES")
				})
			}
		}
	}
}

func TestAServiceThatTheSimulatedOrgHasNotGotIsNotInTheOrgWithFewRequests(t *testing.T) {
	for _, c := range okta.Services() {
		if c.Polled {
			continue // every org has a System Log
		}
		t.Run(c.Name, func(t *testing.T) {
			inBubble(t, 0, func(cfg *oktasim.Config) { cfg.Counts, cfg.Off = countsOf(c), []string{c.Name} }, func(t *testing.T, sim *oktasim.Org, orgs [2]*okta.Org, w *wire) {
				var p pulled
				e := failure(t, orgs[0].Reader(c, okta.Begin{}, time.Now), &p)
				require.Equal(t, okta.NotInOrg, e.Class)
				require.Empty(t, p.objects)
				require.LessOrEqual(t, len(w.asked), 20)
			})
		})
	}
}

func TestAnEndpointWithTenRequestsAMinuteIsRead(t *testing.T) {
	c := service(t, "agent_pools")
	org, _ := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Rate-Limit-Limit", "10")
		w.Header().Set("X-Rate-Limit-Remaining", "9")
		lists(`[{"id":"wpk1"}]`).ServeHTTP(w, r)
	}))
	r := org.Reader(c, okta.Begin{}, atEpoch)
	p := pull(t, r, checkpoint.Position{})
	require.Len(t, append(p.json(), pull(t, r, p.position).json()...), 2)
}

func TestATypeWhosePolicyFeatureIsOffHasNoneAndTheOthersAreCollected(t *testing.T) {
	types := service(t, "policies").Under[0].Values
	for _, answer := range off {
		for first, onlyLast := range map[string]bool{"all but the first and the third": false, "all but the last": true} {
			t.Run(answer+", "+first, func(t *testing.T) {
				sim := answers{}
				var policies, rules []string
				for i, kind := range types {
					list := "/api/v1/policies?type=" + kind
					sim[list] = answer
					switch {
					case onlyLast && i == len(types)-1, !onlyLast && i == 2:
						id := "00p" + strconv.Itoa(i)
						sim[list] = `[{"id":"` + id + `"}]`
						sim["/api/v1/policies/"+id+"/rules"] = `[{"id":"0pr"}]`
						policies = append(policies, `{"id":"`+id+`"}`)
						rules = append(rules, `{"id":"0pr"},"@okta_policy_id":"`+id+`"`)
					case !onlyLast && i == 0:
						sim[list] = "[]"
					}
				}
				for name, want := range map[string][]string{"policies": policies, "policy_rules": rules} {
					org, w := newOrg(t, sim)
					p := pull(t, org.Reader(service(t, name), okta.Begin{}, atEpoch), checkpoint.Position{})
					same(t, want, p.withMembers(t))
					require.Empty(t, p.warnings)
					require.Zero(t, p.oddities)
					require.Equal(t, epoch, p.position.LastFull, "the pull is complete")
					require.False(t, p.position.Incomplete)
					require.LessOrEqual(t, len(w.asked), len(types)+1)
				}
			})
		}
	}
}

func TestIfEachConstantIsOffTheServiceIsNotInTheOrg(t *testing.T) {
	for _, answer := range off {
		for _, name := range []string{"policies", "policy_rules", "policy_mappings", "rate_limits"} {
			t.Run(name+" "+answer, func(t *testing.T) {
				c := service(t, name)
				org, w := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					answers{r.URL.Path: answer, r.URL.Path + "?type=" + r.URL.Query().Get("type"): answer}.ServeHTTP(w, r)
				}))
				r := org.Reader(c, okta.Begin{}, atEpoch)
				p := pulled{position: checkpoint.Position{LastFull: epoch, FullObjects: 7}}
				for day := range 2 {
					e := failure(t, r, &p)
					require.Equal(t, okta.NotInOrg, e.Class)
					require.Contains(t, e.Advice, "leave "+name+" out of OKTA_SERVICES")
					require.Len(t, w.asked, (day+1)*len(c.Under[0].Values))
					require.Nil(t, p.position.Pull)
					require.Zero(t, p.oddities)
				}
			})
		}
	}
}

func TestWhatIsOffUnderEveryParentIsNotInTheOrgAfterFiveOfThem(t *testing.T) {
	for _, answer := range off {
		for parents, requests := range map[int]int{1: 2, 4: 5, 5: 6, 180: 6} {
			for name, list := range map[string]string{"group_owners": "/api/v1/groups", "auth_server_claims": "/api/v1/authorizationServers"} {
				t.Run(fmt.Sprintf("%s of %d %s", name, parents, answer), func(t *testing.T) {
					org, w := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						all := answers{r.URL.Path: answer}
						all[list] = numbered("x", parents)
						all.ServeHTTP(w, r)
					}))
					var p pulled
					e := failure(t, org.Reader(service(t, name), okta.Begin{}, atEpoch), &p)
					require.Equal(t, okta.NotInOrg, e.Class)
					require.Contains(t, e.Advice, "leave "+name+" out of OKTA_SERVICES")
					require.Len(t, w.asked, requests)
					require.Nil(t, p.position.Pull)
					require.Empty(t, p.position.Aside)
				})
			}
		}
	}
}

func TestWhatIsOffUnderManyParentsInARowStopsNoOther(t *testing.T) {
	for _, answer := range off {
		t.Run(answer, func(t *testing.T) {
			sim := answers{"/api/v1/groups": numbered("00g", 30)}
			var want []string
			for i := range 30 {
				owners := fmt.Sprintf("/api/v1/groups/00g%d/owners", i)
				if sim[owners] = answer; i%12 == 2 {
					sim[owners] = fmt.Sprintf(`[{"id":"00u%d"}]`, i)
					want = append(want, sim[owners][1:len(sim[owners])-1])
				}
			}
			org, w := newOrg(t, sim)
			r := org.Reader(service(t, "group_owners"), okta.Begin{}, atEpoch)
			p := pull(t, r, checkpoint.Position{})
			same(t, want, p.json())
			require.Equal(t, checkpoint.Oddities{Aside: 27, Missing: 27, Incomplete: 1}, p.oddities)
			require.LessOrEqual(t, len(w.asked), 1+30+27)
			same(t, want, pull(t, r, p.position).json())
		})
	}
}

func TestFiveParentsOfWhichOneFailsOtherwiseAreNotTakenForAFeatureThatIsOff(t *testing.T) {
	for other := range 5 {
		sim := answers{"/api/v1/groups": numbered("00g", 9)}
		for i := range 9 {
			owners := fmt.Sprintf("/api/v1/groups/00g%d/owners", i)
			if sim[owners] = "405 E0000022"; i == other {
				sim[owners] = "403 E0000006"
			}
		}
		org, _ := newOrg(t, sim)
		var p pulled
		e := failure(t, org.Reader(service(t, "group_owners"), okta.Begin{}, atEpoch), &p)
		require.NotEqual(t, okta.NotInOrg, e.Class)
		require.ErrorContains(t, e, "5 of groups in a row have failed")
	}
}

// watched is an API token that counts how often it is said to be refused.
type watched struct {
	okta.Authorizer
	refused int
}

func (a *watched) Authorize(ctx context.Context, r *http.Request, scopes []string) error {
	return a.Authorizer.Authorize(ctx, r, scopes)
}

func (a *watched) Refused(resp *http.Response) bool {
	a.refused++
	return a.Authorizer.Refused(resp)
}

func TestAFeatureThatIsOffIsNotTakenForABadToken(t *testing.T) {
	for _, name := range []string{"auth_servers", "group_owners", "policies"} {
		token := &watched{Authorizer: settings().Authorizer}
		org := orgOf(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			all := answers{r.URL.Path: "401 E0000015", r.URL.Path + "?type=" + r.URL.Query().Get("type"): "401 E0000015"}
			all["/api/v1/groups"] = numbered("00g", 9)
			all.ServeHTTP(w, r)
		}), func(c *okta.Config) { c.Authorizer = token })
		var p pulled
		require.Equal(t, okta.NotInOrg, failure(t, org.Reader(service(t, name), okta.Begin{}, atEpoch), &p).Class)
		require.Zero(t, token.refused, name)
	}
}

func TestAScopeThatIsWithheldNeedsAPersonWhateverIsListed(t *testing.T) {
	for _, name := range []string{"realms", "policies", "policy_rules", "rate_limits", "auth_server_scopes", "threat_configuration"} {
		org, w := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answers{r.URL.Path: "403 E0000006", r.URL.Path + "?type=" + r.URL.Query().Get("type"): "403 E0000006"}.ServeHTTP(w, r)
		}))
		var p pulled
		c := service(t, name)
		e := failure(t, org.Reader(c, okta.Begin{}, atEpoch), &p)
		require.Equal(t, okta.Person, e.Class, name)
		require.Contains(t, e.Advice, c.Scopes[0])
		require.LessOrEqual(t, len(w.asked), 5)
	}
}

func TestAParentThatCanHaveNoneIsNoFailure(t *testing.T) {
	sim := answers{"/api/v1/apps": numbered("0oa", 9)}
	for i := range 9 {
		sim[fmt.Sprintf("/api/v1/apps/0oa%d/features", i)] = "400 E0000001"
	}
	for name, features := range map[string]string{"any app": "400 E0000001", "all apps but one": `[{"name":"USER_PROVISIONING"}]`} {
		t.Run(name, func(t *testing.T) {
			sim["/api/v1/apps/0oa5/features"] = features
			org, w := newOrg(t, sim)
			p := pull(t, org.Reader(service(t, "app_features"), okta.Begin{}, atEpoch), checkpoint.Position{})
			require.Equal(t, strings.Count(features, "name"), len(p.objects))
			require.Empty(t, p.warnings)
			require.Zero(t, p.oddities)
			require.Equal(t, epoch, p.position.LastFull, "the pull is complete")
			require.Len(t, w.asked, 10)
		})
	}
}

func TestACursorThatIsRefusedDoesNotSayThatTheParentCanHaveNone(t *testing.T) {
	refusals := 0
	org, _ := newOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/api/v1/apps":
			answers{r.URL.Path: numbered("0oa", 1)}.ServeHTTP(w, r)
		case !r.URL.Query().Has("after"):
			w.Header().Set("Link", "<http://acme.test"+r.URL.Path+`?after=1>; rel="next"`)
			fmt.Fprint(w, `[{"name":"USER_PROVISIONING"}]`)
		case refusals == 0:
			refusals++
			answers{r.URL.Path: "400 E0000001"}.ServeHTTP(w, r)
		default:
			fmt.Fprint(w, `[{"name":"INBOUND_PROVISIONING"}]`)
		}
	}))
	p := pull(t, org.Reader(service(t, "app_features"), okta.Begin{}, atEpoch), checkpoint.Position{})
	require.Equal(t, []string{`{"name":"USER_PROVISIONING"}`, `{"name":"USER_PROVISIONING"}`, `{"name":"INBOUND_PROVISIONING"}`}, p.json())
	require.EqualValues(t, 1, p.oddities.Repeated)
}
