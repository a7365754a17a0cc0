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

// idFile says which directory this is. Its path does not: two machines may have the same one on
// disks of their own, and what is mounted there may be another disk today. No stream's file has this name.
const idFile = ".okta-collector-id"

// idText is what [rand.Text] makes, on a line.
var idText = regexp.MustCompile(`^[A-Z2-7]{26}\n$`)

// maxIDText bounds what is read of idFile, in bytes.
const maxIDText = 64

// readID returns the directory's id. Its error is fs.ErrNotExist where the directory has none.
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

// ensureID gives the directory an id unless it has one. The caller makes the file's name durable.
func ensureID(root *os.Root) error {
	if _, err := readID(root); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	id := rand.Text()
	// It is made under a name of its own: whoever sees the id sees all of it, also after a crash.
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
	// Of several that do this at once, the first one's stays. Where there are no hard links it is the
	// last one's, and what the others have recorded counts for another directory's: it takes nothing back.
	if err := root.Link(temporary, idFile); err == nil || errors.Is(err, fs.ErrExist) {
		return nil
	}
	return root.Rename(temporary, idFile)
}
