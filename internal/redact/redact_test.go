package redact_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/redact"
)

const clientSecret = "protocol.credentials.client.client_secret"

var idps = redact.New(redact.Rule{Path: clientSecret})

// redacted is an object without what must not leave.
func redacted(rules *redact.Rules, object string, key redact.Key) string {
	return string(rules.Append(nil, []byte(object), false, key))
}

func key(t testing.TB, value, tenant string) redact.Key {
	t.Helper()
	k, err := redact.NewKey(value, tenant)
	require.NoError(t, err)
	return k
}

var oneKey = strings.Repeat("0123456789abcdef", 4)

func TestASecretIsReplacedInPlaceAndListed(t *testing.T) {
	for name, test := range map[string][2]string{
		"alone": {
			`{"id":"1","protocol":{"credentials":{"client":{"client_id":"a","client_secret":"s3cret"}}},"n":1.50}`,
			`{"id":"1","protocol":{"credentials":{"client":{"client_id":"a","client_secret":"[redacted]"}}},"n":1.50,"@okta_redacted":["` + clientSecret + `"]}`,
		},
		"spelt with escapes": {
			`{"pr\u006ftocol":{"credentials":{"client":{"client\u005fsecret":"s3cret"}}}}`,
			`{"pr\u006ftocol":{"credentials":{"client":{"client\u005fsecret":"[redacted]"}}},"@okta_redacted":["` + clientSecret + `"]}`,
		},
		"repeated at every level": {
			`{"protocol":{"credentials":{"client":{"client_secret":"s3cret","client_secret":"s3cret2"}},"credentials":{"client":{"client_secret":7}}},"protocol":{"credentials":{"client":{"client_secret":["s3cret"]}}}}`,
			`{"protocol":{"credentials":{"client":{"client_secret":"[redacted]","client_secret":"[redacted]"}},"credentials":{"client":{"client_secret":"[redacted]"}}},"protocol":{"credentials":{"client":{"client_secret":"[redacted]"}}},"@okta_redacted":["` + clientSecret + `"]}`,
		},
		"in arrays": {
			`{"protocol":[1,[{"credentials":{"client":[{"client_secret":"s3cret"},{},"x",{"client_secret":"s3cret"}]}}],null]}`,
			`{"protocol":[1,[{"credentials":{"client":[{"client_secret":"[redacted]"},{},"x",{"client_secret":"[redacted]"}]}}],null],"@okta_redacted":["` + clientSecret + `"]}`,
		},
		"an object": {
			`{"protocol":{"credentials":{"client":{"client_secret":{"a":["s3cret","}"]}}}}}`,
			`{"protocol":{"credentials":{"client":{"client_secret":"[redacted]"}}},"@okta_redacted":["` + clientSecret + `"]}`,
		},
		"null is no secret":      {`{"protocol":{"credentials":{"client":{"client_secret":null}}}}`, ``},
		"elsewhere it is none":   {`{"client_secret":"x","protocol":{"client_secret":"x","credentials":"client_secret"}}`, ``},
		"none":                   {`{}`, ``},
		"a name that only looks": {`{"protocol":{"credentials":{"client":{"client_secret ":"x","Client_Secret":"x","\\u0063lient_secret":"x"}}}}`, ``},
	} {
		t.Run(name, func(t *testing.T) {
			want := test[1]
			if want == "" {
				want = test[0]
				require.Zero(t, idps.Size([]byte(test[0]), false))
			} else {
				require.GreaterOrEqual(t, idps.Size([]byte(test[0]), false), len(want))
			}
			require.Equal(t, want, redacted(idps, test[0], redact.Key{}))
			require.True(t, json.Valid([]byte(want)))
		})
	}
}

