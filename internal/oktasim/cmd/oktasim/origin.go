package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// origin is what makes an org the same one again, its flags being the same.
type origin struct {
	Seed  uint64    `json:"seed"`
	Epoch time.Time `json:"epoch"`
}

// rememberOrigin returns the origin in the file, or writes a new one into it if there is no such file.
func rememberOrigin(file string, fresh origin) (origin, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return fresh, writeOrigin(file, fresh)
	}
	if err != nil {
		return origin{}, fmt.Errorf("reading the org's origin: %w", err)
	}
	var kept origin
	if err := json.Unmarshal(text, &kept); err != nil {
		return origin{}, fmt.Errorf("reading the org's origin from %s: %w", file, err)
	}
	if kept.Epoch.IsZero() {
		return origin{}, fmt.Errorf("reading the org's origin from %s: there is no epoch", file)
	}
	return kept, nil
}

// writeOrigin leaves either the whole file or none.
func writeOrigin(file string, o origin) error {
	text, err := json.Marshal(o)
	if err != nil {
		return fmt.Errorf("writing the org's origin: %w", err)
	}
	part, err := os.CreateTemp(filepath.Dir(file), filepath.Base(file)+".*")
	if err != nil {
		return fmt.Errorf("writing the org's origin: %w", err)
	}
	_, err = part.Write(append(text, '\n'))
	if err = errors.Join(err, part.Close()); err == nil {
		err = os.Rename(part.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("writing the org's origin: %w", errors.Join(err, os.Remove(part.Name())))
	}
	return nil
}
