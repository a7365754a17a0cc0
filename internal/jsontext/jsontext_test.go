package jsontext_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/jsontext"
)

// FuzzMembers: of an object Members yields what encoding/json reads, and of other texts it yields something and ends.
func FuzzMembers(f *testing.F) {
	for _, object := range []string{
		`{}`, `{"id":"a"}`, `{"a":{"id":[1,{"b":"}"}]},"id":"x\"}","n":-1.5e3,"t":true,"z":null}`, `{"a":[],"b":{}}`, `{"a":"`, `{`, ``, `{"a"`, `{"a":`,
	} {
		f.Add([]byte(object))
	}
	f.Fuzz(func(t *testing.T, object []byte) {
		got := map[string]json.RawMessage{}
		for name, value := range jsontext.Members(object) {
			var plain string
			if json.Unmarshal(append(append([]byte{'"'}, name...), '"'), &plain) == nil {
				got[plain] = value
			}
		}
		var compact bytes.Buffer
		if len(object) > 0 && object[0] == '{' && json.Compact(&compact, object) == nil && bytes.Equal(compact.Bytes(), object) {
			want := map[string]json.RawMessage{}
			require.NoError(t, json.Unmarshal(object, &want))
			require.Equal(t, want, got)
		}
	})
}