func TestWithAKeyAChangeOfASecretShowsAndTheSecretDoesNot(t *testing.T) {
	object := func(secret string) string {
		return `{"protocol":{"credentials":{"client":{"client_secret":` + secret + `}}}}`
	}
	k := key(t, oneKey, "acme")
	first := redacted(idps, object(`"s3cret"`), k)
	require.Regexp(t, `^\{"protocol":\{"credentials":\{"client":\{"client_secret":"hmac:[0-9a-f]{8}:[0-9a-f]{32}"\}\}\},"@okta_redacted":\["`+clientSecret+`"\]\}$`, first)
	require.Equal(t, first, redacted(idps, object(`"s3\u0063ret"`), k), "the same text in another spelling")
	require.NotEqual(t, first, redacted(idps, object(`"s3cret2"`), k))

	other := redacted(idps, object(`"s3cret"`), key(t, strings.Repeat("f", 32), "acme"))
	id := strings.Index(first, "hmac:") + len("hmac:")
	require.NotEqual(t, first[id:id+8], other[id:id+8], "the id of the key")
	require.NotEqual(t, first, redacted(idps, object(`"s3cret"`), key(t, oneKey, "globex")), "tenants are not joined")
}

func TestHashesKeepJoinsAndShowNothingOfSecrets(t *testing.T) {
	k := key(t, oneKey, "acme")
	rules := redact.New(redact.Rule{Path: "secret"}, redact.Rule{Path: "a.phone", Action: redact.Join}, redact.Rule{Path: "phones", Action: redact.Join})
	var got struct {
		Secret, Phones string
		A              []struct{ Phone string }
	}
	require.NoError(t, json.Unmarshal([]byte(redacted(rules, `{"secret":"+1 555","a":[{"phone":"+1 555"},{"phone":"+1\u0020555"},{"phone":"+1 556"}],"phones":"+1 555"}`, k)), &got))
	require.Equal(t, got.A[0].Phone, got.A[1].Phone)
	require.NotEqual(t, got.A[0].Phone, got.A[2].Phone)
	require.Equal(t, got.A[0].Phone, got.Phones, "in whichever member")
	require.NotEqual(t, got.Secret, got.Phones, "or whoever chooses one value could guess the other")
}

func TestAMemberThatIsRemovedLeavesNoTraceButItsName(t *testing.T) {
	rules := redact.New(redact.Rule{Path: "a", Action: redact.Remove}, redact.Rule{Path: "o.x", Action: redact.Remove})
	for object, want := range map[string]string{
		`{"a":1}`:                          `{"@okta_redacted":["a"]}`,
		`{"a":1,"b":2}`:                    `{"b":2,"@okta_redacted":["a"]}`,
		`{"b":2,"a":1}`:                    `{"b":2,"@okta_redacted":["a"]}`,
		`{"b":2,"a":1,"c":3}`:              `{"b":2,"c":3,"@okta_redacted":["a"]}`,
		`{"a":1,"a":2,"b":2,"a":3,"a":4}`:  `{"b":2,"@okta_redacted":["a"]}`,
		`{"a":1,"a":2}`:                    `{"@okta_redacted":["a"]}`,
		`{"o":[{"x":1},{"y":2,"x":{}}]}`:   `{"o":[{},{"y":2}],"@okta_redacted":["o.x"]}`,
		`{"o":{"x":[1,{"x":2}]},"a":"\""}`: `{"o":{},"@okta_redacted":["a","o.x"]}`,
		`{"a":null,"b":1,"a":1}`:           `{"a":null,"b":1,"@okta_redacted":["a"]}`,
		`{"a":1,"a":null,"b":1}`:           `{"a":null,"b":1,"@okta_redacted":["a"]}`,
	} {
		require.Equal(t, want, redacted(rules, object, redact.Key{}), object)
	}
}

func TestTheListOfMembersIsBounded(t *testing.T) {
	var rules []redact.Rule
	object := "{"
	for i := range 100 {
		name := fmt.Sprintf("m%02d%s", i, strings.Repeat("x", 180))
		rules = append(rules, redact.Rule{Path: name, Action: redact.Remove})
		object += fmt.Sprintf("%q:1,", name)
	}
	object = object[:len(object)-1] + "}"
	got := redacted(redact.New(rules...), object, redact.Key{})
	require.Less(t, len(got), 1030)
	require.True(t, strings.HasSuffix(got, `,"…"]}`), got)
	require.True(t, json.Valid([]byte(got)))
}

