package devosim_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devosim"
)

const goodRecord = `<14>2026-11-22T06:27:00.123Z host-1.example auth.okta.system: {"uuid":"a","n":1.50,"@devo_pulling_id":1795332420123}`

func TestARecordIsReadWhole(t *testing.T) {
	r, err := devosim.ParseRecord([]byte(goodRecord))
	require.NoError(t, err)
	require.Equal(t, time.Date(2026, 11, 22, 6, 27, 0, 123e6, time.UTC), r.Time)
	require.Equal(t, "host-1.example", r.Host)
	require.Equal(t, "auth.okta.system", r.Tag)
	require.Equal(t, `{"uuid":"a","n":1.50,"@devo_pulling_id":1795332420123}`, string(r.Object.JSON))
	require.Equal(t, int64(1795332420123), r.Object.Pull)
	require.Equal(t, devosim.IdentityOf("", "a"), r.Object.Identity)
	require.True(t, r.Object.Event)
	require.Equal(t, devosim.Sum([]byte(`{"uuid":"a","n":1.50}`)), r.Object.Sum)
}

func TestAnythingButTheOneSpellingIsMalformed(t *testing.T) {
	const message = `{"id":"a"}`
	tests := map[string]string{
		"nothing":                  ``,
		"only a priority":          `<14>`,
		"another priority":         `<13>2026-11-22T06:27:00.123Z h a.b: ` + message,
		"a version, as RFC 5424":   `<14>1 2026-11-22T06:27:00.123Z h a.b: ` + message,
		"a date with a blank":      `<14>2026-11-22 06:27:00.123 h a.b: ` + message,
		"a date of RFC 3164":       `<14>Nov 22 06:27:00 h a.b: ` + message,
		"a date without fraction":  `<14>2026-11-22T06:27:00Z h a.b: ` + message,
		"microseconds":             `<14>2026-11-22T06:27:00.123456Z h a.b: ` + message,
		"a comma for the point":    `<14>2026-11-22T06:27:00,123Z h a.b: ` + message,
		"another time zone":        `<14>2026-11-22T06:27:00.123+00:00 h a.b: ` + message,
		"a day that is none":       `<14>2026-02-30T06:27:00.123Z h a.b: ` + message,
		"no host":                  `<14>2026-11-22T06:27:00.123Z a.b: ` + message,
		"an empty host":            `<14>2026-11-22T06:27:00.123Z  a.b: ` + message,
		"a host that is not ASCII": `<14>2026-11-22T06:27:00.123Z hôte a.b: ` + message,
		"a long host":              `<14>2026-11-22T06:27:00.123Z ` + strings.Repeat("h", 256) + ` a.b: ` + message,
		"a tag of one level":       `<14>2026-11-22T06:27:00.123Z h a: ` + message,
		"a tag of seven levels":    `<14>2026-11-22T06:27:00.123Z h a.b.c.d.e.f.g: ` + message,
		"an empty level":           `<14>2026-11-22T06:27:00.123Z h a..b: ` + message,
		"a blank in the tag":       `<14>2026-11-22T06:27:00.123Z h a.b c: ` + message,
		"a tag of 1,025":           `<14>2026-11-22T06:27:00.123Z h a.` + strings.Repeat("b", 1023) + `: ` + message,
		"no blank after the tag":   `<14>2026-11-22T06:27:00.123Z h a.b:` + message,
		"two blanks after the tag": `<14>2026-11-22T06:27:00.123Z h a.b:  ` + message,
		"no message":               `<14>2026-11-22T06:27:00.123Z h a.b: `,
		"text":                     `<14>2026-11-22T06:27:00.123Z h a.b: hello`,
		"a carriage return":        `<14>2026-11-22T06:27:00.123Z h a.b: ` + message + "\r",
		"two objects":              `<14>2026-11-22T06:27:00.123Z h a.b: ` + message + message,
	}
	for name, line := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := devosim.ParseRecord([]byte(line))
			require.Error(t, err)
		})
	}
	for name, line := range map[string]string{
		"two levels":     `<14>2026-11-22T06:27:00.123Z h a.b: ` + message,
		"six levels":     `<14>2026-11-22T06:27:00.123Z h a.b.c.d.e.f_-9: ` + message,
		"a tag of 1,024": `<14>2026-11-22T06:27:00.123Z h a.` + strings.Repeat("b", 1022) + `: ` + message,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := devosim.ParseRecord([]byte(line))
			require.NoError(t, err)
		})
	}
}

