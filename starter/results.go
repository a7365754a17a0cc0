package main

import (
	"fmt"
	"io"
	"sync"

	"github.com/spf13/cobra"
)

// results prints what happened to each collector: a line with its id and a text, in two columns. It is safe for
// concurrent use.
type results struct {
	out    io.Writer
	ids    []string
	mu     sync.Mutex
	failed int
}

func newResults(cmd *cobra.Command, ids []string) *results {
	return &results{out: cmd.OutOrStdout(), ids: ids}
}

// print prints what was done, or why that failed.
func (r *results) print(id, done string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.failed++
		done = "FAILED: " + err.Error()
	}
	width := 0
	for _, id := range r.ids {
		width = max(width, len(id))
	}
	fmt.Fprintf(r.out, "%-*s  %s\n", width, id, oneLine(done))
}

// err is the command's error if it failed for any.
func (r *results) err() error {
	if r.failed == 0 {
		return nil
	}
	return fmt.Errorf("failed for %d of %d", r.failed, len(r.ids))
}
