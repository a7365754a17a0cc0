package devo

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
)

// ownerPrefix begins the name of the file that says who writes a tenant's files in the directory. Several tenants may
// share a directory, because each has its own below it. No stream's file has this name.
const ownerPrefix = ".okta-collector-owner-"

// maxOwner bounds the content of that file in bytes.
const maxOwner = 1 << 10

func (s *fileSink) ownerFile() string { return ownerPrefix + url.PathEscape(s.cfg.Tenant) }

// claim makes the tenant's files those of the owner, if nobody has claimed them. Files of earlier versions are nobody's.
// The caller syncs the directory.
func (s *fileSink) claim(root *os.Root) error {
	err := s.checkOwner(root)
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := createOnce(root, s.ownerFile(), s.cfg.Owner+"\n"); err != nil {
		return err
	}
	return s.checkOwner(root) // another one may have been faster
}

// checkOwner returns an error if somebody else has claimed the tenant's files, or fs.ErrNotExist if nobody has.
func (s *fileSink) checkOwner(root *os.Root) error {
	if s.cfg.Owner == "" {
		return nil
	}
	name := s.ownerFile()
	info, err := root.Lstat(name)
	if err != nil {
		return err
	}
	var owner []byte
	if info.Mode().IsRegular() && info.Size() <= maxOwner {
		if owner, err = root.ReadFile(name); err != nil {
			return err
		}
	}
	if string(owner) != s.cfg.Owner+"\n" {
		return refused(fmt.Sprintf("give each Temporal a DEVO_URL with a directory of its own; if the other one is gone for good, remove %s", name),
			fmt.Errorf("the directory belongs to another Temporal: %s says %.200q, and this worker is of %q. Both would cut each other's lines",
				name, bytes.TrimSpace(owner), s.cfg.Owner))
	}
	return nil
}
