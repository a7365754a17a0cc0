package devo

import (
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
	blockSize  = 128 << 10
	maxMembers = 1 << 10 // of [Batch.Members], in bytes
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
func recordHead(at time.Time, host, tag string) []byte {
	return fmt.Appendf(nil, "<14>%s %s %s: ", at.UTC().Format("2006-01-02T15:04:05.000Z"), host, tag)
}

// framer turns batches into lines. It reuses its buffer for every batch.
type framer struct {
	cfg Config
	buf []byte
}

// frame renders each object of the batch as one line that begins with head. It passes blocks of whole lines to flush.
// flush may use a block until it returns. If the batch is invalid, frame fails before the first flush.
func (f *framer) frame(head []byte, batch Batch, flush func(lines []byte) error) (Stats, error) {
	members, err := f.members(batch)
	if err != nil {
		return Stats{}, err
	}
	for i, object := range batch.Objects {
		if !isObject(object) {
			return Stats{}, fmt.Errorf("element %d of the batch is not a JSON object", i)
		}
	}

	var stats Stats
	f.buf = f.buf[:0]
	for i, object := range batch.Objects {
		f.buf = append(f.buf, head...)
		start := len(f.buf)
		if len(object)+len(",")+len(members) > f.cfg.MaxEvent {
			f.buf = appendCut(f.buf, object, members, f.cfg.MaxEvent)
			stats.Cut++
		} else {
			f.buf = appendObject(f.buf, object, members)
		}
		joinOneLine(f.buf[start:])
		stats.Bytes += int64(len(f.buf) - start)
		f.buf = append(f.buf, '\n')
		if len(f.buf) >= blockSize || i == len(batch.Objects)-1 {
			if err := flush(f.buf); err != nil {
				return Stats{}, err
			}
			f.buf = f.buf[:0]
		}
	}
	return stats, nil
}

// members returns the JSON members to add to each object of the batch.
func (f *framer) members(batch Batch) ([]byte, error) {
	if len(batch.Members) > maxMembers {
		return nil, fmt.Errorf("the batch's members have %d bytes, at most %d are allowed", len(batch.Members), maxMembers)
	}
	object := slices.Concat([]byte{'{'}, batch.Members, []byte{'}'})
	if f.cfg.Environment != "" {
		value, _ := json.Marshal(f.cfg.Environment) // cannot fail for a string
		object = appendObject(nil, object, fmt.Appendf(nil, `"@devo_environment":%s`, value))
	}
	if !json.Valid(object) {
		return nil, errors.New("the batch's members are not valid JSON members")
	}
	return object[1 : len(object)-1], nil
}
