package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

func loopCommand() *cobra.Command {
	return measured("loop URL FILE", "Read page after page into a file", 2, func(ctx context.Context, args []string) error {
		return readAll(ctx, args[0], args[1])
	})
}

// readAll is the least that somebody would write: it appends each page, as it is, to a file that it syncs once at the end.
// It looks at no event and keeps no position.
func readAll(ctx context.Context, url, name string) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer file.Close()
	err = follow(ctx, url, func(page []byte, _ string) error {
		_, err := file.Write(append(page, '\n'))
		return err
	})
	if err != nil {
		return err
	}
	return file.Sync()
}

// readInLoop measures the loop.
func (s *stage) readInLoop(ctx context.Context, o *org) (measurement, error) {
	file := filepath.Join(s.dir, "loop.json")
	defer os.Remove(file)
	m, err := s.measureLoop(ctx, "loop", o.firstPage(), file)
	if err != nil {
		return m, err
	}
	return m, compare(file, o.pages)
}
