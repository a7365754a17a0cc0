package devo

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// blockSize is how many bytes of lines are gathered before they are written. It bounds the memory of a stream, whatever
// the size of its batches, and makes system calls rare.
const blockSize = 128 << 10

// maxMembers bounds [Batch.Members] in bytes.
const maxMembers = 1 << 10

// Devo's rules for a tag.
const (
	maxTag       = 1024
	minTagLevels = 2
	maxTagLevels = 6
)

var tagLevel = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// CheckTag says what is wrong with the name of a Devo table. A name has two to six levels of letters, digits, - and _,
// joined by dots, and at most 1,024 characters.
func CheckTag(tag string) error {
	levels := strings.Split(tag, ".")
	if len(tag) > maxTag {
		return fmt.Errorf("the tag has %d characters, at most %d are allowed", len(tag), maxTag)
	}
	if len(levels) < minTagLevels || len(levels) > maxTagLevels {
		return fmt.Errorf("the tag %q must have %d to %d levels", tag, minTagLevels, maxTagLevels)
	}
	for _, level := range levels {
		if !tagLevel.MatchString(level) {
			return fmt.Errorf("each level of the tag %q must be letters, digits, - and _", tag)
		}
	}
	return nil
}

// checkTarget refuses a target that could break out of a record, a path or a file name.
func checkTarget(t Target) error {
	if t.Name == "" {
		return errors.New("opening a stream: it has no name")
	}
	if err := CheckTag(t.Tag); err != nil {
		return fmt.Errorf("opening a stream: %w", refused("see DEVO_TABLES", err))
	}
	return nil
}

// appendHead appends the header of a record of Devo's syslog, which the JSON follows:
//
//	<14>2026-11-22T06:27:00.123Z host auth.okta.system: {"uuid":…}
//
// Of Devo's date formats, only RFC 3339 is also understood by other syslog servers.
func appendHead(dst []byte, at time.Time, host, tag string) []byte {
	dst = append(dst, "<14>"...)
	dst = at.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z")
	dst = append(dst, ' ')
	dst = append(dst, host...)
	dst = append(dst, ' ')
	dst = append(dst, tag...)
	return append(dst, ": "...)
}

// framer turns batches into lines. It uses its buffer again for every batch.
type framer struct {
	environment []byte // the rendered member @devo_environment, or empty
	maxEvent    int
	buf         []byte
}

// frame renders each object of the batch as one line that begins with head, and passes them to flush in blocks of whole
// lines. flush may use a block until it returns. A batch that cannot be rendered fails before anything is flushed.
func (f *framer) frame(head []byte, batch Batch, flush func(lines []byte) error) (Stats, error) {
	members, err := f.members(batch)
	if err != nil {
		return Stats{}, err
	}
	for i, object := range batch.Objects {
		if !isObject(object) {
			return Stats{}, fmt.Errorf("element %d of the batch is no JSON object", i)
		}
	}

	var stats Stats
	f.buf = f.buf[:0]
	for _, object := range batch.Objects {
		f.buf = append(f.buf, head...)
		start := len(f.buf)
		if len(object)+len(",")+len(members) > f.maxEvent {
			f.buf = appendCut(f.buf, object, members, f.maxEvent)
			stats.Cut++
		} else {
			f.buf = appendObject(f.buf, object, members)
		}
		joinOneLine(f.buf[start:])
		stats.Bytes += int64(len(f.buf) - start)
		f.buf = append(f.buf, '\n')
		if len(f.buf) >= blockSize {
			if err := flush(f.buf); err != nil {
				return Stats{}, err
			}
			f.buf = f.buf[:0]
		}
	}
	if len(f.buf) > 0 {
		if err := flush(f.buf); err != nil {
			return Stats{}, err
		}
	}
	return stats, nil
}

// members returns the members that are added to each object of the batch.
func (f *framer) members(batch Batch) ([]byte, error) {
	if len(batch.Members) > maxMembers {
		return nil, fmt.Errorf("the batch's members have %d bytes, at most %d are allowed", len(batch.Members), maxMembers)
	}
	members := append([]byte{'{'}, batch.Members...)
	if len(f.environment) > 0 {
		if len(batch.Members) > 0 {
			members = append(members, ',')
		}
		members = append(members, f.environment...)
	}
	members = append(members, '}')
	if !json.Valid(members) {
		return nil, errors.New("the batch's members are no JSON members")
	}
	return members[1 : len(members)-1], nil
}
