package devo

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
)

// idFile contains the id of its directory. A path does not identify a directory: two machines may use the same path on
// different disks, and the disk at a path may be replaced. No stream's file has this name.
const idFile = ".okta-collector-id"

// validID matches the content of idFile: a [rand.Text] and a line end, together 27 bytes.
var validID = regexp.MustCompile(`^[A-Z2-7]{26}\n$`)

// readID returns the directory's id. Its error is fs.ErrNotExist if the directory has none.
func readID(root *os.Root) (string, error) {
	info, err := root.Lstat(idFile)
	if err != nil {
		return "", err
	}
	var text []byte
	if info.Mode().IsRegular() && info.Size() == 27 {
		if text, err = root.ReadFile(idFile); err != nil {
			return "", err
		}
	}
	if !validID.Match(text) {
		return "", refused("remove "+idFile+": the collector makes a new one",
			fmt.Errorf("%s does not contain an id of the collector", idFile))
	}
	return string(text[:len(text)-1]), nil
}

// ensureID creates the directory's id if there is none. The caller syncs the directory. On a file system without hard
// links, the last of several workers that race wins. The offsets that the others recorded then belong to no directory, and
// nothing is truncated.
func ensureID(root *os.Root) error {
	if _, err := readID(root); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return createOnce(root, idFile, rand.Text()+"\n")
}

// createOnce creates a file with a text unless there is one. It is first written under another name, so that nobody ever
// reads a part of it, even after a crash. If several workers race, the first link wins; on a file system without hard
// links, the last rename.
func createOnce(root *os.Root, name, text string) error {
	temporary := name + "-" + rand.Text()
	defer func() { _ = root.Remove(temporary) }()
	if err := create(root, temporary, text); err != nil {
		return err
	}
	if err := root.Link(temporary, name); err == nil || errors.Is(err, fs.ErrExist) {
		return nil
	}
	return root.Rename(temporary, name)
}

// create writes and syncs a new file.
func create(root *os.Root, name, text string) error {
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fileMode)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Sync(), f.Close())
}

// syncDirs makes a new file and its directories durable. It syncs dir and its parents up to root.
func syncDirs(root *os.Root, dir string) error {
	for {
		d, err := root.Open(dir)
		if err != nil {
			return err
		}
		if err := errors.Join(d.Sync(), d.Close()); err != nil {
			return err
		}
		if dir == "." {
			return nil
		}
		dir = path.Dir(dir)
	}
}
