package secret_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/secret"
)

func TestASecretIsRedactedWholeAndInPieces(t *testing.T) {
	const token = "00aBcD-efGhIjKlMn_oPqRsTuVwXyZ"
	for text, want := range map[string]string{
		"no secret":                      "no secret",
		"":                               "",
		"SSWS " + token + "!":            "SSWS [redacted]!",
		token + token:                    "[redacted][redacted]",
		"ZyXwVuTsRqPo_nMlKjIhGfe-DcBa00": "[redacted]",
		"first 00aBcD-efGhIj, then KlMn_oPqRsTuVwXyZ": "first [redacted], then [redacted]",
		"0 0 a B c D - e f G h":                       "[redacted]",
		"00ABCD-EFGHIJKLMN":                           "[redacted]",
		"a piece of seven: abcdefg":                   "a piece of seven: abcdefg",
		"x00aBcDefGhIjx and more":                     "x[redacted]x and more",
		"é00aBcDefGhIjé":                              "é[redacted]é",
	} {
		require.Equal(t, want, secret.Redact(text, token), text)
	}
	require.Equal(t, "a [redacted] b", secret.Redact("a s3 b", "s3"), "a short one is replaced where it is whole")
}
