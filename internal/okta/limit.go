package okta

import (
	"context"
	"fmt"
	"math/bits"
	"net/http"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"
)

// growth is in how many steps, one for each page that went well, a page size of next to nothing
// grows back to the service's own. Slower than it shrinks: an org whose lists time out at some
// size would otherwise spend every other request on learning that again.
const growth = 16

// shrink halves the page size of a request that Okta timed out on or answered with too much. At
// the service's smallest it returns e. An object that is too large for us then needs a person; an Okta that
// fails has no smaller page to try, and gets better by itself more often than not.
func (o *Org) shrink(ctx context.Context, svc Service, limit int, e *Error) (int, error) {
	if limit <= svc.MinLimit {
		e.Class, e.Advice = Person, fmt.Sprintf("even with limit=%d: report it to Okta's support", limit)
		if timedOut(e) {
			e.Class, e.Advice = Passing, fmt.Sprintf("even with limit=%d: if that goes on for hours, report it to Okta's support", limit)
		}
		return 0, e
	}
	smaller := max(limit/2, svc.MinLimit)
	if timedOut(e) {
		if err := pauseBeforeHalving(ctx, svc.Limit/limit); err != nil {
			return 0, err
		}
	}
	o.cfg.Log.Warn("asking for a smaller page", zap.String("service", svc.Name), zap.Int("limit", smaller), zap.Error(e))
	return smaller, nil
}

// timedOut says whether an answer that calls for less at once may be Okta having a bad minute.
func timedOut(e *Error) bool { return e.Status == http.StatusInternalServerError }

// longestPause bounds the pause before less is asked for.
const longestPause = 8 * time.Second

// pauseBeforeHalving waits, the longer the smaller the part of the whole is that failed: a bad minute of Okta's must
// use up neither all sizes at once nor the budget.
func pauseBeforeHalving(ctx context.Context, parts int) error {
	halvings := bits.Len(uint(max(parts, 1))) - 1
	return pause(ctx, min(time.Second/2<<min(halvings, 4), longestPause))
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// grown is the reduced page size after a page that went well; 0 is the service's own again. The
// last step asks for the service's own once more, since cursors repeat what they were made with.
func (s Service) grown(reduced int) int {
	if reduced <= 0 || reduced >= s.Limit {
		return 0
	}
	return min(reduced+max(s.Limit/growth, 1), s.Limit)
}

// limit is the page size to ask for; reduced is 0 where it is the service's own.
func (s Service) limit(reduced int) int {
	if reduced <= 0 {
		return s.Limit
	}
	return max(min(reduced, s.Limit), s.MinLimit)
}

// Cursors are replayed as Okta spelt them, so their limit is changed in place: encoding the
// query anew would reorder and respell it.

// withLimit replaces a cursor's limit, or adds one. Okta answers 400 to a second limit.
func withLimit(cursor string, limit int) string {
	path, query, _ := strings.Cut(cursor, "?")
	wanted := "limit=" + strconv.Itoa(limit)
	var parts []string
	for _, p := range strings.Split(query, "&") {
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

// limitOf returns the limit that a cursor asks for, and def if it names none.
func limitOf(cursor string, def int) int {
	_, query, _ := strings.Cut(cursor, "?")
	for _, p := range strings.Split(query, "&") {
		if v, ok := strings.CutPrefix(p, "limit="); ok {
			if n, err := strconv.Atoi(v); err == nil && n > 0 {
				return n
			}
		}
	}
	return def
}
