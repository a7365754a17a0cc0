package printable

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
)

func TestWhatCommandsATerminalOrCannotBeSeenIsShownAsItsEscape(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"the title of the window":   {"\x1b]0;owned\x07", `\u001b]0;owned\u0007`},
		"a line drawn over":         {"refused\rok     ", `refused\u000dok     `},
		"backspaces":                {"no\b\byes", `no\u0008\u0008yes`},
		"delete":                    {"a\x7f", `a\u007f`},
		"a control of eight bits":   {"\u009b31m", `\u009b31m`},
		"a raw byte of it":          {"\x9b31m", "\uFFFD31m"},
		"a bidirectional override":  {"file\u202Egpj.exe", `file\u202egpj.exe`},
		"a bidirectional isolate":   {"\u2066a\u2069", `\u2066a\u2069`},
		"no width":                  {"ok\u200Bta\uFEFF", `ok\u200bta\ufeff`},
		"a tag of plane 14":         {"a\U000E0041", `a\udb40\udc41`},
		"a filler that is a letter": {"a\u3164", `a\u3164`},
		"a variation selector":      {"a\uFE0F", `a\ufe0f`},
		"private use":               {"\uE000", `\ue000`},
		"a separator of lines":      {"a\u2028b", `a\u2028b`},
		"lines":                     {"a\n\tb", "a\n\tb"},
		"words of any script":       {"café, Größe, 日本語, שלום, 👍", "café, Größe, 日本語, שלום, 👍"},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, test.want, Text(test.text))
			require.Equal(t, test.want, Text(Text(test.text)), "once is enough")
		})
	}
}

func TestALineHasNoEndInIt(t *testing.T) {
	require.Equal(t, `ok {"level":"info"}  \u001b[2K`, Line("ok\n{\"level\":\"info\"}\r\u2028\x1b[2K"))

	var log bytes.Buffer
	_, err := io.WriteString(Entries{&log}, "12:00  WARN  refused\n12:01  INFO  forged\n")
	require.NoError(t, err)
	require.Equal(t, "12:00  WARN  refused 12:01  INFO  forged\n", log.String())
}

func TestJSONStaysValidAndSaysTheSame(t *testing.T) {
	said := map[string]string{"a": "\x1b]0;\x07", "b": "\x7f\u009b\u202E\U000E0041\u2028", "c": `a\b"`, "d": "é\n"}
	var out bytes.Buffer
	encoder := json.NewEncoder(Writer{&out})
	encoder.SetIndent("", "  ")
	require.NoError(t, encoder.Encode(said))

	require.Equal(t, Text(out.String()), out.String())
	require.NotContains(t, out.String(), "\u202E")
	var read map[string]string
	require.NoError(t, json.Unmarshal(out.Bytes(), &read))
	require.Equal(t, said, read)
}

func FuzzText(f *testing.F) {
	f.Add("\x1b]0;owned\x07")
	f.Fuzz(func(t *testing.T, s string) {
		for _, shown := range []string{Text(s), Line(s)} {
			require.True(t, utf8.ValidString(shown))
			for _, r := range shown {
				require.True(t, visible(r) || r == '\n' || r == '\t', fmt.Sprintf("%q has %U", shown, r))
			}
		}
		require.NotContains(t, Line(s), "\n")
	})
}
