package okta

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"
)

const (
	// growth: a reduced page size recovers by Limit/growth for each good page, more slowly than it halves. Otherwise every
	// other request to an org whose lists time out would ask for too much again.
	growth = 16
	// longestPause bounds the pause before a request for a smaller part.
	longestPause = 8 * time.Second
)

// shrink halves the page size after err, if Okta timed out or sent too much. At the collection's smallest size nothing
// is left to try. Then an object that is too large needs a person, but an Okta that times out usually recovers by
// itself.
func (r *Reader) shrink(ctx context.Context, c Collection, size int, err error) (limit int, warning string, failed error) {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Class != tooMuch {
		return 0, "", err
	}
	if size <= c.MinLimit || c.Limit == 0 {
		e.Class, e.Advice = Person, fmt.Sprintf("even with limit=%d: report it to Okta's support", size)
		if timedOut(e) {
			e.Class, e.Advice = Passing, fmt.Sprintf("even with limit=%d: if that goes on for hours, report it to Okta's support", size)
		}
		return 0, "", e
	}
	if timedOut(e) {
		if err := pauseBeforeHalving(ctx, c.Limit/size); err != nil {
			return 0, "", err
		}
	}
	limit = max(size/2, c.MinLimit)
	r.org.cfg.Log.Warn("asking for a smaller page", zap.String("service", c.Name), zap.Int("limit", limit), zap.Error(e))
	return limit, fmt.Sprintf("%s; asked again with limit=%d", e, limit), nil
}

// timedOut reports whether an error of the class tooMuch may be a short failure at Okta.
func timedOut(e *Error) bool { return e.Status == http.StatusInternalServerError }

// pauseBeforeHalving waits before a request for half of one of these equal parts of the whole. The pause grows with the
// parts, so that a short failure at Okta uses up neither all sizes nor the budget.
func pauseBeforeHalving(ctx context.Context, parts int) error {
	halvings := bits.Len(uint(max(parts, 1))) - 1
	select {
	case <-time.After(min(time.Second/2<<min(halvings, 4), longestPause)):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// grown returns the next page size after a good page; 0 is the collection's own. The last step asks for the
// collection's own size once, because a cursor repeats the size that it was made with.
func (c Collection) grown(reduced int) int {
	if reduced <= 0 || reduced >= c.Limit {
		return 0
	}
	return min(reduced+max(c.Limit/growth, 1), c.Limit)
}

// pageSize is the page size to ask for, 0 if the endpoint has no limit. reduced is a reduced size or 0.
func (c Collection) pageSize(reduced int) int {
	if reduced <= 0 {
		return c.Limit
	}
	return max(min(reduced, c.Limit), c.MinLimit)
}

// withLimit replaces the limit of a cursor, or adds one. Okta answers 400 to a second limit. The rest stays byte for
// byte as Okta wrote it: encoding the query again would reorder and respell it.
func withLimit(cursor string, limit int) string {
	path, query, _ := strings.Cut(cursor, "?")
	wanted := "limit=" + strconv.Itoa(limit)
	var parts []string
	for p := range strings.SplitSeq(query, "&") {
		if strings.HasPrefix(p, "limit=") {
			p, wanted = wanted, ""
		}
		if p != "" {
			parts = append(parts, p)
		}
	}
	if wanted != "" {
		parts = append(parts, wanted)
	}
	return path + "?" + strings.Join(parts, "&")
}

// limitOf returns the limit in a cursor, or def if there is none.
func limitOf(cursor string, def int) int {
	_, query, _ := strings.Cut(cursor, "?")
	for p := range strings.SplitSeq(query, "&") {
		if v, ok := strings.CutPrefix(p, "limit="); ok {
			if n, err := strconv.Atoi(v); err == nil && n > 0 {
				return n
			}
		}
	}
	return def
}
