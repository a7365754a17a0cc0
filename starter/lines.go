package main

import (
	"fmt"
	"io"
	"sync"
)

// lines prints what happened to each collector: a line with its id and a text, in two columns.
type lines struct {
	out   io.Writer
	width int
	mu    *sync.Mutex
}

func newLines(out io.Writer, ids []string) lines {
	l := lines{out: out, mu: new(sync.Mutex)}
	for _, id := range ids {
		l.width = max(l.width, len(id))
	}
	return l
}

// print may be called from several goroutines.
func (l lines) print(id, text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.out, "%-*s  %s\n", l.width, id, oneLine(text))
}
