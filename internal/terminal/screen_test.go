package terminal

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAScreenIsDrawnOverAndFitsTheTerminal(t *testing.T) {
	for name, test := range map[string]struct{ picture, want string }{
		"what has no room at the bottom is left out": {"abcdef\nb\nc\nd", clearLine + "abcdef\r\n" + clearLine + "b\r\n" + clearLine + "c"},
		"below it is cleared":                        {"abcdef\nb", clearLine + "abcdef\r\n" + clearLine + "b\r\n" + clearBelow},
		"the terminal wraps what is longer":          {"abcdefgh\nb", clearLine + "abcdefgh    \r\n" + clearLine + "b"},
		"and that takes rows":                        {"a\nb\nabcdefgh", clearLine + "a\r\n" + clearLine + "b\r\n" + clearBelow},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			s := Screen{out: &out, size: func(io.Writer) (int, int) { return 6, 3 }}
			s.Draw(test.picture)
			require.Equal(t, beginUpdate+home+test.want+endUpdate, out.String())
		})
	}
}
