package okta

import (
	"fmt"
	"hash/fnv"
	"time"

	"okta-collector/internal/checkpoint"
)

// Page is one answer of a list endpoint.
type Page struct {
	// Objects are compact JSON objects, without those that were already delivered. They are valid until Release.
	Objects [][]byte
	// Members are JSON members, without braces, to add to each object.
	Members []byte
	// Position is where to continue after this page was delivered.
	Position checkpoint.Position
	// CaughtUp: there is nothing more for now. The next pull begins after Wait.
	CaughtUp bool
	Wait     time.Duration
	// Asked: the next page was requested already. A caller that stops here wastes the request.
	Asked bool
	// Again: the pull ended incomplete and is begun again, so it does not count as complete.
	Again bool
	// Warnings are for the operator.
	Warnings []Warning
	// Pull is the kind of the pull that the page belongs to.
	Pull checkpoint.PullKind

	begins  bool                // the pull's first record goes before the objects
	ends    *PullRecord         // goes after the objects; nil if none does
	deleted []Deleted           // by the page's events, in order
	odd     checkpoint.Oddities // of the page as a whole
	before  checkpoint.Oddities // of what came before the page, and that After forgets
	from    checkpoint.Position // where to fetch the page again, in the same pull
	all     []object            // of the page, with those that were already delivered
	done    int                 // how many of all those are
	kept    []int               // where in all each of Objects is; nil if all after done are there
	answer  *answer             // nil if the page has no objects, or was released
}

// Before is where the page is fetched again, in the same pull, if nothing of it was delivered.
func (p *Page) Before() checkpoint.Position { return p.within(0) }

// Ships reports whether the page has anything to deliver: objects, or records of pulls and deletions.
func (p *Page) Ships() bool { return len(p.Objects)+len(p.deleted) > 0 || p.begins || p.ends != nil }

// After is where to continue, in the same pull, after the first n of Objects were delivered.
func (p *Page) After(n int) checkpoint.Position {
	if n == len(p.Objects) {
		return p.Position
	}
	pos := p.within(n)
	if p.begins && n > 0 {
		pos.Pull = announced(pos.Pull)
	}
	return pos
}

// within is where the rest of the page is fetched, after its first n objects.
func (p *Page) within(n int) checkpoint.Position {
	pos := p.from
	if done := p.begin(n); done > 0 {
		pos.Part = partOf(p.all, done)
		if len(pos.Levels) > 0 {
			pos = pos.AfterSuccess()
		}
	}
	return pos
}

// warn adds a warning.
func (p *Page) warn(kind WarningKind, format string, args ...any) {
	p.Warnings = append(p.Warnings, Warning{kind, fmt.Sprintf(format, args...)})
}

// Oddities counts what was not in order in Objects[from:to]. With the last object, or without any, it also counts what
// was not in order with the page as a whole. With the first, it counts what After forgets: parents put aside before, and
// a Part that is shipped again.
func (p *Page) Oddities(from, to int) (odd checkpoint.Oddities) {
	if to == len(p.Objects) {
		odd = p.odd
	}
	if from == 0 {
		odd.Add(p.before)
	}
	odd.Add(marks(p.all[p.begin(from):p.end(to)]))
	return odd
}

// Dropped counts the objects of the page that are not shipped, before and between Objects[from:to]. With the last object, or
// without any, it also counts those after it.
func (p *Page) Dropped(from, to int) int64 {
	return int64(p.end(to) - p.begin(from) - (to - from))
}

// begin is where in all the n-th of Objects is, or for the first one the dropped ones before it.
func (p *Page) begin(n int) int {
	switch {
	case n == 0:
		return p.done
	case p.kept == nil:
		return p.done + n
	}
	return p.kept[n]
}

// end is where in all the first n of Objects end, together with the dropped ones after them.
func (p *Page) end(n int) int {
	if n == len(p.Objects) {
		return len(p.all)
	}
	return p.begin(n)
}

// Release frees the memory of the page. No other method may be called afterwards. A second call does nothing.
func (p *Page) Release() {
	if p.answer != nil {
		p.answer.release()
		p.answer = nil
	}
}

// partOf describes the first objects of a page.
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

// newPage makes a page of an answer. Its position has the pull and the page size for the next request. The caller sets
// the cursors.
func (r *Reader) newPage(a *answer, pos checkpoint.Position) *Page {
	pos = begun(pos, a.date)
	done, repeated := pos.Part.Objects, 0
	if done < 0 || done > len(a.objects) || partOf(a.objects, done) != pos.Part {
		done, repeated = 0, done // the page has changed, or is a smaller one: deliver all of it
	}
	pos.Failing = checkpoint.Failing{}
	p := &Page{Pull: pos.Pull.Kind, from: pos, all: a.objects, done: done, answer: a}
	p.before.Repeated = int64(max(repeated, 0))
	pos.Part = checkpoint.Part{}
	p.Objects = make([][]byte, 0, len(a.objects)-done)
	for i := done; i < len(a.objects); i++ {
		o := &a.objects[i]
		if o.dropped && p.kept == nil {
			p.kept = make([]int, i-done, len(a.objects)-done)
			for j := range p.kept {
				p.kept[j] = done + j
			}
		}
		if o.dropped {
			continue
		}
		if p.kept != nil {
			p.kept = append(p.kept, i)
		}
		p.Objects = append(p.Objects, o.raw)
	}
	if n := marks(p.all[done:]); n != (checkpoint.Oddities{}) {
		p.warnOfMarks(r.collection, n)
	}
	pull := *pos.Pull
	pull.Events += int64(len(a.objects))
	pull.Skipped = pull.Skipped || marks(p.all).Unreadable > 0
	if p.begins = pull.Kind == checkpoint.PullFull && !pull.Announced && len(p.Objects) > 0; p.begins {
		pull.Announced = true
	}
	pos.Listed += int64(len(a.objects))
	pos.Pull = &pull
	r.collection.recover(&pos)
	p.Position = pos
	p.Members = fmt.Appendf(nil, `"@devo_pulling_id":%d`, pull.ID)
	return p
}

// moved returns a page without objects, which only changes the position.
func moved(pos checkpoint.Position, warnings ...Warning) *Page {
	p := &Page{Position: pos, Pull: pos.Pull.Kind, Warnings: warnings}
	if pos.Pull.Began.IsZero() {
		p.Position.Pull = nil // the first answer begins a pull, and there was none
	}
	return p
}
