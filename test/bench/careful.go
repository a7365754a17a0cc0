package main

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
)

func carefulLoopCommand() *cobra.Command {
	return measured("careful-loop URL FILE CURSOR", "Read page after page into a file, and keep the position", 3, func(ctx context.Context, args []string) error {
		return readCarefully(ctx, args[0], args[1], args[2])
	})
}

// readCarefully is what somebody would write who wants to go on after a crash: it parses each page with encoding/json,
// writes a line for each event, syncs the file, and then writes the cursor to a file of its own and syncs that.
func readCarefully(ctx context.Context, url, name, cursorName string) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer file.Close()
	cursor, err := os.Create(cursorName)
	if err != nil {
		return err
	}
	defer cursor.Close()
	var lines []byte
	return follow(ctx, url, func(page []byte, next string) error {
		var events []json.RawMessage
		if err := json.Unmarshal(page, &events); err != nil {
			return err
		}
		lines = lines[:0]
		for _, event := range events {
			lines = append(append(lines, event...), '\n')
		}
		if _, err := file.Write(lines); err != nil {
			return err
		}
		if err := file.Sync(); err != nil {
			return err
		}
		if err := cursor.Truncate(0); err != nil {
			return err
		}
		if _, err := cursor.WriteAt([]byte(next), 0); err != nil {
			return err
		}
		return cursor.Sync()
	})
}

// readInCarefulLoop measures the loop.
func (s *stage) readInCarefulLoop(ctx context.Context, o *org) (measurement, error) {
	file, cursor := filepath.Join(s.dir, "careful.jsonl"), filepath.Join(s.dir, "careful.cursor")
	defer os.Remove(file)
	defer os.Remove(cursor)
	m, err := s.measureLoop(ctx, "careful-loop", o.firstPage(), file, cursor)
	if err != nil {
		return m, err
	}
	return m, compare(file, o.bareLines)
}
