package devo

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
)

// errTooLarge is wrapped by the error of a post whose body is too large.
var errTooLarge = errors.New("the body is too large for it or for a proxy before it")

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
		b.bytes = min(maxPost, b.bytes+b.bytes/32)
	}
}

// body is a batch, or a part of one, as it is posted.
type body struct {
	batch  Batch
	packed []byte
	stats  Stats
}

// packer renders and compresses bodies. It reuses its memory.
type packer struct {
	framer
	zip *gzip.Writer
}

func newPacker(cfg Config) packer {
	zip, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // the level exists
	return packer{framer{cfg: cfg}, zip}
}

// pack renders a batch as one body.
func (p *packer) pack(batch Batch) (body, error) {
	var packed bytes.Buffer
	p.zip.Reset(&packed)
	stats, err := p.frame(nil, batch, func(lines []byte) error {
		_, err := p.zip.Write(lines)
		return err
	})
	err = errors.Join(err, p.zip.Close())
	return body{batch, packed.Bytes(), stats}, err
}

// packAll renders a batch as bodies of at most so many bytes before compression, but at least one object.
func (p *packer) packAll(batch Batch, size int) (bodies []body, err error) {
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
		b, err := p.pack(part)
		if err != nil {
			return nil, err
		}
		bodies = append(bodies, b)
	}
	return bodies, nil
}

// posting posts the bodies of one delivery, beside the stream.
type posting struct {
	sender   *httpSender
	d        *delivery
	warnings []Warning
}

// all posts bodies in their order, until one fails.
func (p *posting) all(ctx context.Context, bodies []body) error {
	for _, b := range bodies {
		if err := p.one(ctx, b); err != nil {
			return err
		}
	}
	return nil
}

// one posts a body. If it is too large, one posts its halves, and at last a single event cut.
func (p *posting) one(ctx context.Context, b body) error {
	_, err := p.sender.post(ctx, b.packed, &p.d.begun)
	if err == nil {
		p.sender.sink.size.accepted(int(b.stats.Bytes))
		p.d.stats.Bytes += b.stats.Bytes
		p.d.stats.Cut += b.stats.Cut
		return nil
	}
	if !errors.Is(err, errTooLarge) && !errors.Is(err, errEarly) {
		return err
	}
	packer := newPacker(p.sender.cfg) // the sender's may be in use for the next batch
	if half := len(b.batch.Objects) / 2; half > 0 {
		p.sender.sink.size.refused(int(b.stats.Bytes))
		p.warn(WarnSmallerBatches, "a body of %d bytes with %d events was refused by %s, and goes in parts: %v; raise the limit of the "+
			"server or of a proxy before it", b.stats.Bytes, len(b.batch.Objects), p.sender.sink.host, err)
		first, second := b.batch, b.batch
		first.Objects, second.Objects = first.Objects[:half], second.Objects[half:]
		return p.parts(ctx, &packer, first, second)
	}
	packer.cfg.MaxEvent = int(b.stats.Bytes) / 2
	if errors.Is(err, errEarly) || packer.cfg.MaxEvent < minMaxEvent {
		return err // this is not about its size
	}
	p.warn(WarnCut, "an event of %d bytes was refused by %s, and was shipped cut: %v; raise the limit of the server or of a proxy "+
		"before it, or lower DEVO_MAX_EVENT", b.stats.Bytes, p.sender.sink.host, err)
	return p.parts(ctx, &packer, b.batch)
}

func (p *posting) parts(ctx context.Context, packer *packer, batches ...Batch) error {
	var bodies []body
	for _, batch := range batches {
		b, err := packer.pack(batch)
		if err != nil {
			return err
		}
		bodies = append(bodies, b)
	}
	return p.all(ctx, bodies)
}

func (p *posting) warn(kind, format string, args ...any) {
	p.warnings = append(p.warnings, Warning{kind, fmt.Sprintf(format, args...)})
}
