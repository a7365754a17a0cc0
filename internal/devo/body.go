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

// part is what is posted together: records of one table, or objects of a batch.
type part struct {
	tag     string
	objects [][]byte
	members []byte
}

// with returns a part with some of the objects.
func (p part) with(objects [][]byte) part {
	p.objects = objects
	return p
}

// body is a part as it is posted.
type body struct {
	part
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

// pack renders a part as one body.
func (p *packer) pack(part part) (body, error) {
	var packed bytes.Buffer
	zip := zips.Get().(*gzip.Writer)
	defer zips.Put(zip)
	zip.Reset(&packed)
	stats, err := p.frame(noHead, part.tag, Batch{Objects: part.objects, Members: part.members}, func(lines []byte) error {
		_, err := zip.Write(lines)
		return err
	})
	err = errors.Join(err, zip.Close())
	return body{part, packed.Bytes(), stats}, err
}

// split divides a batch for a table into parts of at most so many bytes before compression, but at least one object. The
// records that follow each other in one table are parts too.
func (p *packer) split(tag string, batch Batch, size int) (parts []part, err error) {
	wholes := slices.Concat(tables(batch.Before), []part{{tag, batch.Objects, batch.Members}}, tables(batch.After))
	for _, whole := range wholes {
		members, err := p.members(whole.members)
		if err != nil {
			return nil, err
		}
		for first, next := 0, 0; first < len(whole.objects); first = next {
			for bytes := 0; next < len(whole.objects); next++ {
				bytes += min(len(whole.objects[next])+len(",")+len(members), p.cfg.MaxEvent) + len("\n")
				if next > first && bytes > size {
					break
				}
			}
			parts = append(parts, whole.with(whole.objects[first:next]))
		}
	}
	return parts, nil
}

// tables returns a part for the records that follow each other in one table.
func tables(records []Record) (parts []part) {
	for _, r := range records {
		if last := len(parts) - 1; last >= 0 && parts[last].tag == r.Tag {
			parts[last].objects = append(parts[last].objects, r.JSON)
		} else {
			parts = append(parts, part{tag: r.Tag, objects: [][]byte{r.JSON}})
		}
	}
	return parts
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
	status, err := p.sender.post(ctx, b.tag, b.packed, &connected)
	p.d.begun = p.d.begun || connected
	size, half := int(b.stats.Bytes), len(b.objects)/2
	switch {
	case err == nil:
		p.sender.sink.size.accepted(size)
		p.d.stats.Bytes += b.stats.Bytes
		p.d.stats.Cut += b.stats.Cut
		return nil
	case half > 0 && mayBeSize(status, connected, err):
		if again := p.parts(ctx, p.sender.cfg, b.with(b.objects[:half]), b.with(b.objects[half:])); again != nil {
			return again
		}
		p.sender.sink.size.refused(size)
		p.warn(WarnSmallerBatches, "%s refused %d events of %d bytes together and took them in parts, so less is sent at once now: %v; "+
			"raise the limit of the server or of a proxy before it", p.sender.sink.host, len(b.objects), size, err)
	case half == 0 && status == http.StatusRequestEntityTooLarge && size/2 >= minMaxEvent:
		cfg := p.sender.cfg
		cfg.MaxEvent = size / 2
		if again := p.parts(ctx, cfg, b.part); again != nil {
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

// parts posts each part as a body, after the one before was confirmed. The sender's own packer may be in use for the next
// batch.
func (p *posting) parts(ctx context.Context, cfg Config, parts ...part) error {
	packer := newPacker(cfg)
	for _, part := range parts {
		b, err := packer.pack(part)
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
