package test

import (
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/okta"
	"okta-collector/internal/oktasim"
	"okta-collector/workflows"
)

// smallOrg has two of everything, so that what has no fault is collected at once.
func smallOrg() map[string]int {
	counts := map[string]int{}
	for _, service := range okta.ServiceNames() {
		counts[service] = 2
	}
	counts["groups"], counts["apps"] = 10, 10
	return counts
}

// off says whether a collection, or one that it is listed under, is among some features.
func off(c okta.Collection, features []string) bool {
	return slices.Contains(features, c.Name) || slices.ContainsFunc(c.Under, func(l okta.Level) bool { return slices.Contains(features, l.Of) })
}

// TestWithheldScopesAndFeaturesThatAreOffStopTheirServicesAlone: a withheld scope blocks the services that need it, and a
// feature that is off makes its services wait for a day. All others collect everything.
func TestWithheldScopesAndFeaturesThatAreOffStopTheirServicesAlone(t *testing.T) {
	t.Parallel()
	for name, play := range map[string]struct {
		services []string
		withheld []string
		off      []string // the features that all need of which a service consists
		partly   []string // types of which a service has others
	}{
		"of all services": {
			services: []string{okta.GroupAll},
			withheld: []string{"okta.devices.read", "okta.brands.read", "okta.appGrants.read", "okta.idps.read"},
			off: []string{
				"realms", "email_servers", "agent_pools", "sms_templates", // lists, each in a manner of Okta's
				"auth_servers", // with what is listed under it
				"group_owners", // under each group
				"bot_protection",
			},
			partly: []string{"policies/OKTA_SIGN_ON", "policies/ENTITY_RISK", "policies/IDENTITY_CLAIM_SOURCING", "rate_limits/SSWS_TOKEN"},
		},
		"of policies": {
			services: []string{"policies", "policy_rules", "policy_mappings", "rate_limits", "zones"},
			off:      []string{"policies", "rate_limits"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t, oktasim.Config{Seed: 92, Counts: smallOrg(), Unlimited: true, Off: slices.Concat(offByType(play.off), play.partly)})
			s.signInAs(oktasim.App{DPoP: true, Scopes: slices.DeleteFunc(oktasim.Scopes(), func(scope string) bool { return slices.Contains(play.withheld, scope) })})
			s.setOkta("SERVICES", strings.Join(play.services, ","))
			arrived := s.keepTables()
			s.startWorker()
			s.startAll()

			var chosen okta.Catalog
			for _, service := range play.services {
				chosen = append(chosen, okta.Services().Choose(service)...)
			}
			var collected, missing, blocked okta.Catalog
			lacks := map[string]string{}
			for _, c := range chosen {
				for _, scope := range (okta.Catalog{c}).Scopes() {
					if slices.Contains(play.withheld, scope) {
						lacks[c.Name] = scope
					}
				}
				switch {
				case lacks[c.Name] != "":
					blocked = append(blocked, c)
				case off(c, play.off):
					missing = append(missing, c)
				default:
					collected = append(collected, c)
				}
			}
			s.caughtUp(names(collected)...)
			for _, c := range collected {
				s.whole(c, arrived.of(c.Table))
			}
			for _, c := range blocked {
				s.blocked(c.Name, lacks[c.Name])
			}
			for _, c := range missing {
				s.eventually(c.Name+" is not in this org", func() bool {
					status, err := s.status(c.Name)
					return err == nil && status.Reason == workflows.WaitNotInOrg
				})
			}
			said, code := s.starter("status", "--tenant", s.tenant)
			require.Equal(t, len(blocked) > 0, code == 1, said)
			for _, c := range blocked {
				require.Regexp(t, `(?m)^`+s.id(c.Name)+` .*blocked`, said)
				require.Contains(t, said, lacks[c.Name])
			}
			for _, c := range missing {
				require.Contains(t, said, "leave "+c.Name+" out of OKTA_SERVICES")
			}
			s.fewRequests(play.off, missing)
		})
	}
}

// offByType are the features of an org that has none of them. What has types is without each of them.
func offByType(features []string) (all []string) {
	for _, feature := range features {
		c, _ := okta.Lookup(feature)
		if len(c.Under) == 0 || c.Under[0].Values == nil {
			all = append(all, feature)
			continue
		}
		for _, kind := range c.Under[0].Values {
			all = append(all, feature+"/"+kind)
		}
	}
	return all
}

// fewRequests requires that little was asked for in vain: a request of each service that needs the feature, and at each of
// the two looks of startAll. Of a list with types, or under parents, it takes more to know that there is nothing.
func (s *stack) fewRequests(features []string, missing okta.Catalog) {
	s.t.Helper()
	const looks, most = 2, 12
	asked := map[string]int{}
	for _, r := range s.org.Requests() {
		asked[r.Service]++
	}
	for _, feature := range features {
		c, _ := okta.Lookup(feature)
		services := 0
		for _, m := range missing {
			if off(m, []string{feature}) {
				services++
			}
		}
		each := 1
		if len(c.Under) > 0 {
			each = most
		}
		require.LessOrEqual(s.t, asked[feature], looks*services*each, feature)
	}
}
