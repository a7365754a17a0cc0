package terminal

import (
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func TestWhatIsNotedOnATerminalIsWrappedBetweenWords(t *testing.T) {
	why := strings.TrimSpace(strings.Repeat("an explanation ", 20))
	var out strings.Builder
	b := &Bar{out: &out, drawn: true}
	b.Note(noon, why)
	b.End()

	var noted []string
	for line := range strings.SplitSeq(strings.NewReplacer(clearLine, "", "\r", "").Replace(out.String()), "\n") {
		if strings.Contains(line, "explanation") {
			require.LessOrEqual(t, len(line), MaxWidth)
			noted = append(noted, line)
		}
	}
	require.Greater(t, len(noted), 1)
	require.Equal(t, "12:00:00Z "+why, strings.Join(strings.Fields(strings.Join(noted, " ")), " "))
	require.Regexp(t, `^ {11}(an|explanation) `, noted[1])
}

func TestOnATerminalTheBarIsDrawn(t *testing.T) {
	for name, test := range map[string]struct {
		done *float64
		want string
	}{
		"with its share":        {new(0.5), "║██████████████░░░░░░░░░░░░░░║  so far"},
		"or as one without any": {nil, "▒█▒"},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			b := &Bar{out: &out, drawn: true}
			b.Show(noon, test.done, "so far")
			b.Note(noon, "paused")
			b.End()
			require.Contains(t, out.String(), test.want)
			require.Contains(t, out.String(), "12:00:00Z  paused\n")
		})
	}
}

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

func TestWhatIsShownCommandsNoTerminal(t *testing.T) {
	const hostile = "\x1b]0;owned\x07\x1b[2J\u202E\rok"
	var drawn, noted strings.Builder
	(&Screen{out: &drawn, size: func(io.Writer) (int, int) { return 80, 24 }}).Draw("a\n" + hostile)
	b := &Bar{out: &noted, drawn: true}
	for _, done := range []*float64{nil, new(-1.0), new(5.0)} { // what a workflow says of its progress may be wrong
		b.Show(noon, done, hostile)
	}
	b.Note(noon, hostile)

	require.Equal(t, beginUpdate+home+clearLine+"a\r\n"+clearLine+`\u001b]0;owned\u0007\u001b[2J\u202e\u000dok`+"\r\n"+clearBelow+endUpdate, drawn.String())
	require.NotContains(t, noted.String(), "\x1b]0;")
	require.NotContains(t, noted.String(), "\u202E")
	require.Contains(t, noted.String(), `\u001b]0;owned\u0007`)
}
