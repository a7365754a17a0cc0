package okta_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
)

// shapes are rows that the catalog does not have: every place of objects and of the next link, constants and several
// levels above.
var shapes = okta.Catalog{
	{Name: "roles", Path: "/iam/roles", Items: "roles", Next: okta.BodyLink},
	{Name: "sets", Path: "/iam/sets", Items: "resource-sets", Next: okta.BodyLink},
	{Name: "bindings", Path: "/iam/sets/{set}/bindings", Items: "roles", Next: okta.BodyLink, Under: []okta.Level{
		{Of: "sets", Param: "set", Member: "@okta_set_id"},
	}},
	{Name: "members", Path: "/iam/sets/{set}/bindings/{role}/members", Items: "members", Next: okta.BodyLink, Under: []okta.Level{
		{Of: "sets", Param: "set", Member: "@okta_set_id"}, {Of: "bindings", Param: "role", Member: "@okta_role_id"},
	}},
	{Name: "grants", Path: "/iam/sets/{set}/bindings/{role}/{kind}/grants", Items: "grants", Next: okta.BodyLink, Under: []okta.Level{
		{Of: "sets", Param: "set", Member: "@okta_set_id"}, {Of: "bindings", Param: "role"},
		{Values: []string{"direct", "inherited"}, Param: "kind", Member: "@okta_kind"},
	}},
	{Name: "policies", Path: "/policies", Query: map[string][]string{"type": {"{type}"}}, Under: []okta.Level{
		{Values: []string{"PASSWORD", "MFA & MORE", "EMPTY"}, Param: "type", Member: "@okta_policy_type"},
	}},
	{Name: "rules", Path: "/policies/{policy}/rules", Under: []okta.Level{
		{Values: []string{"PASSWORD", "MFA & MORE", "EMPTY"}, Param: "type"}, {Of: "policies", Param: "policy", Member: "@okta_policy_id"},
	}},
	{Name: "templates", Path: "/templates", Limit: 2, MinLimit: 1, Key: "name"},
	{Name: "customizations", Path: "/templates/{name}/customizations", Limit: 2, MinLimit: 1, Under: []okta.Level{
		{Of: "templates", Param: "name", Member: "@okta_template"},
	}},
	{Name: "threats", Path: "/threats/configuration", Items: "."},
}

// deleted stands where an object was: the pages after it begin where they did.
const deleted = ""

// shapeServer answers the lists of shapes: objects by path and type, in pages of two.
type shapeServer map[string][]string

func newShapeServer() shapeServer {
	s := shapeServer{
		"/threats/configuration": {`{"action":"block","_links":{"next":{"href":"/nowhere"}}}`},
		"/policies?EMPTY":        {},
	}
	add := func(list string, n int, object func(i int) string) {
		for i := range n {
			s[list] = append(s[list], object(i))
		}
	}
	numbered := func(prefix string) func(int) string {
		return func(i int) string { return fmt.Sprintf(`{"id":"%s%d"}`, prefix, i) }
	}
	add("/iam/roles", 5, numbered("cr"))
	add("/iam/sets", 5, numbered("iam"))
	for set := range 5 {
		bindings := fmt.Sprintf("/iam/sets/iam%d/bindings", set)
		s[bindings] = []string{}
		add(bindings, 5*(set%2), numbered("cr")) // the same roles in each set, and every other set has none
		for role := range 5 {
			members := fmt.Sprintf("%s/cr%d/members", bindings, role)
			s[members] = []string{}
			add(members, (role+2*set)%5, numbered(fmt.Sprintf("m%d-%d-", set, role)))
			for _, kind := range []string{"direct", "inherited"} {
				grants := fmt.Sprintf("%s/cr%d/%s/grants", bindings, role, kind)
				s[grants] = []string{}
				add(grants, (role+set)%4, numbered(fmt.Sprintf("g%d-%d-%s", set, role, kind)))
			}
		}
	}
	for t, kind := range []string{"PASSWORD", "MFA & MORE"} {
		add("/policies?"+kind, 4, numbered(fmt.Sprintf("00p%d", t)))
		for i := range 4 {
			rules := fmt.Sprintf("/policies/00p%d%d/rules", t, i)
			s[rules] = []string{}
			add(rules, 2*i, numbered(fmt.Sprintf("0pr%d%d", t, i)))
		}
	}
	add("/templates", 5, func(i int) string { return fmt.Sprintf(`{"name":"Welcome %d","id":"same"}`, i) })
	for i := range 5 {
		add(fmt.Sprintf("/templates/Welcome %d/customizations", i), 3, numbered(fmt.Sprintf("oel%d", i)))
	}
	return s
}

