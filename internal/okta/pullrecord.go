package okta

import (
	"okta-collector/internal/checkpoint"
)

// The names in DEVO_TABLES of the tables that are of no collection.
const (
	PullsTable   = "pulls"   // of [PullRecord]
	DeletedTable = "deleted" // of [Deleted]
)

// RecordTables are these tables in Devo, by their names.
var RecordTables = map[string]string{PullsTable: "my.app.okta.pulls", DeletedTable: "my.app.okta.deleted"}

// A PullRecord says that a full pull begins or ends, or that a pull of changes has listed everything under one parent.
type PullRecord struct {
	// ID is the pull's @devo_pulling_id.
	ID int64
	// Ends: what the record is of has ended.
	Ends bool
	// Parent is the parent whose listing has ended, in a pull of changes; nil of a full pull.
	Parent *Member
	// Objects is how many objects were listed. Complete: nothing of the listing was skipped, cut off, missing or
	// suspiciously empty. Both are zero at the beginning.
	Objects  int64
	Complete bool
}

// PullRecords are the records to ship before and after Objects[from:to]. A pull is announced before its first object. One
// that has no object is announced at its end.
func (p *Page) PullRecords(from, to int) (before, after []PullRecord) {
	if p.begins && from == 0 {
		before = []PullRecord{{ID: p.from.Pull.ID}}
	}
	if p.ends != nil && to == len(p.Objects) {
		after = []PullRecord{*p.ends}
	}
	return before, after
}

// announced returns the pull after the record that it begins with.
func announced(pull *checkpoint.Pull) *checkpoint.Pull {
	p := *pull
	p.Announced = true
	return &p
}

// skipped returns the pull after something was skipped.
func skipped(pull *checkpoint.Pull) *checkpoint.Pull {
	p := *pull
	p.Skipped = true
	return &p
}

// endFull ends a full pull with a record.
func (p *Page) endFull(pull checkpoint.Pull, complete bool) {
	if pull.Kind != checkpoint.PullFull {
		return
	}
	p.begins = p.begins || !pull.Announced
	p.ends = &PullRecord{ID: pull.ID, Ends: true, Objects: pull.Events, Complete: complete && !pull.Skipped}
}

// endParent ends a listing under a parent, in a pull of changes, with a record that names the parent.
func (p *Page) endParent(c Collection, under []string) {
	pull := p.Position.Pull
	if pull.Kind != checkpoint.PullChanges || len(under) == 0 {
		return
	}
	last := len(under) - 1
	p.ends = &PullRecord{
		ID: pull.ID, Ends: true, Parent: &Member{c.Under[last].Member, under[last]}, Objects: p.Position.Listed, Complete: !pull.CutOff && !pull.Skipped,
	}
}
