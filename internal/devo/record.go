package devo

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"time"
)

const (
	// blockSize is how many bytes of lines are gathered for one write. It bounds the memory of a stream whatever the size
	// of a batch, and keeps system calls rare.
	blockSize = 128 << 10
	// fileBlockSize is that of a file. The kernel copies a large write into large pages of its cache, for two thirds of the
	// CPU time.
	fileBlockSize = 1 << 20

	maxMembers = 1 << 10 // of [Batch.Members], in bytes
	maxRecord  = 2 << 10 // of [Record.JSON], in bytes; with @devo_environment a record is below every MaxEvent
	maxTag     = 1024    // Devo's limit, in characters
)

var validTag = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+){1,5}$`)

// CheckTag returns what is wrong with the name of a Devo table. The rules are Devo's.
func CheckTag(tag string) error {
	if len(tag) > maxTag || !validTag.MatchString(tag) {
		return fmt.Errorf("the tag %.100q must be 2 to 6 levels of letters, digits, - and _, joined by dots, and at most %d characters",
			tag, maxTag)
	}
	return nil
}

// checkTarget refuses a target whose name or tag could break a record, a path or a file name.
func checkTarget(t Target) error {
	if t.Name == "" {
		return errors.New("opening a stream: it has no name")
	}
	if err := CheckTag(t.Tag); err != nil {
		return fmt.Errorf("opening a stream: %w", refused("see DEVO_TABLES", err))
	}
	return nil
}

// recordHead returns the header that precedes the JSON in a record of Devo's syslog:
//
//	<14>2026-11-22T06:27:00.123Z host auth.okta.system: {"uuid":…}
//
// Of Devo's date formats, other syslog servers understand only RFC 3339.
func recordHead(at time.Time, host, tag string) []byte { return appendHead(nil, at, host, tag) }

// appendHead appends a [recordHead].
func appendHead(dst []byte, at time.Time, host, tag string) []byte {
	dst = at.UTC().AppendFormat(append(dst, "<14>"...), "2006-01-02T15:04:05.000Z")
	for _, field := range []string{" ", host, " ", tag, ": "} {
		dst = append(dst, field...)
	}
	return dst
}

// head returns the heads of records that are sent now, by their tags.
func (f *framer) head() func(tag string) []byte {
	at := f.cfg.Now()
	return func(tag string) []byte { return recordHead(at, f.cfg.Hostname, tag) }
}

// framer turns batches into lines. It reuses its buffer for every batch.
type framer struct {
	cfg   Config
	block int    // how many bytes of lines are passed to flush at once; default: blockSize
	time  string // the member with an object's own time, for its head; empty: heads have the time of sending
	own   []byte // the head of one object
	buf   []byte
	stats Stats // of the batch
}

// noHead is the head of lines that have none.
func noHead(string) []byte { return nil }

// frame renders each object and record of the batch as one line that begins with the head of its tag. It passes blocks of
// whole lines to flush. flush may use a block until it returns. If the batch is invalid, frame fails before the first flush.
func (f *framer) frame(head func(tag string) []byte, tag string, batch Batch, flush func(lines []byte) error) (Stats, error) {
	members, err := f.members(batch.Members)
	if err != nil {
		return Stats{}, err
	}
	if err := batch.check(); err != nil {
		return Stats{}, err
	}
	f.buf, f.stats = f.buf[:0], Stats{}
	err = f.records(head, batch.Before, flush)
	own := head(tag)
	for i := 0; i < len(batch.Objects) && err == nil; i++ {
		err = f.line(f.dated(own, tag, batch.Objects[i]), batch.Objects[i], members, flush)
	}
	if err == nil {
		err = f.records(head, batch.After, flush)
	}
	if err == nil && len(f.buf) > 0 {
		err = flush(f.buf)
	}
	if err != nil {
		return Stats{}, err
	}
	return f.stats, nil
}

// size is about how many bytes the lines of a batch have. Its error says why the batch cannot be rendered.
func (f *framer) size(tag string, batch Batch) (int, error) {
	members, err := f.members(batch.Members)
	if err == nil {
		err = batch.check()
	}
	line := len(tag) + len(f.cfg.Hostname) + len(members) + 40 // with the priority, the date and the line end
	size := 0
	for _, object := range batch.Objects {
		size += line + min(len(object), f.cfg.MaxEvent)
	}
	for _, r := range slices.Concat(batch.Before, batch.After) {
		size += line + len(r.Tag) + len(r.JSON)
	}
	return size, err
}

// records renders each record as one line.
func (f *framer) records(head func(tag string) []byte, records []Record, flush func(lines []byte) error) error {
	if len(records) == 0 {
		return nil
	}
	members, err := f.members(nil)
	for i := 0; i < len(records) && err == nil; i++ {
		err = f.line(head(records[i].Tag), records[i].JSON, members, flush)
	}
	return err
}

// line renders an object as one line, and flushes a full block.
func (f *framer) line(head, object, members []byte, flush func(lines []byte) error) error {
	f.buf = append(f.buf, head...)
	start := len(f.buf)
	if len(object)+len(",")+len(members) > f.cfg.MaxEvent {
		f.buf = appendCut(f.buf, object, members, f.cfg.MaxEvent)
		f.stats.Cut++
	} else {
		f.buf = appendObject(f.buf, object, members)
	}
	joinOneLine(f.buf[start:])
	f.stats.Bytes += int64(len(f.buf) - start)
	f.buf = append(f.buf, '\n')
	if len(f.buf) < cmp.Or(f.block, blockSize) {
		return nil
	}
	err := flush(f.buf)
	f.buf = f.buf[:0]
	return err
}

// check refuses objects and records that could break a line, and records for what is no table.
func (b Batch) check() error {
	for i, object := range b.Objects {
		if !isObject(object) {
			return fmt.Errorf("element %d of the batch is not a JSON object", i)
		}
	}
	for _, r := range slices.Concat(b.Before, b.After) {
		if err := CheckTag(r.Tag); err != nil {
			return fmt.Errorf("a record beside the batch: %w", refused("see DEVO_TABLES", err))
		}
		if !isObject(r.JSON) || len(r.JSON) > maxRecord {
			return fmt.Errorf("a record beside the batch, for %s, is not a JSON object of at most %d bytes", r.Tag, maxRecord)
		}
	}
	return nil
}

// members returns the JSON members to add to each object: the batch's own and @devo_environment.
func (f *framer) members(own []byte) ([]byte, error) {
	if len(own) > maxMembers {
		return nil, fmt.Errorf("the batch's members have %d bytes, at most %d are allowed", len(own), maxMembers)
	}
	object := slices.Concat([]byte{'{'}, own, []byte{'}'})
	if f.cfg.Environment != "" {
		value, _ := json.Marshal(f.cfg.Environment) // cannot fail for a string
		object = appendObject(nil, object, fmt.Appendf(nil, `"@devo_environment":%s`, value))
	}
	if !json.Valid(object) {
		return nil, errors.New("the batch's members are not valid JSON members")
	}
	return object[1 : len(object)-1], nil
}