func (s shapeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	list := r.URL.Path
	if q.Has("type") {
		list += "?" + q.Get("type")
	}
	all, ok := s[list]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"errorCode":"E0000007"}`)
		return
	}
	w.Header().Set("Date", epoch.Format(http.TimeFormat))
	from, _ := strconv.Atoi(q.Get("after"))
	page := slices.Clone(all[min(from, len(all)):])
	next := ""
	if len(page) > 2 {
		page = page[:2]
		q.Set("after", strconv.Itoa(from+2))
		next = "https://acme-admin.okta.test" + r.URL.EscapedPath() + "?" + q.Encode()
	}
	page = slices.DeleteFunc(page, func(o string) bool { return o == deleted })
	objects := "[" + strings.Join(page, ", ") + "]"
	items, _, _ := strings.Cut(r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:], "?")
	switch {
	case items == "configuration":
		fmt.Fprint(w, page[0])
	case strings.HasPrefix(r.URL.Path, "/iam/"):
		member := map[string]string{"roles": "roles", "sets": "resource-sets", "bindings": "roles", "members": "members", "grants": "grants"}[items]
		links := `{"self":{"href":"x"}}`
		if next != "" {
			links = fmt.Sprintf(`{"self":{"href":"x"},"next":{"href":%q}}`, next)
		}
		fmt.Fprintf(w, `{ "other":[{"id":"no"}], %q : %s, "_links" : %s }`, member, objects, links)
	default:
		if next != "" {
			w.Header().Add("Link", "<"+next+`>; rel="next"`)
		}
		fmt.Fprint(w, objects)
	}
}

// existing are the objects of a list that were not deleted.
func (s shapeServer) existing(list string) []string {
	return slices.DeleteFunc(slices.Clone(s[list]), func(o string) bool { return o == deleted })
}

// expected are the objects of a row with the members of their levels, in the order of the lists.
func (s shapeServer) expected(t *testing.T, c okta.Collection) []string {
	t.Helper()
	type place struct{ path, kind, members string }
	places := []place{{path: c.Path}}
	for i, level := range c.Under {
		var below []place
		for _, p := range places {
			ids := level.Values
			if level.Of != "" {
				of, ok := shapes.Lookup(level.Of)
				require.True(t, ok)
				list := p.path[:strings.Index(p.path, "/{"+level.Param+"}")]
				if p.kind != "" && i == 1 {
					list += "?" + p.kind
				}
				for _, o := range s.existing(list) {
					var object map[string]string
					require.NoError(t, json.Unmarshal([]byte(o), &object))
					key := "id"
					if of.Key != "" {
						key = of.Key
					}
					ids = append(ids, object[key])
				}
			}
			for _, id := range ids {
				at := place{strings.ReplaceAll(p.path, "{"+level.Param+"}", id), p.kind, p.members}
				if level.Of == "" {
					at.kind = id
				}
				if level.Member != "" {
					quoted, err := json.Marshal(id)
					require.NoError(t, err)
					at.members += fmt.Sprintf(`,%q:%s`, level.Member, quoted)
				}
				below = append(below, at)
			}
		}
		places = below
	}
	var all []string
	for _, p := range places {
		list := p.path
		if p.kind != "" && c.Query != nil {
			list += "?" + p.kind
		}
		for _, o := range s.existing(list) {
			all = append(all, o+p.members)
		}
	}
	return all
}

// withMembers are pulled objects, each with the members of its levels.
func (p pulled) withMembers(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, o := range p.objects {
		_, members, _ := strings.Cut(o.members, ",")
		if members != "" {
			members = "," + members
		}
		all = append(all, o.json+members)
	}
	return all
}

func newShapeOrg(t *testing.T, handler http.Handler) (*okta.Org, *wire) {
	t.Helper()
	w := &wire{t: t, handler: handler}
	cfg := settings()
	cfg.Transport, cfg.Catalog = w, shapes
	org, err := okta.New(cfg)
	require.NoError(t, err)
	return org, w
}

func TestEveryShapeIsReadWholeAndGoesOnFromEveryPosition(t *testing.T) {
	server := newShapeServer()
	for _, c := range shapes {
		for _, killed := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, killed=%v", c.Name, killed), func(t *testing.T) {
				want := server.expected(t, c)
				require.NotEmpty(t, want)
				org, _ := newShapeOrg(t, server)
				reader := func(o *okta.Org) *okta.Reader { return o.Reader(c, okta.Begin{}, func() time.Time { return epoch }) }

				// Every page is left after its first object too.
				var from []checkpoint.Position
				var delivered []int
				n := 0
				r := reader(org)
				for pos, done := (checkpoint.Position{}), false; !done; {
					page, err := r.Next(t.Context(), pos)
					require.NoError(t, err)
					if len(page.Objects) > 1 {
						from, delivered = append(from, durable(t, page.After(1))), append(delivered, n+1)
					}
					n += len(page.Objects)
					pos, done = durable(t, page.Position), page.CaughtUp
					page.Release()
					if !done {
						from, delivered = append(from, pos), append(delivered, n)
					}
				}
				require.Equal(t, len(want), n)
				whole := pull(t, reader(org), checkpoint.Position{})
				same(t, want, whole.withMembers(t))

				for i, pos := range from {
					worker := org
					if killed {
						worker, _ = newShapeOrg(t, server)
					}
					rest := pull(t, reader(worker), pos)
					same(t, want[delivered[i]:], rest.withMembers(t), "from position ", i, " ", pos)
				}
			})
		}
	}
}

func TestAPageOfEachLevelIsAskedForOnce(t *testing.T) {
	server := newShapeServer()
	c, _ := shapes.Lookup("members")
	org, w := newShapeOrg(t, server)
	var p pulled
	for done := false; !done; {
		r := org.Reader(c, okta.Begin{}, atEpoch) // each slice has a reader of its own
		page, err := r.Next(t.Context(), p.position)
		require.NoError(t, err)
		done = page.CaughtUp
		p.add(t, page)
		r.Close()
	}
	same(t, server.expected(t, c), p.withMembers(t))
	asked := slices.Clone(w.asked)
	slices.Sort(asked)
	require.Equal(t, len(w.asked), len(slices.Compact(asked)), "no page was asked for twice")
}

func TestAnObjectOfALevelThatWasDeletedMeanwhileIsSkipped(t *testing.T) {
	server := newShapeServer()
	c, _ := shapes.Lookup("members")
	want := slices.DeleteFunc(server.expected(t, c), func(o string) bool { return strings.Contains(o, `"@okta_set_id":"iam3"`) })
	delete(server, "/iam/sets/iam3/bindings") // the last set that has any
	org, _ := newShapeOrg(t, server)
	p := pull(t, org.Reader(c, okta.Begin{}, atEpoch), checkpoint.Position{})
	same(t, want, p.withMembers(t))
	require.Empty(t, p.warnings)
}

// delete deletes an object of a list, and what is listed under it.
func (s shapeServer) delete(list, id string) {
	s[list] = slices.Clone(s[list])
	s[list][slices.Index(s[list], fmt.Sprintf(`{"id":"%s"}`, id))] = deleted
	for path := range s {
		if strings.HasPrefix(path, list+"/"+id+"/") {
			delete(s, path)
		}
	}
}

func TestNothingElseIsMissedWhenAnObjectOfALevelIsDeletedAtAnyMoment(t *testing.T) {
	for _, name := range []string{"bindings", "members", "grants"} {
		for list, id := range map[string]string{
			"/iam/sets": "iam1", "/iam/sets/iam3/bindings": "cr0", "/iam/sets/iam1/bindings": "cr4",
		} {
			for _, killed := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s, %s of %s, killed=%v", name, id, list, killed), func(t *testing.T) {
					c, _ := shapes.Lookup(name)
					before, after := newShapeServer(), newShapeServer()
					after.delete(list, id)
					org, _ := newShapeOrg(t, before)
					whole := pull(t, org.Reader(c, okta.Begin{}, atEpoch), checkpoint.Position{})
					all, left := whole.withMembers(t), after.expected(t, c)
					shipped := 0
					for i, pos := range whole.positions[:len(whole.positions)-1] {
						shipped += whole.sizes[i]
						worker, w := newShapeOrg(t, before)
						if !killed { // the pages of the levels are at hand
							for r, at := worker.Reader(c, okta.Begin{}, atEpoch), pos; len(w.asked) < len(c.Under); {
								page, err := r.Next(t.Context(), at)
								require.NoError(t, err)
								at = page.Position
							}
						}
						w.handler = after
						rest := pull(t, worker.Reader(c, okta.Begin{}, atEpoch), pos)
						got := rest.withMembers(t)
						for _, o := range all[shipped:] {
							if slices.Contains(left, o) {
								require.Contains(t, got, o, "from position ", i)
							}
						}
						require.LessOrEqual(t, len(got), len(all))
					}
				})
			}
		}
	}
}

func TestFiveParentsInARowAreTheFaultOfTheServiceHoweverDeepTheyAre(t *testing.T) {
	for _, name := range []string{"members", "grants"} {
		c, _ := shapes.Lookup(name)
		server := newShapeServer()
		refuses := true
		org, w := newShapeOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if refuses && strings.HasSuffix(r.URL.Path, "/"+name) {
				w.WriteHeader(http.StatusForbidden)
				fmt.Fprint(w, `{"errorCode":"E0000006"}`)
				return
			}
			server.ServeHTTP(w, r)
		}))
		r := org.Reader(c, okta.Begin{}, atEpoch)
		var p pulled
		for range 3 {
			for {
				page, err := r.Next(t.Context(), p.position)
				p.add(t, page)
				if err != nil {
					require.ErrorContains(t, err, "5 of sets in a row have failed")
					break
				}
				require.Less(t, len(w.asked), 60)
			}
		}
		refuses = false
		rest := pull(t, r, p.position)
		require.Equal(t, server.expected(t, c), rest.withMembers(t), "nothing is skipped")
	}
}

func TestAnIDIsWhatItsJSONSays(t *testing.T) {
	server := shapeServer{
		"/templates": {`{"name":"Caf\u00e9 \"A B\""}`, `{"name":"."}`, `{"name":".."}`, `{"name":"A\/B"}`, `{"name":""}`},
		"/templates/Café \"A B\"/customizations": {`{"id":"oel0"}`},
	}
	c, _ := shapes.Lookup("customizations")
	org, w := newShapeOrg(t, server)
	p := pull(t, org.Reader(c, okta.Begin{}, atEpoch), checkpoint.Position{})
	require.Equal(t, []string{`{"id":"oel0"},"@okta_template":"Café \"A B\""`}, p.withMembers(t))
	require.Len(t, w.asked, 4, "a path element of dots would lead elsewhere")
	require.Len(t, p.warnings, 3)
	require.Contains(t, p.warnings[0], "1 of templates have no id")
	_, err := org.Check(t.Context(), "customizations")
	require.NoError(t, err)
}

func TestAPositionAtAConstantThatIsNoLongerListedBeginsTheListAnew(t *testing.T) {
	server := newShapeServer()
	c, _ := shapes.Lookup("rules")
	org, _ := newShapeOrg(t, server)
	pull1 := &checkpoint.Pull{ID: 7, Kind: checkpoint.PullFull, Began: epoch}
	p := pull(t, org.Reader(c, okta.Begin{}, atEpoch), checkpoint.Position{
		Pull: pull1, Cursor: "/policies/x/rules", Levels: []checkpoint.Level{{ID: "RETIRED"}, {Cursor: "/policies?type=RETIRED", ID: "x"}},
	})
	same(t, server.expected(t, c), p.withMembers(t))
}

func TestAnEnvelopeWithoutItsArrayIsAskedForAgain(t *testing.T) {
	for _, body := range []string{`{}`, `[]`, `{"roles":null}`, `{"roles":{"id":"a"}}`, `{"role":[]}`, `{"roles":[]`} {
		org, _ := newShapeOrg(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, body) }))
		c, _ := shapes.Lookup("roles")
		require.Equal(t, okta.Passing, refused(t, org.Reader(c, okta.Begin{}, atEpoch), checkpoint.Position{}).Class, body)
	}
}

func TestAnEnvelopeThatHasItsArrayTwiceLosesNeither(t *testing.T) {
	org, _ := newShapeOrg(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"roles":[{"id":"a"}],"roles":[{"id":"b"}]}`)
	}))
	c, _ := shapes.Lookup("roles")
	p := pull(t, org.Reader(c, okta.Begin{}, atEpoch), checkpoint.Position{})
	require.Equal(t, []string{`{"id":"a"}`, `{"id":"b"}`}, p.json())
}

