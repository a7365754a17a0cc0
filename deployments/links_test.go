package deployments_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var (
	link    = regexp.MustCompile(`\]\(([^)\s:]*)\)|(?m)^\[[^\]]+\]: ([^\s:]+)$`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	fenced  = regexp.MustCompile("(?ms)^```.*?^```")
)

// anchors returns the anchors of a document's headings, as GitHub makes them.
func anchors(text string) map[string]bool {
	all := map[string]bool{}
	for _, h := range heading.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		anchor := strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case r == '-', r == '_', '0' <= r && r <= '9', 'a' <= r && r <= 'z':
				return r
			}
			return -1
		}, strings.ToLower(h[1]))
		all[anchor] = true
	}
	return all
}

func TestEveryLinkBetweenDocumentsLeadsSomewhere(t *testing.T) {
	var documents []string
	for _, pattern := range []string{"../*.md", "../docs/*.md", "*.md", "*/*.md"} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		documents = append(documents, found...)
	}
	links := 0
	for _, from := range documents {
		text, err := os.ReadFile(from)
		require.NoError(t, err)
		for _, l := range link.FindAllStringSubmatch(string(text), -1) {
			to, anchor, _ := strings.Cut(l[1]+l[2], "#")
			path := from
			if to != "" {
				path = filepath.Join(filepath.Dir(from), to)
			}
			links++
			if anchor == "" {
				require.FileExists(t, strings.TrimSuffix(path, "/")+map[bool]string{true: "/README.md"}[isDirectory(path)], "%s: %s", from, to)
				continue
			}
			target, err := os.ReadFile(path)
			require.NoError(t, err, "%s: %s", from, to)
			require.True(t, anchors(string(target))[anchor], "%s: %s#%s", from, to, anchor)
		}
	}
	require.Greater(t, links, 50)
}

func isDirectory(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