func TestAShortKeyIsRefusedAndNotShown(t *testing.T) {
	_, err := redact.NewKey("short-key", "acme")
	require.ErrorContains(t, err, "at least 32")
	require.NotContains(t, err.Error(), "short-key")
}

func TestAnObjectWithNothingToRedactCostsNoMemory(t *testing.T) {
	object := []byte(`{"id":"0oa1","name":"a \"name\"","protocol":{"credentials":{"trust":{"kid":"k"}}}}`)
	for _, rules := range []*redact.Rules{nil, redact.New(), idps} {
		require.Zero(t, rules.Size(object, false))
		require.Zero(t, testing.AllocsPerRun(100, func() { rules.Size(object, false) }))
	}
}

// planted writes random objects. Their strings have no secret but those that it plants.
type planted struct {
	*rand.Rand
	plain bool // no secret is planted
	text  strings.Builder
}

const secretText = "S3CRET"

// spell spells a name as JSON allows.
func (p *planted) spell(name string) string {
	var s strings.Builder
	for _, r := range name {
		switch p.IntN(4) {
		case 0:
			fmt.Fprintf(&s, `\u%04x`, r)
		case 1:
			fmt.Fprintf(&s, `\u%04X`, r)
		default:
			s.WriteRune(r)
		}
	}
	return s.String()
}

// value writes what is at a place of a path: most often what leads on, with other members around it.
func (p *planted) value(path []string, depth int) {
	if len(path) == 0 {
		p.text.WriteString([]string{`"` + secretText + `"`, `"x\"` + secretText + `\\"`, `["` + secretText + `",{"a":"` + secretText + `"}]`,
			`{"client":"` + secretText + `"}`}[p.IntN(4)])
		return
	}
	if depth < 5 && p.IntN(4) == 0 { // an array on the way
		p.text.WriteString("[")
		for i := range 1 + p.IntN(3) {
			if i > 0 {
				p.text.WriteString(",")
			}
			p.value(path, depth+1)
		}
		p.text.WriteString("]")
		return
	}
	p.object(path, depth)
}

// object writes an object with members that lead on, and others.
func (p *planted) object(path []string, depth int) {
	p.text.WriteString("{")
	for i := range 1 + p.IntN(4) {
		if i > 0 {
			p.text.WriteString(",")
		}
		if p.IntN(2) == 0 || p.plain {
			p.text.WriteString([]string{`"id":"a"`, `"x":"client_secret\"}"`, `"protocol2":{"credentials":[]}`, `"n":-1.50e3`, `"t":true`, `"z":null`, `"":{}`,
				`"client":{"a":[{}]}`, `"é\u00e9\/":"ü"`}[p.IntN(9)])
			continue
		}
		fmt.Fprintf(&p.text, `"%s":`, p.spell(path[0]))
		p.value(path[1:], depth)
	}
	p.text.WriteString("}")
}

func newPlanted(seed uint64, plain bool) string {
	p := &planted{Rand: rand.New(rand.NewPCG(seed, 1)), plain: plain}
	p.object(strings.Split(clientSecret, "."), 0)
	return p.text.String()
}

// FuzzNoSecretLeaves plants secrets in every spelling, at every depth and repeatedly, and finds none.
func FuzzNoSecretLeaves(f *testing.F) {
	for seed := range uint64(200) {
		f.Add(seed)
	}
	k := key(f, oneKey, "acme")
	f.Fuzz(func(t *testing.T, seed uint64) {
		object := newPlanted(seed, false)
		require.True(t, json.Valid([]byte(object)), object)
		for _, anywhere := range []bool{false, true} {
			for _, k := range []redact.Key{{}, k} {
				got := idps.Append(nil, []byte(object), anywhere, k)
				require.NotContains(t, string(got), secretText, object)
				require.True(t, json.Valid(got), "%s of %s", got, object)
				if strings.Contains(object, secretText) {
					require.LessOrEqual(t, len(got), idps.Size([]byte(object), anywhere))
					require.Contains(t, string(got), `"@okta_redacted":["`+clientSecret+`"]`)
				}
			}
		}
	})
}

