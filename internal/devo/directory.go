package devo

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
)

// idFile has the id of its directory. A path does not identify a directory: two machines may use the same path on disks
// of their own, and another disk may be mounted there tomorrow. No stream's file has this name.
const idFile = ".okta-collector-id"

// idText is the content of idFile: a [rand.Text] and a line end.
var idText = regexp.MustCompile(`^[A-Z2-7]{26}\n$`)

// maxIDText bounds how much of idFile is read, in bytes.
const maxIDText = 64

// readID returns the directory's id. The error is fs.ErrNotExist if the directory has none.
func readID(root *os.Root) (string, error) {
	info, err := root.Lstat(idFile)
	if err != nil {
		return "", err
	}
	wrong := refused("remove "+idFile+": the collector makes a new one", fmt.Errorf("%s in it is not as the collector has made it", idFile))
	if !info.Mode().IsRegular() {
		return "", wrong
	}
	f, err := root.Open(idFile)
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxIDText))
	if err != nil {
		return "", err
	}
	if !idText.Match(text) {
		return "", wrong
	}
	return string(text[:len(text)-1]), nil
}

// ensureID gives the directory an id unless it has one. The caller syncs the directory.
func ensureID(root *os.Root) error {
	if _, err := readID(root); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	id := rand.Text()
	// The file is written under another name first, so that nobody sees a part of the id, also after a crash.
	temporary := idFile + "-" + id
	f, err := root.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o640)
	if err != nil {
		return err
	}
	defer func() { _ = root.Remove(temporary) }()
	_, err = f.WriteString(id + "\n")
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	// If several workers race, the first link wins. On a file system without hard links the last rename wins: then the
	// offsets that the others recorded belong to no directory, and nothing is truncated.
	if err := root.Link(temporary, idFile); err == nil || errors.Is(err, fs.ErrExist) {
		return nil
	}
	return root.Rename(temporary, idFile)
}
