package oktasim

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"
)

// shapes are the kinds of objects, a file each, in JSON. <<name>> inside a string stands for a value
// without anything to escape, "<<#name>>" for a whole value of any type. The name of a collection stands for the id of one
// of its objects.
//
//go:embed shapes/*.json
var shapes embed.FS

// slot appends the value of one placeholder.
type slot func(dst []byte, it *item) []byte

// reference returns what stands for the id of some object of a collection.
func reference(to string) (slot, bool) {
	c, known := collections[to]
	return func(dst []byte, it *item) []byte { return it.appendIdentity(dst, c, it.reference(c)) }, known
}

// shape is a compiled JSON text: constant pieces with slots after them.
type shape []struct {
	text []byte
	slot slot
}

func (s shape) append(dst []byte, it *item) []byte {
	for _, p := range s {
		dst = append(dst, p.text...)
		if p.slot != nil {
			dst = p.slot(dst, it)
		}
	}
	return dst
}

// compile cuts a compact JSON text at its placeholders.
func compile(text []byte) (shape, error) {
	var s shape
	for {
		before, rest, found := bytes.Cut(text, []byte("<<"))
		if !found {
			return append(s, struct {
				text []byte
				slot slot
			}{text, nil}), nil
		}
		name, after, found := bytes.Cut(rest, []byte(">>"))
		if !found {
			return nil, fmt.Errorf("placeholder without an end after %q", before)
		}
		if bytes.HasPrefix(name, []byte("#")) {
			before = bytes.TrimSuffix(before, []byte(`"`))
			after = bytes.TrimPrefix(after, []byte(`"`))
		}
		fill, known := slots[string(name)]
		if !known {
			fill, known = identitySlots[string(name)]
		}
		if !known {
			fill, known = reference(string(name))
		}
		if !known {
			return nil, fmt.Errorf("unknown placeholder %q", name)
		}
		s = append(s, struct {
			text []byte
			slot slot
		}{before, fill})
		text = after
	}
}

// catalogue holds the compiled shapes of a service: those that most objects have, and the same with
// members that are legal and unpleasant. kinds are the names that the shapes have after the service's.
type catalogue struct {
	plain, unpleasant []shape
	kinds             []string
}

// One object in unpleasantEvery has an unpleasant shape.
const unpleasantEvery = 24

func (c catalogue) pick(h uint64) shape {
	set := c.plain
	if h%unpleasantEvery == 0 {
		set = c.unpleasant
	}
	return set[(h>>24)%uint64(len(set))]
}

// kind returns that of the shape which pick returns.
func (c catalogue) kind(h uint64) string {
	if h%unpleasantEvery == 0 {
		return c.kinds[(h>>24)%uint64(len(c.unpleasant))/uint64(len(unpleasant))]
	}
	return c.kinds[(h>>24)%uint64(len(c.plain))]
}

// unpleasant are members that Okta could send and a collector must carry unharmed.
var unpleasant = []string{
	`"id2":{"uuid":"not-this","id":"not-this","client_id":"not-this","published":null},"ID":"nor-this","Id":null`,
	`"x_numbers":[1E5,1.50,-0,-0.0,1e-7,0.1E+1,12345678901234567890,9007199254740993,3.141592653589793238462643]`,
	`"x_text":"\u00e9 é \u2028|` + "\u2028" + `|` + "\u2029" + ` \ud83d\ude00 😀 漢字 \ud800 \u0000 \u001f ` + "\x7f" + ` \n\r\t\b\f \\n \/ / \" <>&= '","":""`,
	`"x_empty":{"object":{},"array":[],"nested":[[],[{}],{"":{}}],"null":null,"string":""},"x_null":null`,
	`"x_trap":"],\"uuid\":\"x\"},{ [ { \\\"","x_spaces":"  two  \t","a:b":"c,d","same":1,"Same":1,"same ":1`,
}

// catalogues holds the shapes of all collections but logs.
var catalogues = sync.OnceValues(func() (map[form]catalogue, error) {
	all := map[form]catalogue{}
	err := eachShape(func(name, kind string, text []byte) error {
		if name == "logs" {
			return nil
		}
		orders := 1
		if c, listed := collections[name]; listed {
			orders = c.orders()
		}
		for order := range orders {
			c := all[form{name, order}]
			if err := c.add(kind, text, order); err != nil {
				return err
			}
			all[form{name, order}] = c
		}
		return nil
	})
	return all, err
})