// FuzzEverythingElseIsUnchanged: what encoding/json reads of an object is the same, but for the member and the list.
func FuzzEverythingElseIsUnchanged(f *testing.F) {
	for seed := range uint64(100) {
		f.Add([]byte(newPlanted(seed, seed%2 == 0)))
	}
	for _, object := range []string{`{}`, `{"a":1}`, `{"a":{"b":1,"c":[{"b":2}]}}`, `{"b":"\ud800"}`, "{\"\xff\":1}", `{"a":`, `{`, `{"a`, `x`, `{"a":{"b"`, `{"a":[1,`, `{"a":[}`, `[`} {
		f.Add([]byte(object))
	}
	rules := redact.New(redact.Rule{Path: clientSecret}, redact.Rule{Path: "a.b", Action: redact.Remove}, redact.Rule{Path: "x", Action: redact.Join})
	f.Fuzz(func(t *testing.T, object []byte) {
		before := slices.Clone(object)
		for _, anywhere := range []bool{false, true} {
			_ = rules.Size(object, anywhere)
			got := rules.Append(nil, object, anywhere, redact.Key{})
			require.Equal(t, before, object, "it is not written to")
			var compact bytes.Buffer
			if len(object) == 0 || object[0] != '{' || json.Compact(&compact, object) != nil || !bytes.Equal(compact.Bytes(), object) {
				continue // the package's input is valid; of anything else it only has to return
			}
			require.True(t, json.Valid(got), "%s of %s", got, object)
			if rules.Size(object, anywhere) == 0 {
				require.Equal(t, string(object), string(got))
			} else if !anywhere {
				require.Equal(t, without(string(object)), without(string(got)))
			}
		}
	})
}

// without is an object as encoding/json reads it token by token, without what the rules are about.
func without(object string) (tokens []string) {
	d := json.NewDecoder(strings.NewReader(object))
	d.UseNumber()
	var read func(path []string, keep bool)
	hidden := func(path []string) bool {
		return slices.Contains([]string{clientSecret, "a.b", "x", "@okta_redacted"}, strings.Join(path, "."))
	}
	read = func(path []string, keep bool) {
		token, err := d.Token()
		if err != nil {
			return
		}
		if keep {
			tokens = append(tokens, fmt.Sprint(token))
		}
		switch token {
		case json.Delim('{'):
			for d.More() {
				name, _ := d.Token()
				inside := append(slices.Clone(path), strings.ReplaceAll(fmt.Sprint(name), ".", "·"))
				kept := keep && !hidden(inside)
				if kept {
					tokens = append(tokens, fmt.Sprint(name))
				}
				read(inside, kept)
			}
			_, _ = d.Token()
		case json.Delim('['):
			for d.More() {
				read(path, keep)
			}
			_, _ = d.Token()
		}
	}
	read(nil, true)
	return tokens
}

// BenchmarkSize looks for secrets in an object of 1.6 KB that has none, as most have none.
func BenchmarkSize(b *testing.B) {
	object := []byte(`{"id":"0oa1","text":"` + strings.Repeat("lorem ipsum ", 130) + `"}`)
	b.SetBytes(int64(len(object)))
	b.ReportAllocs()
	for b.Loop() {
		idps.Size(object, false)
	}
}

// BenchmarkAppend redacts an object of 2 KB that has a secret.
func BenchmarkAppend(b *testing.B) {
	object := []byte(`{"id":"0oa1","a":{` + strings.Repeat(`"name":"a value of twenty","n":[1,true],`, 45) + `"z":1},"protocol":{"credentials":{"client":{"client_secret":"s3cret"}}}}`)
	for name, k := range map[string]redact.Key{"mark": {}, "hash": key(b, oneKey, "acme")} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(object)))
			b.ReportAllocs()
			dst := make([]byte, 0, 8<<10)
			for b.Loop() {
				idps.Size(object, false)
				idps.Append(dst, object, false, k)
			}
		})
	}
}
