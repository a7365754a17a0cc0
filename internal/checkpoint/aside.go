package checkpoint

import "slices"

// maxAside bounds the parents that a position keeps aside.
const maxAside = 64

// MaxRow parents that fail in a row are a fault of the service.
const MaxRow = 5

// Aside is a parent whose listing failed and is tried again at the end of the pull.
type Aside struct {
	Under []string `json:"under"` // the ids of the parents, outermost first
	// Cursor is the page that failed, of the next level or of the objects; Part is its delivered beginning, and Listed
	// counts the objects before it.
	Cursor string `json:"cursor,omitempty"`
	Part   Part   `json:"part,omitzero"`
	Listed int64  `json:"listed,omitempty"`
}

// Row counts parents that were put aside in a row. It is where the first of them was listed, and what there was then.
type Row struct {
	Parents int `json:"parents"`
	// Off counts those of them whose listing answered that a feature is off.
	Off     int     `json:"off,omitempty"`
	Levels  []Level `json:"levels"`
	Cursor  string  `json:"cursor,omitempty"`
	Part    Part    `json:"part,omitzero"`
	Listed  int64   `json:"listed,omitempty"`
	Aside   int     `json:"aside"` // how many were aside
	Missing int     `json:"missing"`
}

// PutAside returns p after the listing under a parent was put aside. off: it answered that a feature is off. PutAside returns
// false if that is one too many in a row: then p is where the first of them was listed, and they are not aside.
func (p Position) PutAside(a Aside, off bool) (Position, bool) {
	row := Row{Levels: p.Levels, Cursor: p.Cursor, Part: p.Part, Listed: p.Listed, Aside: len(p.Aside), Missing: p.Pull.Missing}
	if p.Row != nil {
		row = *p.Row
	}
	if off {
		row.Off++
	}
	if row.Parents++; row.Parents == MaxRow {
		pull := *p.Pull
		pull.Missing = row.Missing
		p.Pull, p.Aside, p.Row = &pull, p.Aside[:min(row.Aside, len(p.Aside))], nil
		if row.Aside == 0 {
			p.Aside = nil
		}
		p = p.Restarted()
		p.Levels, p.Cursor, p.Part, p.Listed, p.Refused = row.Levels, row.Cursor, row.Part, row.Listed, 0
		return p, false
	}
	p.Row = &row
	return p.KeepAside(a), true
}

// KeepAside returns p after the listing under a parent was put aside, without counting how many were in a row. If there is
// no room, the parent is missing.
func (p Position) KeepAside(a Aside) Position {
	if len(p.Aside) < maxAside {
		p.Aside = append(slices.Clip(p.Aside), a)
		return p
	}
	pull := *p.Pull
	pull.Missing++
	p.Pull = &pull
	return p
}

// AfterSuccess returns p after an answer of a listing of the collection itself: the parents before it did not fail in a row
// with those after it.
func (p Position) AfterSuccess() Position {
	if p.Row = nil; !p.Pull.Listed {
		pull := *p.Pull
		pull.Reached, pull.Listed = true, true
		p.Pull = &pull
	}
	return p
}

// AfterNothing returns p after an answer that there is nothing below a parent. It is a success, but says nothing about a
// feature that is off for what is listed further below.
func (p Position) AfterNothing() Position {
	if p.Row != nil && p.Row.Off < p.Row.Parents {
		p.Row = nil
	}
	if !p.Pull.Reached {
		pull := *p.Pull
		pull.Reached = true
		p.Pull = &pull
	}
	return p
}

// FirstAside returns p at the first parent of Aside. levels is how many levels of parents there are.
func (p Position) FirstAside(levels int) Position {
	a := p.Aside[0]
	p = p.Restarted()
	p.Levels, p.Refused, p.Retrying = nil, 0, true
	for _, id := range a.Under {
		p.Levels = append(p.Levels, Level{ID: id, Only: true})
	}
	if len(a.Under) < levels {
		p.Levels = append(p.Levels, Level{Cursor: a.Cursor})
	} else {
		p.Cursor, p.Part, p.Listed = a.Cursor, a.Part, a.Listed
	}
	return p
}
