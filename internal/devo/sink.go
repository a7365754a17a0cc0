// Package devo delivers pages of JSON objects to Devo, and says truthfully what is
// known of their delivery.
package devo

import (
	"context"
	"errors"
	"fmt"
)

// ErrRefused is wrapped by errors that only a person can mend: a certificate or token
// that is refused, a server whose certificate does not verify, an HTTP 3xx or 4xx other
// than 408 and 429, a directory that cannot be written. Every other error is passing.
var ErrRefused = errors.New("refused")

// ErrUnsent is wrapped by errors of [Stream.Ship] after which nothing of the page can be with the
// peer, since there was no connection to it, for instance. After every other error some of it may be,
// or all.
var ErrUnsent = errors.New("nothing was sent")

// unsent wraps an error of a page of which nothing was sent.
func unsent(err error) error { return fmt.Errorf("%w: %w", ErrUnsent, err) }

// Sink is a destination. It is safe for concurrent use; each slice opens a stream of its own.
type Sink interface {
	// Open starts the delivery of one slice's pages. It may connect lazily. A sink with an
	// offset takes back here what follows Target.Offset.
	Open(ctx context.Context, target Target) (Stream, error)
	// OffsetOf names what the offsets of this sink's streams belong to, as of now: an offset that was
	// recorded with another name means nothing. Empty where they have none.
	OffsetOf() string
	// Check opens the sink as a slice would, closes it and says what is wrong.
	Check(ctx context.Context) error
}

// Target says what a stream carries.
type Target struct {
	// Name tells streams apart: the workflow id. At most one stream of a name is open
	// at any time.
	Name string
	// Tag is the Devo table.
	Tag string
	// Offset is what an earlier stream of the same name recorded with its last
	// durable checkpoint; nil if none did.
	Offset *int64
}

// Page is a page of objects, or a chunk of one, in Okta's order.
type Page struct {
	// Objects are compact JSON objects, each on one line. They belong to the caller
	// again when Ship returns.
	Objects [][]byte
	// Members are added to each object: rendered JSON members without braces, such
	// as `"@devo_pulling_id":1795332420123,"@okta_app_id":"0oa1"`. May be empty.
	Members []byte
	// More says that another page is going to follow soon.
	More bool
}

// Stats says what a page became.
type Stats struct {
	// Bytes counts the JSON shipped, added members included, framing not.
	Bytes int64
	// Cut counts objects larger than MaxEvent that were shipped cut and marked.
	Cut int64
}

// Stream delivers the pages of one slice in order. It is used by one goroutine.
type Stream interface {
	// Ship returns when the page is delivered for good, as far as the sink can know: it may then
	// be checkpointed. On an error the page must be shipped again by another stream; this one is
	// unusable but for Close. Whether the peer has it all the same is not known, unless the error
	// wraps ErrUnsent.
	Ship(ctx context.Context, page Page) (Stats, error)
	// Offset is what to record in the checkpoint with the pages shipped so far; nil
	// if the sink has none. Where it is not nil, its first value must be
	// checkpointed before the first Ship.
	Offset() *int64
	// Close releases everything. It may be called after a failed Ship, and when ctx is already
	// over. A second Close does nothing.
	Close(ctx context.Context) error
}
