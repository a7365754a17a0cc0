package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
)

// comparison reads a file and compares it, piece by piece, with what it has to be.
type comparison struct {
	file *bufio.Reader
	at   int64
}

// compare compares a whole file.
func compare(name string, with func(c *comparison) error) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	c := &comparison{file: bufio.NewReaderSize(f, 1<<20)}
	if err := with(c); err != nil {
		return fmt.Errorf("%s, byte %d: %w", filepath.Base(name), c.at, err)
	}
	if _, err := c.file.ReadByte(); err != io.EOF {
		return fmt.Errorf("%s: it goes on after the last event", filepath.Base(name))
	}
	return nil
}

// next compares the next bytes of the file.
func (c *comparison) next(want []byte) error {
	for len(want) > 0 {
		got, err := c.file.Peek(min(len(want), c.file.Size()))
		if len(got) == 0 {
			return fmt.Errorf("the file ends too soon: %w", err)
		}
		if !bytes.Equal(got, want[:len(got)]) {
			return errors.New("it is not what Okta sent")
		}
		n, _ := c.file.Discard(len(got)) // they are there
		c.at += int64(n)
		want = want[n:]
	}
	return nil
}

// pages compares what the loop wrote: arrays as the org sent them, a line each.
func (o *org) pages(c *comparison) error {
	last := o.Count("logs") - 1
	for i, object := range o.All("logs") {
		before, after := ",", ""
		if i%pageLimit == 0 {
			before = "["
		}
		if i%pageLimit == pageLimit-1 || i == last {
			after = "]\n"
		}
		for _, piece := range [][]byte{[]byte(before), object, []byte(after)} {
			if err := c.next(piece); err != nil {
				return fmt.Errorf("event %d: %w", i, err)
			}
		}
	}
	return nil
}

// bareLines compares what the careful loop wrote: each event as the org sent it, a line each.
func (o *org) bareLines(c *comparison) error {
	for i, object := range o.All("logs") {
		for _, piece := range [][]byte{object, []byte("\n")} {
			if err := c.next(piece); err != nil {
				return fmt.Errorf("event %d: %w", i, err)
			}
		}
	}
	return nil
}

// members is what the collector adds to an event, in place of its last brace, and lineEnd its length.
var members = regexp.MustCompile(`^,"@devo_pulling_id":\d{13}}\n$`)

const lineEnd = len(`,"@devo_pulling_id":1795332420123}`) + 1

// lines compares what the collector wrote: each event once, in Okta's order, a line each, with the
// id of the pull, which is one for all of them.
func (o *org) lines(c *comparison) error {
	var end []byte
	for i, object := range o.All("logs") {
		if err := c.next(object[:len(object)-1]); err != nil {
			return fmt.Errorf("event %d: %w", i, err)
		}
		if end == nil {
			line, err := c.file.Peek(lineEnd)
			if err != nil || !members.Match(line) {
				return fmt.Errorf("event %d ends with %.100q", i, line)
			}
			end = bytes.Clone(line)
		}
		if err := c.next(end); err != nil {
			return fmt.Errorf("event %d: %w", i, err)
		}
	}
	return nil
}
