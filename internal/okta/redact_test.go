package okta_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/okta"
	"okta-collector/internal/redact"
	"okta-collector/internal/secret"
)

// orgOf makes an Org that asks a handler, with other settings than the usual ones.
func orgOf(t testing.TB, handler http.Handler, change func(*okta.Config)) *okta.Org {
	t.Helper()
	cfg := settings()
	cfg.Transport = &wire{t: t, handler: handler}
	change(&cfg)
	org, err := okta.New(cfg)
	require.NoError(t, err)
	return org
}

// lists answers every request with one list.
func lists(list string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", fmt.Sprintf(`<http://acme.test%s>; rel="self"`, r.URL.RequestURI()))
		fmt.Fprint(w, list)
	})
}

// listOf is an answer that lists objects of a collection.
func listOf(c okta.Collection, objects ...string) string {
	switch c.Items {
	case "":
		return "[" + strings.Join(objects, ",") + "]"
	case ".":
		return objects[len(objects)-1]
	}
	return fmt.Sprintf(`{%q:[%s]}`, c.Items, strings.Join(objects, ","))
}

const hidden = "S3CRET-of-an-org"

// nested is a value at a path.
func nested(path, value string) string {
	names := strings.Split(path, ".")
	for i := range names {
		value = fmt.Sprintf(`{"%s":%s}`, names[len(names)-1-i], value)
	}
	return value
}

func TestNoSecretOfTheCatalogLeaves(t *testing.T) {
	secrets := 0
	for _, c := range okta.Services() {
		c.Under = nil
		c.Path = inBraces.ReplaceAllString(c.Path, "1")
		for _, path := range c.Secret {
			secrets++
			object := nested(path, `"`+hidden+`"`)
			org := orgOf(t, lists(listOf(c, `{"id":"1"}`, object)), func(*okta.Config) {})
			p := pull(t, org.Reader(c, okta.Begin{}, time.Now), checkpoint.Position{})
			require.Equal(t, []string{`{"id":"1"}`, nested(path, `"[redacted]"`)[:len(object)-len(hidden)+len("[redacted]")-1] + `,"@okta_redacted":["` + path + `"]}`}, p.json())
			position, err := json.Marshal(p.positions)
			require.NoError(t, err)
			require.NotContains(t, string(position)+fmt.Sprint(p.warnings), hidden)
		}
	}
	require.Greater(t, secrets, 10)
}

func TestAnUnreadableObjectAmongSecretsGoesWithoutItsBytesAndSoDoPartsOfIt(t *testing.T) {
	for name, list := range map[string]string{
		"a comma too many":   `[{"id":"1","protocol":{"credentials":{"client":{"client_secret":"` + hidden + `",}}}}]`,
		"cut":                `[{"id":"1","protocol":{"credentials":{"client":{"client_secret":"` + hidden,
		"a part by itself":   `[{"id":"1","protocol":{"credentials":}},{"client":{"client_secret":"` + hidden + `"}}]`,
		"a part of a part":   `[{"id":"1","protocol":{]},{"client_secret":"` + hidden + `"}]`,
		"a part before it":   `[{"client":{"client_secret":"` + hidden + `"}},{"id":"1","protocol":,}]`,
		"in a control":       "[{\"protocol\":{\"credentials\":{\"client\":{\"client_secret\":\"\x01" + hidden + `"}}}}]`,
		"the answer no list": `{"protocol":{"credentials":{"client":{"client_secret":"` + hidden + `"}}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			org := orgOf(t, lists(list), func(c *okta.Config) { c.Log = nil })
			r := org.Reader(service(t, "idps"), okta.Begin{}, time.Now)
			for pos, tries := (checkpoint.Position{}), 0; tries < 20; tries++ {
				page, err := r.Next(t.Context(), pos)
				require.NotContains(t, fmt.Sprint(err), hidden)
				if page == nil {
					continue
				}
				for _, o := range page.Objects {
					require.NotContains(t, string(o), hidden)
				}
				require.NotContains(t, fmt.Sprint(page.Warnings), hidden)
				pos = page.Position
			}
		})
	}
}

// FuzzNoSecretLeavesABrokenPage spoils a page of identity providers in one place, or cuts it.
func FuzzNoSecretLeavesABrokenPage(f *testing.F) {
	for seed := range uint64(60) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		dice := rand.New(rand.NewPCG(seed, 2))
		var all []string
		for i := range 1 + dice.IntN(4) {
			name := []string{"client_secret", `client\u005fsecret`, `\u0063lient_secret`}[dice.IntN(3)]
			all = append(all, fmt.Sprintf(`{"id":"x%d","protocol":{"type":"OIDC","credentials":{"client":{"client_id":"c","%s":"%s","%s":"%s"}}},"n":[1,{"a":null}]}`,
				i, name, hidden, name, hidden))
		}
		body := "[" + strings.Join(all, ",") + "]"
		at := dice.IntN(len(body))
		switch dice.IntN(4) {
		case 0:
			body = body[:at]
		case 1:
			body = body[:at] + body[at+1:]
		case 2:
			body = body[:at] + string(`{}[]",:\x`[dice.IntN(9)]) + body[at:]
		case 3:
			body = body[:at] + string(`{}[]",:\x`[dice.IntN(9)]) + body[at+1:]
		}
		if json.Valid([]byte(body)) {
			t.Skip("nothing is broken, but a member may have another name now")
		}
		org := orgOf(t, lists(body), func(*okta.Config) {})
		r := org.Reader(service(t, "idps"), okta.Begin{}, time.Now)
		defer r.Close()
		for _, pos := range []checkpoint.Position{{}, {Limit: 1}} {
			page, err := r.Next(t.Context(), pos)
			require.NotContains(t, fmt.Sprint(err), hidden)
			if page == nil {
				continue
			}
			for _, o := range page.Objects {
				require.True(t, json.Valid(o), string(o))
				for _, half := range []string{hidden[:7], hidden[7:]} { // one of them may be spoilt
					require.NotContains(t, string(o), half, body)
				}
			}
			require.NotContains(t, fmt.Sprint(page.Warnings), hidden)
			page.Release()
		}
	})
}