func TestALinkInABodyLeadsToTheOrgsOwnHostOnly(t *testing.T) {
	asked := []string{}
	org, w := newShapeOrg(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if len(asked) == 0 {
			fmt.Fprint(w, `{"_links":{"next":{"href":"https:\/\/evil.example\/iam\/roles?after=\u0031"}},"roles":[{"id":"a"}]}`)
		} else {
			fmt.Fprint(w, `{"roles":[{"id":"b"}],"_links":{}}`)
		}
		asked = append(asked, r.Host)
	}))
	c, _ := shapes.Lookup("roles")
	p := pull(t, org.Reader(c, okta.Begin{}, atEpoch), checkpoint.Position{})
	require.Equal(t, []string{`{"id":"a"}`, `{"id":"b"}`}, p.json())
	require.Equal(t, []string{"acme.test", "acme.test"}, asked)
	require.Equal(t, "/iam/roles?after=1", w.asked[1])
}

func TestAnEndpointWithoutALimitIsAskedForNone(t *testing.T) {
	server := newShapeServer()
	c, _ := shapes.Lookup("roles")
	org, w := newShapeOrg(t, server)
	// A position whose page size was reduced once, by an earlier version of the row.
	pull(t, org.Reader(c, okta.Begin{}, atEpoch), checkpoint.Position{Limit: 20})
	require.Equal(t, []string{"/iam/roles", "/iam/roles?after=2", "/iam/roles?after=4"}, w.asked)

	failing, _ := newShapeOrg(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		fmt.Fprint(w, `{"errorCode":"E0000009"}`)
	}))
	require.Equal(t, okta.Passing, refused(t, failing.Reader(c, okta.Begin{}, atEpoch), checkpoint.Position{}).Class, "there is no smaller page")
}

