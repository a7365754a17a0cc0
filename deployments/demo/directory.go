package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// directoryVersion changes when what an earlier demo left behind can no longer be gone on
// with: with the org's content, for cursors point into it, or with the histories of workflows.
const directoryVersion = 1

const (
	markerFile = "demo.json"
	lockFile   = "lock"
)

// marker is what tells a demo's directory from any other.
type marker struct {
	Version int `json:"version"`
}

// directory is where a demo keeps what the next run goes on with. While it is open no
// other demo can use it.
type directory struct {
	path string
	lock *os.File
	// used says that an earlier run was here.
	used bool
}

func (d directory) logs() string         { return filepath.Join(d.path, "logs") }
func (d directory) database() string     { return filepath.Join(d.path, "temporal.db") }
func (d directory) origin() string       { return filepath.Join(d.path, "okta-org.json") }
func (d directory) certificates() string { return filepath.Join(d.path, "certificates") }

// close lets another demo have the directory.
func (d directory) close() { _ = d.lock.Close() }

// openDirectory makes the directory, or takes the one of an earlier run; with reset it
// removes everything in it first. It touches nothing in a directory that is no demo's.
func openDirectory(path string, reset bool) (d directory, err error) {
	// Absolute, because it ends up in the settings of other processes.
	if path, err = filepath.Abs(path); err != nil {
		return d, fmt.Errorf("finding the directory: %w", err)
	}
	version, err := readMarker(path)
	if err != nil {
		return d, err
	}
	if version != 0 && version != directoryVersion && !reset {
		return d, usageError{fmt.Errorf("%s is of another version of the demo (%d, this one has %d); begin anew with --reset", path, version, directoryVersion)}
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return d, fmt.Errorf("making the directory: %w", err)
	}
	lock, err := lockDirectory(path)
	if err != nil {
		return d, err
	}
	defer func() {
		if err != nil {
			_ = lock.Close()
		}
	}()
	if reset {
		if err := empty(path); err != nil {
			return d, err
		}
		version = 0
	}
	d = directory{path: path, lock: lock, used: version != 0}
	if err := os.MkdirAll(d.logs(), 0o755); err != nil {
		return d, fmt.Errorf("making the directory of logs: %w", err)
	}
	text, err := json.Marshal(marker{Version: directoryVersion})
	if err != nil {
		return d, fmt.Errorf("marking the directory: %w", err)
	}
	if err := os.WriteFile(filepath.Join(path, markerFile), append(text, '\n'), 0o644); err != nil {
		return d, fmt.Errorf("marking the directory: %w", err)
	}
	return d, nil
}

// readMarker returns the version of the demo that the directory is of; 0 if it is empty or
// not there. A marker that cannot be read is of another version.
func readMarker(path string) (int, error) {
	text, err := os.ReadFile(filepath.Join(path, markerFile))
	if err == nil {
		var m marker
		if json.Unmarshal(text, &m) != nil || m.Version == 0 {
			return -1, nil
		}
		return m.Version, nil
	}
	entries, listErr := os.ReadDir(path)
	switch {
	case errors.Is(listErr, fs.ErrNotExist):
		return 0, nil
	case listErr != nil:
		return 0, fmt.Errorf("reading the directory: %w", listErr)
	case !errors.Is(err, fs.ErrNotExist):
		return 0, fmt.Errorf("reading the directory: %w", err)
	}
	for _, e := range entries {
		if e.Name() != lockFile { // left by a run that was interrupted before it had begun
			return 0, usageError{fmt.Errorf("%s is not the directory of a demo, and not empty; choose another one with --dir", path)}
		}
	}
	return 0, nil
}

// lockDirectory keeps two demos from using one directory. The lock ends with the process.
func lockDirectory(path string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(path, lockFile), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("locking the directory: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("another demo is running in %s; stop it, or choose another directory with --dir", path)
		}
		return nil, fmt.Errorf("locking %s: %w", path, err)
	}
	return f, nil
}

// empty removes all but the lock; the marker last, so that an interrupted removal can be
// repeated.
func empty(path string) error {
	entries, err := os.ReadDir(path)
	if err != nil {
		return fmt.Errorf("emptying the directory: %w", err)
	}
	for _, e := range entries {
		if e.Name() == lockFile || e.Name() == markerFile {
			continue
		}
		if err := os.RemoveAll(filepath.Join(path, e.Name())); err != nil {
			return fmt.Errorf("emptying the directory: %w", err)
		}
	}
	if err := os.Remove(filepath.Join(path, markerFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("emptying the directory: %w", err)
	}
	return nil
}