func TestAMessageIsOneCompactObject(t *testing.T) {
	good := []string{
		`{}`, `{"a":[]}`, `{"a":[1,-0,0.10,1E+5,1e-5],"b":{"c":null,"d":true,"e":false}}`,
		`{"a":" \" \\ \/ \b \f \n \r \t \u00e9 \ud800 é € 𝄞"}`, `{"":{"":""}}`,
		`{"a":` + strings.Repeat("[", 999) + strings.Repeat("]", 999) + `}`,
	}
	for _, object := range good {
		_, err := devosim.ParseObject([]byte(object))
		require.NoError(t, err, "%.80s", object)
	}
	bad := []string{
		``, ` {}`, `{} `, `{ }`, `{"a": 1}`, `{"a" :1}`, `{"a":1 }`, `{"a":[1, 2]}`, "{\"a\":\t1}", `{}{}`, `{},`,
		`[]`, `"a"`, `1`, `null`, `{"a"}`, `{"a":}`, `{"a":1,}`, `{,"a":1}`, `{"a":[1,]}`, `{"a":[,1]}`, `{a:1}`, `{'a':1}`,
		`{"a":01}`, `{"a":1.}`, `{"a":.5}`, `{"a":+1}`, `{"a":1e}`, `{"a":-}`, `{"a":tru}`, `{"a":nul}`, `{"a":NaN}`,
		`{"a":"\x"}`, `{"a":"\u12g4"}`, `{"a":"`, `{"a":"\`, "{\"a\":\"\x01\"}", "{\"a\":\"\xff\"}", `{"a":[}`, `{"a":1`,
		`{"a":` + strings.Repeat("[", 1000) + strings.Repeat("]", 1000) + `}`,
		`{"@devo_pulling_id":1,"@devo_pulling_id":1}`, `{"@devo_pulling_id":"1"}`, `{"@devo_pulling_id":0}`, `{"@devo_pulling_id":1.5}`,
	}
	for _, object := range bad {
		_, err := devosim.ParseObject([]byte(object))
		require.Error(t, err, "%.80s", object)
	}
}

func TestAnObjectIsIdentified(t *testing.T) {
	tests := map[string]struct {
		object   string
		identity devosim.Identity
		event    bool
		pull     int64
	}{
		"an event by its uuid": {
			object: `{"id":"x","uuid":"u"}`, identity: devosim.IdentityOf("", "u"), event: true,
		},
		"an OAuth client by its client_id": {
			object: `{"id":"x","client_id":"c"}`, identity: devosim.IdentityOf("", "c"),
		},
		"anything else by its id": {
			object: `{"@devo_pulling_id":7,"a":{"id":"x","uuid":"y"},"id":"z"}`, identity: devosim.IdentityOf("", "z"), pull: 7,
		},
		"a user of an app by both ids": {
			object: `{"id":"u","@okta_app_id":"a"}`, identity: devosim.IdentityOf("a", "u"),
		},
		"a deletion by its event too": {
			object: `{"id":"u","@okta_group_id":"g","@okta_event":"e"}`, identity: devosim.IdentityOf("eg", "u"), event: true,
		},
		"what is listed under several by all ids": {
			object: `{"id":"g","@okta_user_id":"u","@okta_role_assignment_id":"r"}`, identity: devosim.IdentityOf("u/r", "g"),
		},
		"a customization by those of its brand and template": {
			object: `{"id":"c","@okta_brand_id":"b","@okta_template":"t"}`, identity: devosim.IdentityOf("b/t", "c"),
		},
		"a member of a group by both ids": {
			object: `{"@okta_group_id":"g","id":"u"}`, identity: devosim.IdentityOf("g", "u"),
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			o, err := devosim.ParseObject([]byte(test.object))
			require.NoError(t, err)
			require.Equal(t, test.identity, o.Identity)
			require.Equal(t, test.event, o.Event)
			require.Equal(t, test.pull, o.Pull)
		})
	}
	t.Run("one without an id by what it is", func(t *testing.T) {
		a, err := devosim.ParseObject([]byte(`{"a":1,"@devo_pulling_id":1}`))
		require.NoError(t, err)
		again, err := devosim.ParseObject([]byte(`{"a":1,"@devo_pulling_id":2}`))
		require.NoError(t, err)
		b, err := devosim.ParseObject([]byte(`{"a":2,"@devo_pulling_id":1}`))
		require.NoError(t, err)
		require.Equal(t, a.Identity, again.Identity)
		require.NotEqual(t, a.Identity, b.Identity)
	})
}

func TestARecordOfSomethingUnreadableIsIdentifiedByItsText(t *testing.T) {
	text := "{\"a\":\"\x01\"}"
	o, err := devosim.ParseObject([]byte(`{"@okta_unreadable":"{\"a\":\"\u0001\"}","@okta_id":"x","@okta_size":11,"@devo_pulling_id":7,"@okta_app_id":"a"}`))
	require.NoError(t, err)
	require.Equal(t, devosim.UnreadableIdentityOf("a", text), o.Identity)
	require.NotEqual(t, devosim.UnreadableIdentityOf("", text), o.Identity)
	require.False(t, o.Event)
	for _, wrong := range []string{`{"@okta_unreadable":null}`, `{"@okta_unreadable":1}`} {
		_, err := devosim.ParseObject([]byte(wrong))
		require.ErrorContains(t, err, "no string")
	}
}

func TestTheSumIsThatOfOktasBytesWhereverMembersWereAdded(t *testing.T) {
	const okta = `{"id":"a","b":{"@c":1},"d":[1.0]}`
	for _, delivered := range []string{
		okta,
		`{"@devo_pulling_id":1,"id":"a","b":{"@c":1},"d":[1.0]}`,
		`{"id":"a","b":{"@c":1},"d":[1.0],"@devo_pulling_id":1,"@devo_environment":"é"}`,
		`{"id":"a","@okta_app_id":"x","b":{"@c":1},"@devo_pulling_id":1,"d":[1.0]}`,
	} {
		o, err := devosim.ParseObject([]byte(delivered))
		require.NoError(t, err)
		require.Equal(t, devosim.Sum([]byte(okta)), o.Sum, delivered)
	}
	o, err := devosim.ParseObject([]byte(`{"@devo_pulling_id":1}`))
	require.NoError(t, err)
	require.Equal(t, devosim.Sum([]byte(`{}`)), o.Sum)

	for _, altered := range []string{`{"b":{"@c":1},"id":"a","d":[1.0]}`, `{"id":"a","b":{"@c":1},"d":[1]}`, `{"id":"a","b":{},"d":[1.0]}`} {
		o, err := devosim.ParseObject([]byte(altered))
		require.NoError(t, err)
		require.NotEqual(t, devosim.Sum([]byte(okta)), o.Sum, altered)
	}
}

func FuzzParseRecord(f *testing.F) {
	f.Add([]byte(goodRecord))
	f.Add([]byte(`<14>2026-11-22T06:27:00.123Z h a.b: {"a":[1,{"b":"\u00e9"}]}`))
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := devosim.ParseRecord(line)
		if err != nil {
			return
		}
		again := "<14>" + r.Time.Format("2006-01-02T15:04:05.000Z") + " " + r.Host + " " + r.Tag + ": " + string(r.Object.JSON)
		require.Equal(t, string(line), again, "an accepted record says nothing else")
		require.NotContains(t, again, "\n")
	})
}

// FuzzParseObject holds the checker against encoding/json.
func FuzzParseObject(f *testing.F) {
	f.Add([]byte(`{"a":[1,-0.5e+7,{"b":"\u00e9 \\ é"},true,false,null,[],{}]}`))
	f.Add([]byte(`{"@devo_pulling_id":1,"@devo_pulling_id":2}`))
	f.Add([]byte(`{"a": 01}`))
	f.Fuzz(func(t *testing.T, object []byte) {
		var compact bytes.Buffer
		good := json.Compact(&compact, object) == nil && bytes.Equal(compact.Bytes(), object) &&
			utf8.Valid(object) && bytes.HasPrefix(object, []byte("{"))
		_, err := devosim.ParseObject(object)
		if err == nil {
			require.True(t, good, "accepted: %q", object)
			return
		}
		// Added members and depth have rules of their own.
		if good && !bytes.Contains(object, []byte(`"@`)) && bytes.Count(object, []byte("{"))+bytes.Count(object, []byte("[")) <= 1000 {
			require.NoError(t, err, "refused: %q", object)
		}
	})
}

// BenchmarkParseRecord is of an event of the size that Okta's have.
func BenchmarkParseRecord(b *testing.B) {
	var members strings.Builder
	for range 40 {
		members.WriteString(`"name":{"id":"00u1a2b3c4d5e6f7g8h9","type":"User","ok":true,"n":1},`)
	}
	line := []byte(`<14>2026-11-22T06:27:00.123Z host auth.okta.system: {` + members.String() + `"uuid":"a","@devo_pulling_id":1795332420123}`)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := devosim.ParseRecord(line); err != nil {
			b.Fatal(err)
		}
	}
}
