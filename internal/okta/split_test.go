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
			objects, _, err := split([]byte(test.body), "", "", 2)
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
		{"name":"none","":"empty","id":5}]`), "", "", 2)
	require.NoError(t, err)
	require.Equal(t, "u1", string(objects[0].id))
	require.Equal(t, "2026-01-01T00:00:00.000Z", string(objects[0].published))
	require.Equal(t, "c1", string(objects[1].id))
	require.Nil(t, objects[1].published)
	require.Nil(t, objects[2].id)
}

func TestSplitTellsElementsApartWhateverIsWrongWithOne(t *testing.T) {
	deep := `{"a":` + strings.Repeat("[", 209) + strings.Repeat("]", 209) + "}"
	for name, bad := range map[string]string{
		"null": "null", "a number": "1", "a text": `"a"`, "an array": `[{"id":"x"}]`, "true": "true", "nothing": "", "no JSON number": "NaN", "a word": "undefined",
		"a control character": "{\"id\":\"x\x01\"}", "a line end": "{\"a\":\"line\nbreak\"}", "NUL": "{\"a\":\"\x00\"}", "an escape that is none": `{"id":"\x41"}`, "a short \\u": `{"a":"\u12g4"}`,
		"a number that is none": `{"a":NaN}`, "a leading zero": `{"a":01}`, "no digits": `{"a":1.}`, "no integer part": `{"a":.5}`, "a plus": `{"a":+1}`, "an exponent": `{"a":1e}`,
		"a short literal": `{"a":tru}`, "a trailing comma": `{"a":1,}`, "no value": `{"a":}`, "no member": `{"a"}`, "a name without quotes": `{a:1}`, "a comma in a list": `{"a":[1,,2]}`,
		"too deep": deep, "a quote after an escape": `{"a":"\"],[{\"\x"}`, "white space": " {\n\"a\" : 01 } ",
	} {
		t.Run(name, func(t *testing.T) {
			for _, where := range []string{"[%s,A,B]", "[A,%s,B]", "[A,B,%s]", "[ A , B\n, %s ] ", "{\"of\":[A,%s,B]}"} {
				if bad == "" && where[:2] == "[%" {
					where = "[,A,B]"
				}
				body := strings.NewReplacer("A", `{"id":"1","a":"x"}`, "B", `{"id":"2"}`, "%s", bad).Replace(where)
				items := ""
				if body[0] == '{' {
					items = "of"
				}
				objects, _, err := split([]byte(body), items, "", 2)
				require.NoError(t, err, body)
				require.Len(t, objects, 3, body)
				var good []string
				for _, o := range objects {
					if o.fault == nil {
						good = append(good, string(o.raw))
						continue
					}
					require.Equal(t, strings.TrimSpace(bad), strings.TrimSpace(string(o.raw)))
					require.True(t, strings.HasPrefix(body[o.from:], string(o.raw)))
					require.Less(t, len(o.fault.Error()), 60, "a fault repeats nothing of the element")
				}
				require.Equal(t, []string{`{"id":"1","a":"x"}`, `{"id":"2"}`}, good)
			}
		})
	}
}

func TestSplitGuessesNothingWhereElementsCannotBeToldApart(t *testing.T) {
	for _, bad := range []string{
		`{"id":"x}`, `{id":"x"}`, `{"id":"x"`, `{"id":["x"}`, `{"id":"x"]}`, `{"id":"x"}}`, `{} {}`, `{"a" "b"}`, `"`, `{"a":"x\"}`,
	} {
		objects, _, err := split([]byte(`[{"id":"1"},`+bad+`,{"id":"2"},{"id":"3"}]`), "", "", 2)
		require.ErrorIs(t, err, errApart, bad)
		require.Len(t, objects, 2)
		require.Equal(t, `{"id":"1"}`, string(objects[0].raw))
		require.Equal(t, bad+`,{"id":"2"},{"id":"3"}`, string(objects[1].raw), "nothing is left out")
	}
}

func TestSplitRefusesWhatIsCutOrIsNoArray(t *testing.T) {
	for body, want := range map[string]error{
		"": errEnds, " ": errEnds, "[": errEnds, "[{}": errEnds, "[{},": errEnds, `[{"a":"`: errEnds, `[{"a":"\`: errEnds, `[{"a":"\u12`: errEnds,
		"{}": errNoArray, `{"errorCode":"E0000011"}`: errNoArray, "<html></html>": errNoArray, "null": errNoArray, `"[{}]"`: errNoArray,
	} {
		_, _, err := split([]byte(body), "", "", 2)
		require.ErrorIs(t, err, want, body)
	}
}

func TestBytesAfterTheAnswerAreAnElementOfTheirOwn(t *testing.T) {
	for _, after := range []string{"]", "x", `[{"id":"2"}]`, "<!-- x -->"} {
		objects, _, err := split([]byte(`[{"id":"1"}] `+after), "", "", 2)
		require.NoError(t, err)
		require.Len(t, objects, 2)
		require.Equal(t, after, string(objects[1].raw))
		require.ErrorIs(t, objects[1].fault, errAfter)
	}
}

func TestAByteOrderMarkIsNoPartOfTheAnswer(t *testing.T) {
	objects, _, err := split([]byte("\ufeff[{}]"), "", "", 2)
	require.NoError(t, err)
	require.Len(t, objects, 1)
}

// FuzzSplit holds split against encoding/json. Of an array of objects, both have the same. Of anything else, split has an
// error or elements with a fault, and no byte but white space and commas is left out.
func FuzzSplit(f *testing.F) {
	for _, seed := range []string{
		`[]`, `[{}]`, ` [ { "id" : "a\u00e9" , "x" : [ 1E5 , -0.0 , null ] } , {} ] `, `[{"a":"\"}]`, `[{"a":tru}]`,
		`[{"uuid":7,"client_id":"c","id":"i","published":"p","published":"q"},{"\u0069d":"no","published":null}]`,
		`[{"id":"1"},null,{"a":NaN},{"a":1,},,{"a":"x}]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var want []json.RawMessage
		valid := json.Unmarshal(body, &want) == nil && want != nil && depth(body) <= maxDepth+1
		for _, w := range want {
			valid = valid && bytes.HasPrefix(bytes.TrimLeft(w, " \t\r\n"), []byte("{"))
		}
		got, _, err := split(bytes.Clone(body), "", "", 2)
		if !valid {
			if err != nil {
				require.Less(t, len(err.Error()), 200, "an error repeats nothing of the answer")
				return
			}
			size := 0
			faults := bytes.HasPrefix(body, []byte("\ufeff"))
			for _, o := range got {
				faults = faults || o.fault != nil
				size += len(o.raw)
			}
			require.True(t, faults, "%q", body)
			require.LessOrEqual(t, size, len(body))
			return
		}
		require.NoError(t, err, "%q", body)
		require.Len(t, got, len(want))
		for i := range want {
			var compact bytes.Buffer
			require.NoError(t, json.Compact(&compact, want[i]))
			require.NoError(t, got[i].fault)
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
		if _, _, err := split(body, "", "", 1000); err != nil {
			b.Fatal(err)
		}
	}
}
