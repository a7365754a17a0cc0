package devo

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"strconv"
)

// floor is the small file beside a stream's file that contains the largest acknowledged offset. No checkpoint cuts the
// file below it. After a crash the checkpoint is never below it; one that is was made up, or comes from a backup of
// Temporal.
//
// The floor is written after Temporal has acknowledged the checkpoint. A crash in between leaves a smaller floor, and the
// file is cut to the checkpoint. When a stream is opened, the floor is synced before anything else is written. Later
// floors are not synced: they outlive the process, and a power loss can only bring a smaller one back.
type floor struct {
	file   *os.File
	offset int64 // unknownFloor if the file is new or contains no offset
}

const (
	unknownFloor = -1
	// floorSize is the size of every floor's file in bytes, so that one write of one block replaces its content.
	floorSize = 20
)

var validFloor = regexp.MustCompile(`^[0-9]{19}\n$`)

// openFloor opens the floor of a stream's file, or creates it. No stream's file has the floor's name, because fileName
// escapes a dot at the beginning.
func openFloor(root *os.Root, of string) (*floor, error) {
	name := path.Join(path.Dir(of), "."+path.Base(of)+".floor")
	info, err := root.Lstat(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err == nil && !info.Mode().IsRegular() {
		return nil, refused("move "+name+" away", fmt.Errorf("%s is not a regular file", name))
	}
	file, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, err
	}
	f := &floor{file: file, offset: unknownFloor}
	text := make([]byte, floorSize+1)
	n, _ := file.ReadAt(text, 0) // an error leaves the floor unknown
	if validFloor.Match(text[:n]) {
		if offset, err := strconv.ParseInt(string(text[:n-1]), 10, 64); err == nil {
			f.offset = offset
		}
	}
	return f, nil
}

// set writes the floor.
func (f *floor) set(offset int64) error {
	if f.offset == unknownFloor {
		if err := f.file.Truncate(0); err != nil {
			return err
		}
	}
	if _, err := f.file.WriteAt(fmt.Appendf(nil, "%0*d\n", floorSize-1, offset), 0); err != nil {
		return err
	}
	f.offset = offset
	return nil
}

// begin writes the floor of a stream that is being opened, and syncs it.
func (f *floor) begin(offset int64) error {
	if offset == f.offset {
		return nil
	}
	return errors.Join(f.set(offset), f.file.Sync())
}
