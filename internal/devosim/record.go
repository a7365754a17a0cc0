package devosim

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"
)

const (
	// priority is facility user, severity informational: the only one that Devo's senders use.
	priority = "<14>"
	// recordTime is RFC 3339 with milliseconds, in UTC.
	recordTime = "2006-01-02T15:04:05.000Z"

	maxHost = 255 // RFC 5424, section 6
	maxTag  = 1024
	// Devo's tables have two to six levels.
	minLevels, maxLevels = 2, 6
)

// Record is one line of Devo's syslog.
type Record struct {
	Time   time.Time
	Host   string
	Tag    string
	Object Object
}

// ParseRecord parses one record, without the newline that ends it:
//
//	<14>2026-11-22T06:27:00.123Z host auth.okta.system: {"uuid":"…"}
//
// It accepts this one spelling and nothing else. Object shares line's memory.
func ParseRecord(line []byte) (Record, error) {
	rest, ok := bytes.CutPrefix(line, []byte(priority))
	if !ok {
		return Record{}, fmt.Errorf("does not begin with %s", priority)
	}
	date, rest, ok := bytes.Cut(rest, []byte{' '})
	if !ok {
		return Record{}, errors.New("ends before the host")
	}
	at, err := parseTime(date)
	if err != nil {
		return Record{}, err
	}
	host, rest, ok := bytes.Cut(rest, []byte{' '})
	if !ok {
		return Record{}, errors.New("ends before the tag")
	}
	if err := checkHost(string(host)); err != nil {
		return Record{}, err
	}
	// A tag has no colon, so the first one ends it.
	tag, message, ok := bytes.Cut(rest, []byte(": "))
	if !ok {
		return Record{}, errors.New("ends before the message")
	}
	if err := checkTag(string(tag)); err != nil {
		return Record{}, err
	}
	object, err := ParseObject(message)
	if err != nil {
		return Record{}, fmt.Errorf("message: %w", err)
	}
	return Record{Time: at, Host: string(host), Tag: string(tag), Object: object}, nil
}

func parseTime(date []byte) (time.Time, error) {
	at, err := time.Parse(recordTime, string(date))
	// time.Parse is lenient about some fields; only what it would print itself will do.
	if err != nil || !bytes.Equal(at.AppendFormat(make([]byte, 0, len(recordTime)), recordTime), date) {
		return time.Time{}, fmt.Errorf("date is not like %s", recordTime)
	}
	return at, nil
}

func checkHost(host string) error {
	if host == "" || len(host) > maxHost {
		return fmt.Errorf("host has %d characters, want 1 to %d", len(host), maxHost)
	}
	for i := range len(host) {
		if host[i] <= ' ' || host[i] >= 0x7f {
			return errors.New("host has a blank, a control character or one that is not ASCII")
		}
	}
	return nil
}

func checkTag(tag string) error {
	if len(tag) > maxTag {
		return fmt.Errorf("tag has %d characters, want at most %d", len(tag), maxTag)
	}
	if n := strings.Count(tag, ".") + 1; n < minLevels || n > maxLevels {
		return fmt.Errorf("tag has %d levels, want %d to %d", n, minLevels, maxLevels)
	}
	for level := range strings.SplitSeq(tag, ".") {
		if level == "" {
			return errors.New("tag has an empty level")
		}
		for i := range len(level) {
			switch c := level[i]; {
			case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '-', c == '_':
			default:
				return fmt.Errorf("tag has %q; want letters, digits, - and _", c)
			}
		}
	}
	return nil
}
