package oktasim

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"
)

// shapes are the kinds of objects, a file each, in JSON. <<name>> inside a string stands for a value
// without anything to escape, "<<#name>>" for a whole value of any type.
//
//go:embed shapes/*.json
var shapes embed.FS

// item is one object on its way to be rendered.
type item struct {
	*Org
	i int
	h uint64
	// parent is the index of the object that it is listed under, user the index of the person that it is about.
	parent, user int
	// revision is how often it was changed.
	revision int
}

// slot appends the value of one placeholder.
type slot func(dst []byte, it *item) []byte

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
// members that are legal and unpleasant.
type catalogue struct{ plain, unpleasant []shape }

// One object in unpleasantEvery has an unpleasant shape.
const unpleasantEvery = 24

func (c catalogue) pick(h uint64) shape {
	set := c.plain
	if h%unpleasantEvery == 0 {
		set = c.unpleasant
	}
	return set[(h>>24)%uint64(len(set))]
}

// unpleasant are members that Okta could send and a collector must carry unharmed.
var unpleasant = []string{
	`"id2":{"uuid":"not-this","id":"not-this","client_id":"not-this","published":null},"ID":"nor-this","Id":null`,
	`"x_numbers":[1E5,1.50,-0,-0.0,1e-7,0.1E+1,12345678901234567890,9007199254740993,3.141592653589793238462643]`,
	`"x_text":"\u00e9 é \u2028|` + "\u2028" + `|` + "\u2029" + ` \ud83d\ude00 😀 漢字 \ud800 \u0000 \u001f ` + "\x7f" + ` \n\r\t\b\f \\n \/ / \" <>&= '","":""`,
	`"x_empty":{"object":{},"array":[],"nested":[[],[{}],{"":{}}],"null":null,"string":""},"x_null":null`,
	`"x_trap":"],\"uuid\":\"x\"},{ [ { \\\"","x_spaces":"  two  \t","a:b":"c,d","same":1,"Same":1,"same ":1`,
}

// loadCatalogue compiles the shapes of one name: the files that begin with it. A <<padding>> in them is
// filled until an object has about each of the given sizes.
func (o *Org) loadCatalogue(shape string, sizes []int) (catalogue, error) {
	var c catalogue
	files, err := shapes.ReadDir("shapes")
	if err != nil {
		return c, err
	}
	for _, f := range files {
		if name, _, _ := strings.Cut(f.Name(), "."); name != shape {
			continue
		}
		file := path.Join("shapes", f.Name())
		pretty, err := shapes.ReadFile(file)
		if err != nil {
			return c, err
		}
		var text bytes.Buffer
		if err := json.Compact(&text, pretty); err != nil {
			return c, fmt.Errorf("%s: %w", file, err)
		}
		if len(sizes) == 0 {
			err = c.add(text.Bytes())
		}
		for _, size := range sizes {
			err = errors.Join(err, c.add(o.pad(text.Bytes(), size)))
		}
		if err != nil {
			return c, fmt.Errorf("%s: %w", file, err)
		}
	}
	if len(c.plain) == 0 {
		return c, fmt.Errorf("no shapes of %s", shape)
	}
	return c, nil
}

func (c *catalogue) add(text []byte) error {
	plain, err := compile(text)
	if err != nil {
		return err
	}
	c.plain = append(c.plain, plain)
	for i, members := range unpleasant {
		var mixed string
		if i%2 == 0 {
			mixed = "{" + members + "," + string(text[1:])
		} else {
			mixed = string(text[:len(text)-1]) + "," + members + "}"
		}
		s, err := compile([]byte(mixed))
		if err != nil {
			return err
		}
		c.unpleasant = append(c.unpleasant, s)
	}
	return nil
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
		it := o.item(collections["logs"], 0, i, 0)
		all = s.append(all, &it)
	}
	return len(all) / samples
}

var behaviors = []string{"New Device", "New IP", "New State", "New Country", "Velocity", "New City", "New ASN"}
