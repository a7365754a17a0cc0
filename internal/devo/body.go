package devo

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"sync"
	"syscall"
)

// bodySize is how many bytes of events a sink puts into one body, before compression. It halves when a body is refused as
// too large, and grows back slowly, because what was in the way may have been a single event or a broken connection.
type bodySize struct {
	mu    sync.Mutex
	bytes int
}

func (b *bodySize) get() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.bytes
}

// refused records that a body of so many bytes was too large.
func (b *bodySize) refused(bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bytes = min(b.bytes, bytes/2)
}

// accepted records that a body of so many bytes was accepted.
func (b *bodySize) accepted(bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if bytes > b.bytes/2 {
		b.bytes = min(maxPost, b.bytes+b.bytes/256)
	}
}

// body is a batch, or a part of one, as it is posted.
type body struct {
	batch  Batch
	packed []byte
	stats  Stats
}

// zips are the gzip writers of all streams. Each takes almost a megabyte, and a stream needs one only while it packs.
var zips = sync.Pool{New: func() any {
	zip, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // the level exists
	return zip
}}

// packer renders and compresses bodies.
type packer struct{ framer }

func newPacker(cfg Config) packer { return packer{framer{cfg: cfg}} }

// pack renders a batch as one body.
func (p *packer) pack(batch Batch) (body, error) {
	var packed bytes.Buffer
	zip := zips.Get().(*gzip.Writer)
	defer zips.Put(zip)
	zip.Reset(&packed)
	stats, err := p.frame(nil, batch, func(lines []byte) error {
		_, err := zip.Write(lines)
		return err
	})
	err = errors.Join(err, zip.Close())
	return body{batch, packed.Bytes(), stats}, err
}

// split divides a batch into parts of at most so many bytes before compression, but at least one object.
func (p *packer) split(batch Batch, size int) (parts []Batch, err error) {
	members, err := p.members(batch)
	if err != nil {
		return nil, err
	}
	part := batch
	for first, next := 0, 0; first < len(batch.Objects); first = next {
		for bytes := 0; next < len(batch.Objects); next++ {
			bytes += min(len(batch.Objects[next])+len(",")+len(members), p.cfg.MaxEvent) + len("\n")
			if next > first && bytes > size {
				break
			}
		}
		part.Objects = batch.Objects[first:next]
		parts = append(parts, part)
	}
	return parts, nil
}

// posting posts the bodies of one delivery, beside the stream.
type posting struct {
	sender   *httpSender
	d        *delivery
	warnings []Warning
}

// one posts a body. If it may be too large, one posts its halves, and at last a single event cut.
func (p *posting) one(ctx context.Context, b body) error {
	connected := false
	status, err := p.sender.post(ctx, b.packed, &connected)
	p.d.begun = p.d.begun || connected
	size, half := int(b.stats.Bytes), len(b.batch.Objects)/2
	switch {
	case err == nil:
		p.sender.sink.size.accepted(size)
		p.d.stats.Bytes += b.stats.Bytes
		p.d.stats.Cut += b.stats.Cut
		return nil
	case half > 0 && mayBeSize(status, connected, err):
		first, second := b.batch, b.batch
		first.Objects, second.Objects = first.Objects[:half], second.Objects[half:]
		if again := p.parts(ctx, p.sender.cfg, first, second); again != nil {
			return again
		}
		p.sender.sink.size.refused(size)
		p.warn(WarnSmallerBatches, "%s refused %d events of %d bytes together and took them in parts, so less is sent at once now: %v; "+
			"raise the limit of the server or of a proxy before it", p.sender.sink.host, len(b.batch.Objects), size, err)
	case half == 0 && status == http.StatusRequestEntityTooLarge && size/2 >= minMaxEvent:
		cfg := p.sender.cfg
		cfg.MaxEvent = size / 2
		if again := p.parts(ctx, cfg, b.batch); again != nil {
			return again
		}
		p.warn(WarnCut, "%s refused an event of %d bytes, and it was shipped cut: %v; raise the limit of the server or of a proxy before it, "+
			"or lower DEVO_MAX_EVENT", p.sender.sink.host, size, err)
	default:
		return err
	}
	return nil
}

// mayBeSize reports whether a failed post may have been too large. A server that refuses a body before it has read all of
// it may close the connection, so that its answer is lost; others answer 400. If it was something else, the first single
// event fails like the whole batch.
func mayBeSize(status int, connected bool, err error) bool {
	cut := connected && slices.ContainsFunc([]error{syscall.ECONNRESET, syscall.EPIPE, io.EOF, net.ErrClosed}, func(e error) bool {
		return errors.Is(err, e)
	})
	return cut || status == http.StatusRequestEntityTooLarge || status == http.StatusBadRequest
}

// parts posts each of some batches as a body. The sender's own packer may be in use for the next batch.
func (p *posting) parts(ctx context.Context, cfg Config, batches ...Batch) error {
	packer := newPacker(cfg)
	for _, batch := range batches {
		b, err := packer.pack(batch)
		if err == nil {
			err = p.one(ctx, b)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (p *posting) warn(kind, format string, args ...any) {
	p.warnings = append(p.warnings, Warning{kind, fmt.Sprintf(format, args...)})
}
