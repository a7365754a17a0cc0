package devosim

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/cespare/xxhash/v2"
)

// Identity tells Okta's objects apart. It is a digest, so that a million of them fit
// in little memory.
type Identity [16]byte

// IdentityOf returns the identity of the object that has id as its uuid, client_id or
// id. For an object of a listing under an app, a group or the like, parent is the id of
// that; under several, their ids with slashes between, outermost first; otherwise it is empty.
func IdentityOf(parent, id string) Identity {
	return identityOf([]byte(parent), []byte(id))
}

// UnreadableIdentityOf returns the identity of a record that stands for something unreadable, which Okta sent as text.
func UnreadableIdentityOf(parent, text string) Identity {
	return identityOf([]byte(parent), []byte(unreadable+text))
}

// unreadable is the member of such a record that has the text.
const unreadable = "@okta_unreadable"

func identityOf(parent, id []byte) Identity {
	var buf [128]byte
	key := append(buf[:0], parent...)
	key = append(key, '/')
	key = append(key, id...)
	sum := sha256.Sum256(key)
	return Identity(sum[:len(Identity{})])
}

// Object is what counts of one JSON object.
type Object struct {
	// JSON is the object as it was delivered.
	JSON []byte
	// Identity is made of the uuid, else the client_id, else the id, and of the parent's
	// id if it was added. An object without any is identified by its Sum, and a record that
	// stands for something unreadable by the text of that. What an event says was deleted is
	// identified by the event too.
	Identity Identity
	// Event marks an object with a uuid, or a deletion: it happened once, and is delivered once. All
	// others are delivered once in each pull.
	Event bool
	// Pull is @devo_pulling_id in milliseconds since the epoch, 0 if there is none.
	Pull int64
	// Sum is the checksum of the object without the added members.
	Sum uint64
}

// Sum returns the checksum of an object's compact JSON as Okta sent it. It equals that
// of the delivered [Object] if not a byte was changed.
func Sum(json []byte) uint64 { return xxhash.Sum64(json) }

// ParseObject checks that object is one compact JSON object in one line of UTF-8, and
// reads what identifies it. Members whose names begin with @ are taken for added ones;
// none of them may occur twice. Names and ids are compared as they are spelt, escapes
// and all. The result shares object's memory.
func ParseObject(object []byte) (Object, error) {
	r := reader{}
	r.sum.Reset()
	if err := eachMember(object, r.member); err != nil {
		return Object{}, err
	}
	if r.kept {
		_, _ = r.sum.WriteString("}")
	} else {
		_, _ = r.sum.WriteString("{}")
	}
	o := Object{JSON: object, Event: r.uuid != nil || r.event != nil, Pull: r.pull, Sum: r.sum.Sum64()}
	switch {
	case r.event != nil:
		o.Identity = identityOf(append(slices.Clone(r.event), r.parent...), r.id)
	case r.uuid != nil:
		o.Identity = identityOf(r.parent, r.uuid)
	case r.clientID != nil:
		o.Identity = identityOf(r.parent, r.clientID)
	case r.id != nil:
		o.Identity = identityOf(r.parent, r.id)
	case r.unreadable != nil:
		o.Identity = UnreadableIdentityOf(string(r.parent), *r.unreadable)
	default:
		o.Identity = identityOf(r.parent, strconv.AppendUint(nil, o.Sum, 16))
	}
	return o, nil
}

// reader picks from the members of an object what identifies it.
type reader struct {
	uuid, clientID, id []byte
	parent, event      []byte
	unreadable         *string
	pull               int64
	added              [][]byte // names that begin with @
	sum                xxhash.Digest
	kept               bool // a member without @ was seen
}

func (r *reader) member(name, value, member []byte) error {
	if len(name) > 0 && name[0] == '@' {
		return r.addedMember(name, value)
	}
	// Okta's members without the added ones between them are Okta's object again.
	if r.kept {
		_, _ = r.sum.WriteString(",")
	} else {
		_, _ = r.sum.WriteString("{")
	}
	r.kept = true
	_, _ = r.sum.Write(member)

	switch string(name) {
	case "uuid":
		r.uuid = text(value)
	case "client_id":
		r.clientID = text(value)
	case "id":
		r.id = text(value)
	}
	return nil
}

func (r *reader) addedMember(name, value []byte) error {
	if slices.ContainsFunc(r.added, func(n []byte) bool { return string(n) == string(name) }) {
		return fmt.Errorf("has %.40q twice", name)
	}
	r.added = append(r.added, name)
	switch string(name) {
	case "@devo_pulling_id":
		pull, err := strconv.ParseInt(string(value), 10, 64)
		if err != nil || pull <= 0 {
			return fmt.Errorf("@devo_pulling_id is %.40q, want milliseconds since the epoch", value)
		}
		r.pull = pull
	case "@okta_event":
		r.event = text(value)
	case unreadable:
		if err := json.Unmarshal(value, &r.unreadable); err != nil || r.unreadable == nil {
			return fmt.Errorf("%s is no string", unreadable)
		}
	}
	if isParent(name) {
		if r.parent != nil {
			r.parent = append(slices.Clone(r.parent), '/')
		}
		r.parent = append(r.parent[:len(r.parent):len(r.parent)], text(value)...)
	}
	return nil
}

// isParent reports whether an added member is the id of an object that others are listed under.
func isParent(name []byte) bool {
	return bytes.HasPrefix(name, []byte("@okta_")) && bytes.HasSuffix(name[len("@okta_"):], []byte("_id")) || string(name) == "@okta_template"
}

// text returns what is between the quotes of a JSON string, nil if value is none.
func text(value []byte) []byte {
	if value[0] != '"' {
		return nil
	}
	return value[1 : len(value)-1]
}
