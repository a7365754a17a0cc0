package okta

import (
	"context"
	"errors"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"okta-collector/internal/checkpoint"
)

const (
	// growth: a reduced page size stays for so many good pages, and then recovers by Limit/growth for each. Otherwise every
	// other request to an org whose lists time out would ask for too much again.
	growth = 16
	// longestPause bounds the pause before a request for a smaller part.
	longestPause = 8 * time.Second
)

// shrink decides what follows a failed request for a page of c of this size. It halves the page size if Okta timed out or
// sent too much, and after each second failure alike that a page which is too large may cause. reduce sets the page size in
// a position. shrink returns a page without objects: with no error, to ask again at once; with an error, to ask again later.
//
// At the collection's smallest size nothing is left to try. Then an answer that is too large needs a person, but an Okta
// that times out usually recovers by itself.
func (r *Reader) shrink(ctx context.Context, c Collection, pos checkpoint.Position, size int, err error, reduce func(*checkpoint.Position, int)) (*Page, error) {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Class != tooMuch && e.like == "" {
		return nil, err
	}
	failure := *e
	if e.like != "" {
		pos.Failing = pos.Failing.Again(e.like)
		failure.Class = Passing
	}
	switch {
	case e.Class != tooMuch && pos.Failing.Times%2 != 0:
		return moved(pos), &failure
	case c.smallest(size):
		failure.Advice = fmt.Sprintf("even with limit=%d: report it to Okta's support", size)
		if e.like != "" {
			failure.Advice = fmt.Sprintf("even with limit=%d: if that goes on for hours, report it to Okta's support", size)
			return moved(pos), &failure
		}
		failure.Class = Person
		return nil, &failure
	}
	limit := max(size/2, c.MinLimit)
	reduce(&pos, limit)
	p := moved(pos, Warning{WarnSmallerPage, fmt.Sprintf("%s; asked again with limit=%d", e, limit)})
	r.org.cfg.Log.Warn("asking for a smaller page", zap.String("service", c.Name), zap.Int("limit", limit), zap.Error(e))
	if e.Class != tooMuch {
		return p, &failure
	}
	if e.like != "" {
		if err := pauseBeforeHalving(ctx, c.Limit/size); err != nil {
			return nil, err
		}
	}
	return p, nil
}

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

// recover lets a reduced page size grow after a good page, once it has stayed for a while.
func (c Collection) recover(pos *checkpoint.Position) {
	if pos.Limit == 0 {
		return
	}
	if pos.Steady++; pos.Steady > growth {
		pos.Limit = c.grown(pos.Limit)
	}
	if pos.Limit == 0 {
		pos.Steady = 0
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

// smallest reports whether no page smaller than this can be asked for.
func (c Collection) smallest(size int) bool { return size <= c.MinLimit || c.Limit == 0 }

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
