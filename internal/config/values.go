package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"
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

func parseDuration(text string, least, most time.Duration) (time.Duration, error) {
	d, err := ParseDuration(text)
	if err != nil || d < least || d > most {
		return 0, fmt.Errorf("is %q; want a duration from %v to %v", text, model.Duration(least), model.Duration(most))
	}
	return d, nil
}

func parseShare(text string) (float64, error) {
	share, err := strconv.ParseFloat(text, 64)
	// Written so that NaN is refused too.
	if err != nil || !(share > 0 && share <= 1) {
		return 0, fmt.Errorf("is %q; want a number above 0 and at most 1, such as 0.5", text)
	}
	return share, nil
}

// parseSize reads a number of bytes such as 1MiB, 64KiB or 65536.
func parseSize(text string) (int, error) {
	n, err := humanize.ParseBytes(text)
	if err != nil || n == 0 || n > math.MaxInt32 {
		return 0, fmt.Errorf("is %q; want a size such as 1MiB or 65536", text)
	}
	return int(n), nil
}

// maxItems bounds a list: there are ten services, and a worker runs a hundred slices at once.
const maxItems = 100

// splitList splits at commas. Blanks around the items and empty items are dropped. It is an error
// if there are more than maxItems.
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

// printable says whether a text has no control characters.
func printable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) })
}