func TestTheKeyIsReadAnewAndNothingIsShippedWithoutIt(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	org := orgOf(t, lists(`[`+nested("protocol.credentials.client.client_secret", `"`+hidden+`"`)+`]`), func(c *okta.Config) { c.RedactKey = secret.File(file) })
	r := org.Reader(service(t, "idps"), okta.Begin{}, time.Now)
	read := func() string {
		page, err := r.Next(t.Context(), checkpoint.Position{})
		require.NoError(t, err)
		defer page.Release()
		return string(page.Objects[0])
	}
	require.NoError(t, os.WriteFile(file, []byte(strings.Repeat("a", 32)), 0o600))
	first := read()
	require.Contains(t, first, `"client_secret":"hmac:`)
	require.Equal(t, first, read())
	require.NoError(t, os.WriteFile(file, []byte(strings.Repeat("b", 32)), 0o600))
	require.NotEqual(t, first, read())

	require.NoError(t, os.WriteFile(file, []byte("short"), 0o600))
	page, err := r.Next(t.Context(), checkpoint.Position{})
	require.Nil(t, page)
	var e *okta.Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, okta.Person, e.Class)
	require.ErrorContains(t, err, "OKTA_REDACT_KEY_FILE")
	require.Contains(t, e.Advice, "OKTA_REDACT_KEY_FILE")
}

func TestWhatTheOperatorDoesNotWantToLeaveIsRemovedOrHashed(t *testing.T) {
	org := orgOf(t, lists(`[{"uuid":"a","published":"2026-03-01T11:00:00.000Z","actor":{"id":"u1","alternateId":"joe@acme.test"},"target":[{"alternateId":"joe@acme.test"},{"x":1}]},`+
		`{"uuid":"b","published":"2026-03-01T11:00:01.000Z","client":{"ipAddress":"203.0.113.7"}}]`), func(c *okta.Config) {
		c.RedactKey = secret.Value(strings.Repeat("a", 32))
		c.Redact = map[string][]redact.Rule{"logs": {
			{Path: "actor.alternateId", Action: redact.Join}, {Path: "target.alternateId", Action: redact.Join}, {Path: "client.ipAddress", Action: redact.Remove},
		}}
	})
	p := pull(t, org.Reader(service(t, "logs"), okta.Begin{}, atEpoch), checkpoint.Position{})
	require.Regexp(t, `^\{"uuid":"a","published":"2026-03-01T11:00:00.000Z","actor":\{"id":"u1","alternateId":"(hmac:[0-9a-f:]{41})"\},"target":\[\{"alternateId":"hmac:[0-9a-f:]{41}"\},\{"x":1\}\],`+
		`"@okta_redacted":\["actor.alternateId","target.alternateId"\]\}$`, p.json()[0])
	require.Equal(t, `{"uuid":"b","published":"2026-03-01T11:00:01.000Z","client":{},"@okta_redacted":["client.ipAddress"]}`, p.json()[1])
	require.Equal(t, "2026-03-01T11:00:01Z", p.position.Newest.Format(time.RFC3339), "the position is where it would be")
}

