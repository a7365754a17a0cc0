package okta

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSplitKeepsEveryByteButInsignificantWhiteSpace(t *testing.T) {
	for name, test := range map[string]struct {
		body string
		want []string
	}{
		"empty":           {"[]", nil},
		"empty, spaced":   {" [ \n ] ", nil},
		"compact":         {`[{"id":"a"},{"id":"b"}]`, []string{`{"id":"a"}`, `{"id":"b"}`}},
		"spaced":          {"[ {\n \"id\" : \"a b\" ,\t\"x\":[ 1 , 2 ] } ,\r\n{ } ]\n", []string{`{"id":"a b","x":[1,2]}`, `{}`}},
		"numbers":         {`[{"a":1E5,"b":1.50,"c":-0,"d":1e-7,"e":12345678901234567890}]`, []string{`{"a":1E5,"b":1.50,"c":-0,"d":1e-7,"e":12345678901234567890}`}},
		"nulls":           {`[{"a":null,"b":[null,true,false]}]`, []string{`{"a":null,"b":[null,true,false]}`}},
		"escapes":         {`[{"a":"\u00e9\n\"\\/\/é\u2028"}]`, []string{`{"a":"\u00e9\n\"\\/\/é\u2028"}`}},
		"key order":       {`[{"z":1,"a":2,"z":3}]`, []string{`{"z":1,"a":2,"z":3}`}},
		"blank in string": {`[{"a b" : " c  d "}]`, []string{`{"a b":" c  d "}`}},
	} {
		t.Run(name, func(t *testing.T) {
			objects, _, err := split([]byte(test.body), "", "")
			require.NoError(t, err)
			var got []string
			for _, o := range objects {
				got = append(got, string(o.raw))
			}
			require.Equal(t, test.want, got)
		})
	}
}

func TestSplitFindsIdentityAndPublishedAtTheTopOnly(t *testing.T) {
	objects, _, err := split([]byte(`[
		{"actor":{"id":"inner","published":"no"},"uuid":"u1","id":"later","published":"2026-01-01T00:00:00.000Z"},
		{"client_id" : "c1", "published" : 7},
		{"name":"none","":"empty","id":5}]`), "", "")
	require.NoError(t, err)
	require.Equal(t, "u1", string(objects[0].id))
	require.Equal(t, "2026-01-01T00:00:00.000Z", string(objects[0].published))
	require.Equal(t, "c1", string(objects[1].id))
	require.Nil(t, objects[1].published)
	require.Nil(t, objects[2].id)
}

func TestSplitRefusesWhatIsNoWholeArrayOfObjects(t *testing.T) {
	for _, body := range []string{
		"", " ", "{}", `{"errorCode":"E0000011"}`, "<html></html>", "null", "[1]", `["a"]`, "[{}", "[{},", "[{},]", "[,{}]", "[{}]]", "[{}]x", "[{} {}]",
		`[{"a"}]`, `[{"a":}]`, `[{"a":1,}]`, `[{a:1}]`, `[{"a":01}]`, `[{"a":1.}]`, `[{"a":.5}]`, `[{"a":+1}]`, `[{"a":1e}]`, `[{"a":tru}]`, `[{"a":"\x"}]`,
		`[{"a":"\u12g4"}]`, "[{\"a\":\"line\nbreak\"}]", "[{\"a\":\"\x00\"}]", `[{"a":"`, `[{"a":"\`, `[{"a":"\u12`, "[{\"a\":1\x00}]",
		"[{\"a\":" + strings.Repeat("[", 300) + strings.Repeat("]", 300) + "}]",
	} {
		_, _, err := split([]byte(body), "", "")
		require.Error(t, err, body)
	}
}

// FuzzSplit holds split against encoding/json: both accept the same arrays of objects, the objects
// are what json.Compact makes of them, and what is kept of each is what a decoder finds at its top.
func FuzzSplit(f *testing.F) {
	for _, seed := range []string{
		`[]`, `[{}]`, ` [ { "id" : "a\u00e9" , "x" : [ 1E5 , -0.0 , null ] } , {} ] `, `[{"a":"\"}]`, `[{"a":tru}]`,
		`[{"uuid":7,"client_id":"c","id":"i","published":"p","published":"q"},{"\u0069d":"no","published":null}]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var want []json.RawMessage
		valid := json.Unmarshal(body, &want) == nil && want != nil && depth(body) <= maxDepth+1
		for _, w := range want {
			valid = valid && bytes.HasPrefix(bytes.TrimLeft(w, " \t\r\n"), []byte("{"))
		}
		got, _, err := split(bytes.Clone(body), "", "")
		require.Equal(t, valid, err == nil, "%q: %v", body, err)
		if !valid {
			require.Empty(t, got)
			require.Less(t, len(err.Error()), 100, "an error repeats nothing of the answer")
			return
		}
		require.Len(t, got, len(want))
		for i := range want {
			var compact bytes.Buffer
			require.NoError(t, json.Compact(&compact, want[i]))
			require.Equal(t, compact.String(), string(got[i].raw))
			require.NotContains(t, string(got[i].raw), "\n")
			require.Equal(t, len(got[i].raw), cap(got[i].raw), "whoever appends to an object does not write into the next one")
			id, published := identity(t, compact.Bytes())
			require.Equal(t, id, got[i].id)
			require.Equal(t, published, got[i].published)
		}
	})
}

// depth is how deep the brackets of a JSON text are nested.
func depth(text []byte) (deepest int) {
	open, quoted := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '[', c == '{':
			open++
			deepest = max(deepest, open)
		case c == ']', c == '}':
			open--
		}
	}
	return deepest
}

// identity is what encoding/json finds in a compact object where split looks for its identity.
func identity(t *testing.T, object []byte) (id, published []byte) {
	dec := json.NewDecoder(bytes.NewReader(object))
	_, err := dec.Token() // the brace
	require.NoError(t, err)
	for dec.More() {
		before := dec.InputOffset()
		_, err := dec.Token()
		require.NoError(t, err)
		// As it is spelt: an escaped name is another one.
		name := string(bytes.TrimPrefix(object[before:dec.InputOffset()], []byte(",")))
		var value json.RawMessage
		require.NoError(t, dec.Decode(&value))
		if value[0] != '"' {
			continue
		}
		switch text := []byte(value[1 : len(value)-1]); {
		case (name == `"id"` || name == `"uuid"` || name == `"client_id"`) && id == nil:
			id = text
		case name == `"published"`:
			published = text
		}
	}
	return id, published
}

func BenchmarkSplit(b *testing.B) {
	event := `{"uuid":"0","published":"2026-01-01T00:00:00.000Z","pad":"` + strings.Repeat("x", 60) + `","target":[` + strings.Repeat(`{"id":"00u1","type":"User","alternateId":"a@b.c","n":12},`, 40) + `{}]}`
	body := []byte("[" + strings.Repeat(event+",", 999) + event + "]")
	b.SetBytes(int64(len(body)))
	for b.Loop() {
		if _, _, err := split(body, "", ""); err != nil {
			b.Fatal(err)
		}
	}
}
