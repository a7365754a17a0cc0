package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// directory keeps what the next run goes on with.
type directory string

func (d directory) file(name string) string { return filepath.Join(string(d), name) }

func (d directory) logs() string     { return d.file("logs") }
func (d directory) database() string { return d.file("temporal.db") }
func (d directory) settings() string { return d.file("settings") }

// key is the private key with which the collector signs in to Okta, and publicKey the one that is registered there.
func (d directory) key() string       { return d.file("key.pem") }
func (d directory) publicKey() string { return d.file("key.public.pem") }

// scopes are those that the simulated org grants; it reads the file at each request. allScopes is a copy, for a person who
// has withdrawn some.
func (d directory) scopes() string    { return d.file("scopes") }
func (d directory) allScopes() string { return d.file("scopes.all") }

// keep writes a file that nobody else may read. It replaces a file of an earlier run, whose permissions may differ.
func keep(path, content string) error {
	if err := os.RemoveAll(path); err != nil {
		return fmt.Errorf("writing the demo's settings: %w", err)
	}
	return os.WriteFile(path, []byte(content), 0o600)
}

// used reports whether an earlier run was here.
func (d directory) used() bool {
	_, err := os.Stat(d.database())
	return !errors.Is(err, fs.ErrNotExist)
}

// openDirectory makes the directory, or takes that of an earlier run and removes its logs. No other demo can use it until
// the lock is closed or the process ends. From then on, what this process and its children create is for its user alone.
func openDirectory(path string) (d directory, lock *os.File, err error) {
	// The path is made absolute because it is in the settings of other processes.
	if path, err = filepath.Abs(path); err != nil {
		return d, nil, fmt.Errorf("finding the directory: %w", err)
	}
	d = directory(path)
	unix.Umask(0o077)
	if err := os.MkdirAll(path, 0o700); err != nil {
		return d, nil, fmt.Errorf("making the directory: %w", err)
	}
	if lock, err = os.OpenFile(d.file("lock"), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return d, nil, fmt.Errorf("locking the directory: %w", err)
	}
	if err = unix.Flock(int(lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		err = fmt.Errorf("another demo is running in %s; stop it, or choose another directory with --dir (%w)", path, err)
	} else if err = os.RemoveAll(d.logs()); err == nil {
		err = errors.Join(os.Mkdir(d.logs(), 0o700), d.protect())
	}
	if err != nil {
		_ = lock.Close()
	}
	return d, lock, err
}

// protect takes from others the database of an earlier run, which everybody could read.
func (d directory) protect() error {
	kept, err := filepath.Glob(d.database() + "*") // with what SQLite keeps beside it
	for _, path := range kept {
		err = errors.Join(err, os.Chmod(path, 0o600))
	}
	return err
}
