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

// smallOrg has two of nearly everything.
func smallOrg() map[string]int {
	counts := map[string]int{"groups": 10, "apps": 10}
	for _, service := range okta.ServiceNames() {
		counts[service] = max(counts[service], 2)
	}
	return counts
}

// TestWithheldScopesAndFeaturesThatAreOffStopTheirServicesAlone: a withheld scope blocks the services that need it, and a
// feature that is off makes its services wait for a day. All others collect what there is.
func TestWithheldScopesAndFeaturesThatAreOffStopTheirServicesAlone(t *testing.T) {
	t.Parallel()
	for name, play := range map[string]struct {
		services okta.Catalog
		// withheld are scopes. off are collections that the org has not got, with what is listed under them.
		withheld, off []string
		// some are types that the org has not got, of collections of which it has other types.
		some []string
	}{
		"of all services": {
			services: okta.Services().Choose(okta.GroupAll),
			withheld: []string{"okta.devices.read", "okta.brands.read", "okta.appGrants.read", "okta.idps.read"},
			off:      []string{"realms", "email_servers", "agent_pools", "sms_templates", "bot_protection", "auth_servers", "group_owners"},
			some:     []string{"policies/OKTA_SIGN_ON", "policies/ENTITY_RISK", "policies/IDENTITY_CLAIM_SOURCING", "rate_limits/SSWS_TOKEN"},
		},
		"of those with types": {
			services: slices.DeleteFunc(okta.Services(), func(c okta.Collection) bool {
				return !slices.Contains([]string{"policies", "rate_limits", "zones"}, c.Name)
			}),
			off: []string{"policies", "rate_limits"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStack(t, oktasim.Config{Seed: 92, Counts: smallOrg(), Unlimited: true, Off: slices.Concat(eachType(play.off), play.some)})
			s.signInAs(oktasim.App{DPoP: true, Scopes: slices.DeleteFunc(oktasim.Scopes(), func(scope string) bool {
				return slices.Contains(play.withheld, scope)
			})})
			s.setOkta("RATE_SHARE", "0.9") // of 20 requests a minute, as long as no answer names a limit: enough for all types
			s.oncePerDay()
			arrived := s.keepTables()
			s.startWorker()
			blocked := map[string]string{} // by the scope that it lacks
			var missing okta.Catalog
			s.inTwoParts(play.services, func(part okta.Catalog) {
				for _, c := range part {
					service := c.Name
					if i := slices.IndexFunc(play.withheld, func(scope string) bool { return slices.Contains(okta.Catalog{c}.Scopes(), scope) }); i >= 0 {
						blocked[service] = play.withheld[i]
						s.blocked(service, play.withheld[i])
					} else if isAmong(c, play.off) {
						missing = append(missing, c)
						s.eventually(service+" is not in this org", func() bool {
							status, err := s.status(service)
							return err == nil && status.Reason == workflows.WaitNotInOrg
						})
					} else {
						s.caughtUp(service)
						s.whole(c, arrived.of(c.Table))
					}
				}
			})
			require.NotEmpty(t, missing)

			out, code := s.answeredStatus("--tenant", s.tenant)
			require.Equal(t, min(1, len(blocked)), code, out)
			unwrapped := strings.Join(strings.Fields(out), " ")
			for service, scope := range blocked {
				require.Regexp(t, `(?m)^ *`+s.id(service)+` .*blocked`, out)
				require.Contains(t, unwrapped, scope)
			}
			for _, c := range missing {
				require.Contains(t, unwrapped, "leave "+c.Name+" out of OKTA_SERVICES")
			}
			s.askedInVainRarely(play.off, missing)
		})
	}
}

// isAmong says whether a collection, or one that it is listed under, has one of these names.
func isAmong(c okta.Collection, names []string) bool {
	return slices.Contains(names, c.Name) || slices.ContainsFunc(c.Under, func(l okta.Level) bool { return slices.Contains(names, l.Of) })
}

// eachType replaces the collections that are listed by types with all of these types.
func eachType(collections []string) (all []string) {
	for _, name := range collections {
		c, _ := okta.Lookup(name)
		if len(c.Under) == 0 || c.Under[0].Values == nil {
			all = append(all, name)
			continue
		}
		for _, kind := range c.Under[0].Values {
			all = append(all, name+"/"+kind)
		}
	}
	return all
}

// askedInVainRarely requires that a list that is off was asked for once by each service that needs it, one with types once
// for each type, and one under parents for a few of them.
func (s *stack) askedInVainRarely(off []string, missing okta.Catalog) {
	s.t.Helper()
	const fewParents = 5
	asked := map[string]int{}
	for _, r := range s.org.Requests() {
		asked[r.Service]++
	}
	for _, name := range off {
		c, _ := okta.Lookup(name)
		each := 1
		if len(c.Under) > 0 {
			each = max(fewParents, len(c.Under[0].Values))
		}
		services := 0
		for _, m := range missing {
			if isAmong(m, []string{name}) {
				services++
			}
		}
		require.LessOrEqual(s.t, asked[name], services*each, name)
	}
}
