package okta

import (
	"hash/fnv"
	"strconv"
	"time"

	"okta-collector/internal/checkpoint"
)

// Page is one answer of a list endpoint.
type Page struct {
	// Objects are compact JSON objects, without those that were delivered before. They are valid until Release.
	Objects [][]byte
	// Members are the JSON members to be added to each object, without braces.
	Members []byte
	// Position is where to go on after this page was delivered.
	Position checkpoint.Position
	// CaughtUp says that there is nothing more for now, and that the next pull begins after Wait.
	CaughtUp bool
	Wait     time.Duration
	// Warning is for whoever operates the collector. Empty: there is none.
	Warning string
	// Pull is the kind of the pull that the page is of.
	Pull checkpoint.PullKind

	from    checkpoint.Position // where the page is fetched again, as part of the same pull
	all     []object            // of the page, with those that were delivered before
	release func()
}

// After is where to go on in the same pull after the first n of Objects were delivered.
func (p *Page) After(n int) checkpoint.Position {
	if n == len(p.Objects) {
		return p.Position
	}
	pos := p.from
	if done := len(p.all) - len(p.Objects) + n; done > 0 {
		pos.Part = partOf(p.all, done)
	}
	return pos
}

// Release gives the page's memory back. A second call does nothing.
func (p *Page) Release() {
	if p.release != nil {
		p.release()
		p.release = nil
	}
}

// partOf is the beginning of a page: its first objects.
func partOf(page []object, objects int) checkpoint.Part {
	h := fnv.New64a()
	for _, o := range page[:objects] {
		id := o.id
		if id == nil {
			id = o.raw
		}
		h.Write(id)
		h.Write([]byte{0})
	}
	return checkpoint.Part{Objects: objects, IDs: h.Sum64()}
}

// newPage makes a page of an answer. Its position has the pull and the page size of what follows; the caller sets the
// cursors.
func (r *Reader) newPage(a *answer, pos checkpoint.Position) *Page {
	pos = begun(pos, a.date)
	done := pos.Part.Objects
	if done < 0 || done > len(a.objects) || partOf(a.objects, done) != pos.Part {
		done = 0 // the page is another one by now
	}
	pos.Part = checkpoint.Part{}
	p := &Page{Pull: pos.Pull.Kind, from: pos, all: a.objects, release: func() { r.org.release(a) }}
	for _, o := range a.objects[done:] {
		p.Objects = append(p.Objects, o.raw)
	}
	pull := *pos.Pull
	pull.Events += int64(len(a.objects))
	pos.Pull, pos.Limit = &pull, r.collection.grown(pos.Limit)
	p.Position = pos
	p.Members = strconv.AppendInt([]byte(`"@devo_pulling_id":`), pull.ID, 10)
	return p
}

// moved returns a page without objects, which only moves the position.
func moved(pos checkpoint.Position, warning string) *Page {
	p := &Page{Position: pos, Pull: pos.Pull.Kind, Warning: warning}
	if pos.Pull.Began.IsZero() {
		p.Position.Pull = nil // no answer has begun it
	}
	return p
}
