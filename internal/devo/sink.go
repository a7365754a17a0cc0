// Package devo delivers batches of JSON objects to Devo, and tells which are confirmed. A [Sink] is a destination: TLS,
// TCP, HTTPS, a file or stdout. A [Stream] sends the batches of one slice, and each [Delivery] waits for the
// confirmation of one.
package devo

import (
	"context"
	"errors"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/expiry"
)

// ErrRefused is wrapped by errors that last until a person acts: a refused certificate or token, a server certificate
// that does not verify, an HTTP 3xx or a 4xx other than 408 and 429, a directory that cannot be written. Any other
// error may pass with a retry.
var ErrRefused = errors.New("refused")

// ErrUnsent is wrapped by errors of [Stream.Send] and [Delivery.Wait] after which the peer certainly has no part of the
// batch, for instance because there was no connection. After any other error the peer may have all of it.
var ErrUnsent = errors.New("nothing was sent")

// A Sink is a destination. It is safe for concurrent use. Each slice opens a stream of its own.
type Sink interface {
	// Open opens a stream for one slice. It may connect later. A file is truncated to Target.Offset.
	Open(ctx context.Context, target Target) (Stream, error)
	// OffsetOf names the place that the offsets of this sink's streams are valid in now. An offset recorded with another
	// name is invalid. OffsetOf is empty if the streams have no offsets.
	OffsetOf() string
	// Check tests the sink without sending an event, and returns what is wrong.
	Check(ctx context.Context) error
	// Certificates returns those whose end stops deliveries, read anew. That of the server is as it was last seen.
	Certificates() []expiry.Certificate
}

// noOffset is embedded by sinks and senders that cannot truncate what was sent.
type noOffset struct{}

func (noOffset) OffsetOf() string { return "" }

func (noOffset) Offset() *int64 { return nil }

func (noOffset) Keep(int64) {}

// noProof is embedded by senders whose confirmation is of one kind only.
type noProof struct{}

func (noProof) Proven() checkpoint.Proven { return checkpoint.Proven{} }

// Target says what a stream is for.
type Target struct {
	Name   string            // the workflow's id; at most one stream of a name is open at any time
	Tag    string            // the Devo table
	Time   string            // the top-level member with an object's own time; empty if the objects have none
	Offset *int64            // from the last durable checkpoint; nil if it has none
	Proven checkpoint.Proven // from the last durable checkpoint
}

// A Batch is a group of objects that are delivered and confirmed together: a page or a part of one, in Okta's order. It may
// have only records.
type Batch struct {
	// Objects are compact JSON objects, one line each. The delivery owns them until [Delivery.Wait] has returned or the
	// stream is closed.
	Objects [][]byte
	// Members are added to each object: JSON members without braces, such as
	// `"@devo_pulling_id":1795332420123,"@okta_app_id":"0oa1"`. They may be empty.
	Members []byte
	// Before and After are shipped before and after the objects. Over HTTPS, the server confirms all of Before first.
	Before, After []Record
	More          bool // another batch follows soon
}

func (b Batch) isEmpty() bool { return len(b.Objects)+len(b.Before)+len(b.After) == 0 }

// A Record is a line for a table of its own. The batch's members are not added to it, but @devo_environment is.
type Record struct {
	Tag  string // the Devo table
	JSON []byte // a compact JSON object of at most 2 KiB
}

// Stats counts what was shipped of a batch.
type Stats struct {
	Bytes int64 // of JSON that was shipped, records and added members included, without framing
	Cut   int64 // how many objects were larger than MaxEvent, and were shipped cut and marked
}

// A Stream delivers the batches of one slice. They may arrive in any order, but are confirmed in order. One goroutine uses
// it, while another one waits for its deliveries and releases them.
type Stream interface {
	// Send puts a batch under way; the next one may be sent before Wait. It waits while too much is sent and not released.
	// ctx bounds the delivery too. After an error the batch must be sent again over another stream. This stream can send
	// nothing more, but the deliveries under way can still be waited for.
	Send(ctx context.Context, batch Batch) (Delivery, error)
	// Offset is the offset to checkpoint with the batches confirmed so far; nil if the sink has no offsets. Unless it is
	// nil, its first value must be checkpointed before the first Send.
	Offset() *int64
	// Keep must be called with each offset whose checkpoint is durable, in order. No older checkpoint then truncates what
	// is before it. It may be called while the stream is used otherwise, until it is closed.
	Keep(offset int64)
	// Proven is the best proof that the server of a syslog sink ever gave, to checkpoint with the batches confirmed so far.
	Proven() checkpoint.Proven
	// Warnings returns what was unusual since the last call, one of a kind.
	Warnings() []Warning
	// Close releases everything, and gives up deliveries under way. A second call does nothing.
	Close()
}

// A Warning is something unusual that stopped nothing.
type Warning struct{ Kind, Message string }

// Kinds of warnings.
const (
	// WarnWeakerProof: batches count as delivered by a proof that something on the way can give.
	WarnWeakerProof = "weaker proof"
	// WarnSmallerBatches: an HTTP body was too large for the server or a proxy, and was sent in parts.
	WarnSmallerBatches = "smaller batches"
	// WarnCut: a single event was too large for the server or a proxy, and was shipped cut and marked.
	WarnCut = "cut"
	// WarnDiffers: a file is shorter than its checkpoint says, or more of it was confirmed. Nothing was truncated, and
	// events may be in it twice.
	WarnDiffers = "file and checkpoint differ"
)

// A Delivery is a batch under way. It owns what confirms the batch: a connection, or a request with its body.
type Delivery interface {
	// Wait returns when the batch is delivered, as far as the sink can know. Then the batch may be checkpointed. Each
	// delivery is waited for once, in the order of sending. After an error this batch and all later ones must be sent
	// again over another stream, and this stream can only be closed.
	Wait(ctx context.Context) (Stats, error)
	// Release must be called, in the order of sending, when the checkpoint past the batch is durable. Until then the batch
	// counts as one that a kill repeats, and those bytes are bounded.
	Release()
}