// loadCatalogues returns the shapes of all collections. Those of logs have a <<padding>>, which is filled until an event has
// about the size that was asked for.
func (o *Org) loadCatalogues() (map[form]catalogue, error) {
	others, err := catalogues()
	if err != nil {
		return nil, err
	}
	all := maps.Clone(others)
	var events catalogue
	err = eachShape(func(name, kind string, text []byte) error {
		if name != "logs" {
			return nil
		}
		var err error
		for _, percent := range []int{93, 100, 107} {
			err = errors.Join(err, events.add(kind, o.pad(text, o.cfg.EventBytes*percent/100), 0))
		}
		return err
	})
	all[form{shape: "logs"}] = events
	return all, err
}

// eachShape calls add with each of the files, compact. A file is named after a service and, if it has several, a kind.
func eachShape(add func(name, kind string, text []byte) error) error {
	files, err := shapes.ReadDir("shapes")
	if err != nil {
		return err
	}
	for _, f := range files {
		file := path.Join("shapes", f.Name())
		pretty, err := shapes.ReadFile(file)
		if err != nil {
			return err
		}
		var text bytes.Buffer
		name, kind, _ := strings.Cut(strings.TrimSuffix(f.Name(), ".json"), ".")
		if err := json.Compact(&text, pretty); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if err := add(name, kind, text.Bytes()); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
	return nil
}

// add compiles a text, with its members in one of three orders.
func (c *catalogue) add(kind string, text []byte, order int) error {
	plain, err := compile(reordered(text, order))
	if err != nil {
		return err
	}
	c.kinds = append(c.kinds, kind)
	c.plain = append(c.plain, plain)
	for i, members := range unpleasant {
		var mixed string
		if i%2 == 0 {
			mixed = "{" + members + "," + string(text[1:])
		} else {
			mixed = string(text[:len(text)-1]) + "," + members + "}"
		}
		s, err := compile(reordered([]byte(mixed), order))
		if err != nil {
			return err
		}
		c.unpleasant = append(c.unpleasant, s)
	}
	return nil
}

// reordered moves the first third of an object's members to its end as often as order says.
func reordered(text []byte, order int) []byte {
	if order == 0 {
		return text
	}
	d := json.NewDecoder(bytes.NewReader(text))
	var members [][]byte
	var value json.RawMessage
	for _, err := d.Token(); err == nil && d.More(); {
		begin := d.InputOffset()
		if _, err = d.Token(); err == nil {
			err = d.Decode(&value)
		}
		members = append(members, bytes.TrimPrefix(text[begin:d.InputOffset()], []byte(",")))
	}
	third := order * len(members) / 3
	return slices.Concat([]byte("{"), bytes.Join(slices.Concat(members[third:], members[:third]), []byte(",")), []byte("}"))
}

// pad fills the <<padding>> of a text, so that it renders to about so many bytes. What it is filled with
// looks like the JSON within JSON that debugData carries.
func (o *Org) pad(text []byte, size int) []byte {
	before, after, found := bytes.Cut(text, []byte("<<padding>>"))
	if !found {
		return text
	}
	padded := append(bytes.Clone(before), `{\"behaviors\":{\"New Geo-Location\":\"NEGATIVE\"`...)
	const end = "}}"
	missing := size - o.rendered(append(append(bytes.Clone(padded), end...), after...))
	results := []string{"NEGATIVE", "POSITIVE", "UNKNOWN"}
	for k, goal := 0, len(padded)+missing; len(padded) < goal; k++ {
		padded = fmt.Appendf(padded, `,\"%s %d\":\"%s\"`, behaviors[k%len(behaviors)], k, results[mix(uint64(k))%3])
	}
	padded = append(padded, end...)
	return append(padded, after...)
}

// rendered is the mean size of log events of a text.
func (o *Org) rendered(text []byte) int {
	s, err := compile(text)
	if err != nil {
		return len(text) // and add says what is wrong with it
	}
	const samples = 64
	var all []byte
	for i := range samples {
		it := o.item(collections["logs"], 0, i, moment{})
		all = s.append(all, &it)
	}
	return len(all) / samples
}

var behaviors = []string{"New Device", "New IP", "New State", "New Country", "Velocity", "New City", "New ASN"}
