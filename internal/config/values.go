package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/prometheus/common/model"
)

// ParseDuration reads a duration such as 90d, 24h, 1h30m, 10s or 500ms. A day has 24 hours.
func ParseDuration(text string) (time.Duration, error) {
	d, err := model.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%q is not a duration such as 90d, 24h, 1h30m or 10s", text)
	}
	return time.Duration(d), nil
}

// duration reads a setting of one second to most.
func (t tenant) duration(variable, text string, most time.Duration, found *Problems) time.Duration {
	const least = time.Second
	d, err := ParseDuration(text)
	if err != nil || d < least || d > most {
		found.add(t.source(variable), "is %q; want a duration from %v to %v", text, model.Duration(least), model.Duration(most))
	}
	return d
}

// maxItems bounds a list. There are ten services, and a worker runs a hundred slices at once.
const maxItems = 100

// splitList splits a text at its commas. It drops blanks around items, and empty items. It is an error if there are
// more than maxItems.
func splitList(text string) ([]string, error) {
	var items []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	if len(items) > maxItems {
		return nil, fmt.Errorf("has %d items; want at most %d", len(items), maxItems)
	}
	return items, nil
}
