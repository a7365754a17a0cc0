package okta_test

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/okta"
)

// tableOf returns the rows of the table under a heading of docs/collections.md: what the first column has, and why.
func tableOf(t *testing.T, heading string) map[string]string {
	t.Helper()
	page, err := os.ReadFile("../../docs/collections.md")
	require.NoError(t, err)
	_, section, found := strings.Cut(string(page), "\n## "+heading+"\n")
	require.True(t, found, heading)
	section, _, _ = strings.Cut(section, "\n## ")
	rows := map[string]string{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\| (.+) \\|$").FindAllStringSubmatch(section, -1) {
		require.NotContains(t, rows, row[1])
		rows[row[1]] = row[2]
	}
	require.NotEmpty(t, rows, heading)
	return rows
}

func TestEveryListOfTheSpecificationIsCollectedOrRefusedOrNotCollectedForAReason(t *testing.T) {
	notCollected := tableOf(t, "What else is not collected?")
	collected := map[string]string{}
	for _, c := range okta.Services() {
		shape := inBraces.ReplaceAllString(c.Path, "{}")
		require.NotContains(t, collected, shape, "%s and %s", c.Name, collected[shape])
		collected[shape] = c.Name
	}
	for path := range readSpecification(t).Paths {
		var lists []string
		shape := inBraces.ReplaceAllString(path, "{}")
		if name, ok := collected[shape]; ok {
			lists = append(lists, "collected as "+name)
			delete(collected, shape)
		}
		if okta.IsRefused(inBraces.ReplaceAllString(path, "1")) {
			lists = append(lists, "refused")
		}
		if why, ok := notCollected[path]; ok {
			lists = append(lists, "not collected: "+why)
			delete(notCollected, path)
		}
		require.Len(t, lists, 1, path)
	}
	require.Empty(t, collected, "is collected, and no GET of the specification")
	require.Empty(t, notCollected, "is no GET of the specification")
}

func TestTheDocumentationHasEveryPatternThatIsRefused(t *testing.T) {
	documented := tableOf(t, "What is never asked for?")
	for _, pattern := range okta.Refused {
		require.Contains(t, documented, strings.Join(pattern, "/"))
		delete(documented, strings.Join(pattern, "/"))
	}
	require.Empty(t, documented)
}
