package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// directory is where a demo keeps what the next run goes on with.
type directory string

func (d directory) file(name string) string { return filepath.Join(string(d), name) }

func (d directory) logs() string         { return d.file("logs") }
func (d directory) database() string     { return d.file("temporal.db") }
func (d directory) origin() string       { return d.file("okta-org.json") }
func (d directory) certificates() string { return d.file("certificates") }

func (d directory) settings() string { return d.file("settings") }

// token is the file that the worker reads Okta's API token from at each use, and validToken one that is not read: with
// it somebody who has revoked the token gives it back.
func (d directory) token() string      { return d.file("token") }
func (d directory) validToken() string { return d.file("token.valid") }

// keep writes a file anew that nobody else may read.
func keep(path, content string) error {
	err := os.Remove(path) // it may have been there with other permissions
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = os.WriteFile(path, []byte(content), 0o600)
	}
	if err != nil {
		return fmt.Errorf("writing the demo's settings: %w", err)
	}
	return nil
}

// used says that an earlier run was here.
func (d directory) used() bool {
	_, err := os.Stat(d.database())
	return !errors.Is(err, fs.ErrNotExist)
}

// openDirectory makes the directory, or takes the one of an earlier run, whose logs it removes. Until the
// lock is closed, or the process ends, no other demo can use it.
func openDirectory(path string) (d directory, lock *os.File, err error) {
	// Absolute, because it ends up in the settings of other processes.
	if path, err = filepath.Abs(path); err != nil {
		return d, nil, fmt.Errorf("finding the directory: %w", err)
	}
	d = directory(path)
	if err := os.MkdirAll(path, 0o755); err != nil {
		return d, nil, fmt.Errorf("making the directory: %w", err)
	}
	if lock, err = os.OpenFile(d.file("lock"), os.O_CREATE|os.O_RDWR, 0o644); err != nil {
		return d, nil, fmt.Errorf("locking the directory: %w", err)
	}
	err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	switch {
	case errors.Is(err, unix.EWOULDBLOCK):
		err = fmt.Errorf("another demo is running in %s; stop it, or choose another directory with --dir", path)
	case err != nil:
		err = fmt.Errorf("locking %s: %w", path, err)
	default:
		if err = os.RemoveAll(d.logs()); err == nil {
			err = os.Mkdir(d.logs(), 0o755)
		}
	}
	if err != nil {
		_ = lock.Close()
		return d, nil, err
	}
	return d, lock, nil
}
