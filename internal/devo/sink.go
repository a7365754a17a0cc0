// Package devo delivers batches of JSON objects to Devo, and says which of them were confirmed.
package devo

import (
	"context"
	"errors"
)

// ErrRefused is wrapped by errors that need a person: a certificate or token is refused, the server's certificate does
// not verify, HTTP answers 3xx or a 4xx other than 408 and 429, a directory cannot be written. A retry may end any other
// error.
var ErrRefused = errors.New("refused")

// ErrUnsent is wrapped by errors of [Stream.Send] and [Delivery.Wait] after which the peer cannot have any part of
// the batch: there was no connection to it, for instance. After any other error the peer may have all of it.
var ErrUnsent = errors.New("nothing was sent")

// A Sink is a destination. It is safe for concurrent use. Each slice opens a stream of its own.
type Sink interface {
	// Open opens a stream for one slice. It need not connect yet. A file is truncated to Target.Offset.
	Open(ctx context.Context, target Target) (Stream, error)
	// OffsetOf names what the offsets of this sink's streams belong to at the moment. An offset that was recorded with
	// another name means nothing. It is empty if the streams have no offsets.
	OffsetOf() string
	// Check tries the sink without sending anything, and says what is wrong.
	Check(ctx context.Context) error
}

// noOffset is for sinks and senders that cannot take back what was sent.
type noOffset struct{}

func (noOffset) OffsetOf() string { return "" }

func (noOffset) Offset() *int64 { return nil }

// Target says what a stream is for.
type Target struct {
	Name   string // the workflow's id; at most one stream of a name is open at any time
	Tag    string // the Devo table
	Offset *int64 // that of the last durable checkpoint; nil if it has none
}

// A Batch is objects that are delivered and confirmed together: a page, or a part of one, in Okta's order.
type Batch struct {
	// Objects are compact JSON objects, each on one line. They belong to the delivery until [Delivery.Wait] has
	// returned or the stream is closed.
	Objects [][]byte
	// Members are added to each object: rendered JSON members without braces, such as
	// `"@devo_pulling_id":1795332420123,"@okta_app_id":"0oa1"`. May be empty.
	Members []byte
	More    bool // another batch follows soon
}

// Stats says what became of a batch.
type Stats struct {
	Bytes int64 // of JSON that was shipped, with the added members, without framing
	Cut   int64 // how many objects were larger than MaxEvent, and were shipped cut and marked
}

// A Stream delivers the batches of one slice in order. One goroutine uses it.
type Stream interface {
	// Send renders a batch and sends it. It returns when the batch is on its way; other batches may be sent before it is
	// waited for. ctx bounds the delivery too. After an error the batch must be sent again over another stream, and
	// nothing more can be sent over this one; deliveries under way can still be waited for.
	Send(ctx context.Context, batch Batch) (Delivery, error)
	// Offset is what to record in the checkpoint of the batches confirmed so far; nil if the sink has no offsets. If
	// it is not nil, its first value must be checkpointed before the first Send.
	Offset() *int64
	// Close releases everything, and gives up deliveries that nobody waited for. A second Close does nothing.
	Close()
}

// A Delivery is a batch on its way. It owns what confirms it: a connection, or a request with its body.
type Delivery interface {
	// Wait returns when the batch is delivered for good, as far as the sink can know. Then it may be checkpointed. Each
	// delivery is waited for once, in the order in which they were sent. After an error this batch and all later ones
	// must be sent again over another stream, and this stream can only be closed.
	Wait(ctx context.Context) (Stats, error)
}
