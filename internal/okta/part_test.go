package okta_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
)

func TestAPageIsGoneOnWithInside(t *testing.T) {
	for _, name := range []string{"logs", "users", "apps", "app_users"} {
		t.Run(name, func(t *testing.T) {
			sim, c := newSim(t, nil)
			org, _ := newOrg(t, sim)
			svc := service(t, name)
			whole := pull(t, org.Reader(svc, allHistory, c.Now), checkpoint.Position{})
			// Every page is left after its first object, and again after the next two.
			var all []shipped
			var pos checkpoint.Position
			for done := false; !done; {
				page, err := org.Reader(svc, allHistory, c.Now).Next(t.Context(), pos)
				require.NoError(t, err)
				n := min(len(page.Objects), 1)
				if pos.Part.Objects > 0 {
					n = min(len(page.Objects), 2)
				}
				if pos.Part.Objects > 1 {
					n = len(page.Objects)
				}
				for _, o := range page.Objects[:n] {
					all = append(all, shipped{string(o), string(page.Members)})
				}
				done = page.CaughtUp && n == len(page.Objects)
				pos = durable(t, page.After(n))
				page.Release()
			}
			got := pulled{objects: all}
			same(t, whole.json(), got.json())
			got.id(t) // one pull has one id
		})
	}
}

func TestAPageThatBeginsAnotherWayIsWhole(t *testing.T) {
	sim, c := newSim(t, nil)
	org, _ := newOrg(t, sim)
	r := org.Reader(service(t, "apps"), okta.Begin{}, c.Now)
	page, err := r.Next(t.Context(), checkpoint.Position{})
	require.NoError(t, err)
	for name, part := range map[string]checkpoint.Part{
		"other objects":       {Objects: 100, IDs: 1},
		"more than there are": {Objects: 100_000, IDs: page.After(100).Part.IDs},
		"fewer":               {Objects: 99, IDs: page.After(100).Part.IDs},
		"nonsense":            {Objects: -1},
	} {
		pos := page.After(100)
		pos.Part = part
		again, err := r.Next(t.Context(), pos)
		require.NoError(t, err)
		require.Len(t, again.Objects, len(page.Objects), name)
		require.EqualValues(t, max(part.Objects, 0), again.Oddities(0, 1).Repeated, name)
		require.Equal(t, part, again.After(0).Part, "nothing of it was counted")
	}
}