func TestAnObjectWithTooManySecretsGoesWithoutItsBytes(t *testing.T) {
	many := strings.Repeat(`"client_secret":1,`, 1_500_000)
	org := orgOf(t, lists(`[{"client_id":"a"},{"client_id":"b",`+many+`"n":1}]`), func(*okta.Config) {})
	r := org.Reader(service(t, "clients"), okta.Begin{}, time.Now)
	page, err := r.Next(t.Context(), checkpoint.Position{})
	require.NoError(t, err)
	require.Empty(t, page.Objects)
	require.Equal(t, 100, page.Position.Limit, "a smaller page is asked for first")

	page, err = r.Next(t.Context(), checkpoint.Position{Limit: 1})
	require.NoError(t, err)
	require.Equal(t, `{"client_id":"a"}`, string(page.Objects[0]))
	m := asMarked(t, string(page.Objects[1]))
	require.Empty(t, *m.Unreadable)
	require.Equal(t, "too many members to redact", m.Reason)
	require.Equal(t, "b", m.ID)
	page.Release()
}

// events are log events of these types, a minute apart.
func events(types ...string) (all []string) {
	for i, kind := range types {
		all = append(all, fmt.Sprintf(`{"uuid":"e%02d","published":"2026-03-01T11:%02d:00.000Z","eventType":%q}`, i, i, kind))
	}
	return all
}

func TestDroppedEventsAreCountedAndPassed(t *testing.T) {
	all := events("a.b", "x.y", "x.y", "a.b", "x.y", "a.b", "x.y")
	all[4] = strings.Replace(all[4], "eventType", `event\u0054ype`, 1)
	all = append(all, `{"uuid":"f","published":"2026-03-01T11:30:00.000Z"}`, `null`)
	org := orgOf(t, elements(all), func(c *okta.Config) { c.DropEvents = []string{"x.y"} })
	r := org.Reader(service(t, "logs"), okta.Begin{}, atEpoch)
	page, err := r.Next(t.Context(), checkpoint.Position{})
	require.NoError(t, err)
	require.Len(t, page.Objects, 5)
	require.EqualValues(t, 4, page.Dropped(0, 5))
	require.Equal(t, checkpoint.Oddities{Unreadable: 1}, page.Oddities(0, 5))
	for n := range page.Objects {
		// Whatever was delivered of a page, the next worker goes on there, and each dropped event is counted once.
		rest, err := r.Next(t.Context(), durable(t, page.After(n)))
		require.NoError(t, err)
		require.Equal(t, page.Objects[n:], rest.Objects)
		require.EqualValues(t, 4, page.Dropped(0, n)+rest.Dropped(0, len(rest.Objects)), n)
		odd := page.Oddities(0, n)
		odd.Add(rest.Oddities(0, len(rest.Objects)))
		require.Equal(t, checkpoint.Oddities{Unreadable: 1}, odd)
	}
}

func TestAPageWhoseEventsAreAllDroppedMovesThePosition(t *testing.T) {
	org := orgOf(t, elements(events("x.y", "x.y", "x.y", "a.b")), func(c *okta.Config) { c.DropEvents = []string{"x.y"} })
	r := org.Reader(service(t, "logs"), okta.Begin{}, atEpoch)
	page, err := r.Next(t.Context(), checkpoint.Position{Pull: &checkpoint.Pull{Kind: checkpoint.PullPoll, Since: epoch.Add(-time.Hour)}, Cursor: "/api/v1/logs?after=0&limit=3"})
	require.NoError(t, err)
	require.Empty(t, page.Objects)
	require.EqualValues(t, 3, page.Dropped(0, 0))
	require.False(t, page.CaughtUp)
	require.Equal(t, page.Position, page.After(0))
	require.Equal(t, "2026-03-01T11:02:00Z", page.Position.Newest.Format(time.RFC3339))
	next, err := r.Next(t.Context(), page.Position)
	require.NoError(t, err)
	require.Len(t, next.Objects, 1)
	require.True(t, next.CaughtUp)
	require.Zero(t, next.Position.IdlePolls)
}

func TestOnlyEventsOfTheLogAreDropped(t *testing.T) {
	org := orgOf(t, lists(`[{"id":"1","eventType":"x.y"}]`), func(c *okta.Config) { c.DropEvents = []string{"x.y"} })
	p := pull(t, org.Reader(service(t, "zones"), okta.Begin{}, time.Now), checkpoint.Position{})
	require.Len(t, p.objects, 1)
}