func TestTheCatalogHoldsTogether(t *testing.T) {
	names := map[string]bool{}
	for _, catalog := range []okta.Catalog{okta.Services(), shapes} {
		clear(names)
		for _, c := range catalog {
			require.False(t, names[c.Name], c.Name)
			names[c.Name] = true
			require.True(t, strings.HasPrefix(c.Path, "/"), c.Name)
			require.LessOrEqual(t, c.MinLimit, c.Limit, c.Name)
			require.Equal(t, c.Limit == 0, c.MinLimit == 0, c.Name)
			for i, level := range c.Under {
				param := "{" + level.Param + "}"
				require.NotEqual(t, level.Of == "", len(level.Values) == 0, "%s: a level is a collection or constants", c.Name)
				if i == len(c.Under)-1 {
					require.Contains(t, fmt.Sprint(c.Path, c.Query), param, c.Name)
				}
				if level.Of == "" {
					continue
				}
				above, ok := catalog.Lookup(level.Of)
				require.True(t, ok, "%s is under %s", c.Name, level.Of)
				require.Len(t, above.Under, i, c.Name)
				for j := range above.Under {
					require.Equal(t, c.Under[j].Of, above.Under[j].Of, c.Name)
					require.Equal(t, c.Under[j].Param, above.Under[j].Param, c.Name)
					require.Equal(t, c.Under[j].Values, above.Under[j].Values, c.Name)
				}
			}
		}
	}
	for _, c := range okta.Services() {
		require.NotEmpty(t, c.Table, c.Name)
		require.NotEmpty(t, c.Scopes, c.Name)
	}
}
