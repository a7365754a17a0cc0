package devo

import (
	"slices"
	"time"

	"okta-collector/internal/jsontext"
	"okta-collector/internal/secret"
)

// EventTime is the time in the heads of records.
type EventTime string

const (
	// EventTimeSent: the time at which a record is sent.
	EventTimeSent EventTime = "sent"
	// EventTimePublished: the time in an object's member [Target.Time]. Objects and records without one have the time at
	// which they are sent.
	EventTimePublished EventTime = "published"
)

// checkEventTime checks the setting for the scheme of DEVO_URL.
func (c Config) checkEventTime(wrong *SettingErrors, scheme string) {
	switch c.EventTime {
	case EventTimeSent:
	case EventTimePublished:
		wrong.unless(!slices.Contains([]string{"https", "http", "file"}, scheme), "DEVO_EVENT_TIME",
			"cannot be %s with %s://, whose records have no date beside their JSON; set it to %s", EventTimePublished, scheme, EventTimeSent)
	default:
		wrong.add("DEVO_EVENT_TIME", "is %s, must be %s or %s", secret.Shown(string(c.EventTime)), EventTimeSent, EventTimePublished)
	}
}

// framer returns the framer of a stream whose records have heads.
func (c Config) framer(target Target) framer {
	f := framer{cfg: c}
	if c.EventTime == EventTimePublished {
		f.time = target.Time
	}
	return f
}

// dated returns the head of an object: with the object's own time if that is asked for and known, otherwise head. The next
// call overwrites the result.
func (f *framer) dated(head []byte, tag string, object []byte) []byte {
	if f.time == "" {
		return head
	}
	at, ok := timeIn(object, f.time)
	if !ok {
		return head
	}
	f.own = appendHead(f.own[:0], at, f.cfg.Hostname, tag)
	return f.own
}

// timeIn returns the time in a top-level member of an object. It reads the object as far as the first member of that name.
// The time is in RFC 3339. A year before 1970 is no event's, and a head has no room for one after 9999.
func timeIn(object []byte, member string) (at time.Time, ok bool) {
	for name, value := range jsontext.Members(object) {
		if string(name) != member {
			continue
		}
		if len(value) < 2 || value[0] != '"' || at.UnmarshalText(value[1:len(value)-1]) != nil {
			return time.Time{}, false
		}
		year := at.UTC().Year()
		return at, year >= 1970 && year <= 9999
	}
	return time.Time{}, false
}
