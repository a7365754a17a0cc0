package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"os"
	"path"
	"path/filepath"
)

// packed is a file of an archive or a package.
type packed struct {
	name string // in the archive
	from string // in the repository, unless it is absolute
	mode int64
	link string // what a symbolic link points to
}

// documents are for who has nothing but the archive or the package.
var documents = []string{"README.md", "CHANGELOG.md", "docs/deploying.md", "docs/settings.md", "docs/operating.md"}

// archived returns the files of a target's archive.
func archived(t target, program string) []packed {
	files := []packed{{name: "okta-collector", from: program, mode: 0o755}}
	if t.os == "linux" {
		files = append(files,
			packed{name: "okta-collector-worker", link: "okta-collector"},
			packed{name: "okta-collector-worker.service", from: "deployments/linux/okta-collector-worker.service", mode: 0o644},
			packed{name: "settings", from: "deployments/linux/settings", mode: 0o644})
	}
	for _, document := range documents {
		files = append(files, packed{name: path.Base(document), from: document, mode: 0o644})
	}
	return files
}

// writeArchive writes a target's .tar.gz, whose files are in one directory, root's, and of the commit's time.
func (r release) writeArchive(t target, program string) (err error) {
	file, err := os.Create(r.path(t, "tar.gz"))
	if err != nil {
		return err
	}
	zipped, err := gzip.NewWriterLevel(file, gzip.BestCompression)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	archive := tar.NewWriter(zipped)
	defer func() { err = errors.Join(err, archive.Close(), zipped.Close(), file.Close()) }()
	for _, f := range archived(t, program) {
		if err := r.add(archive, "okta-collector-"+r.version[1:], f); err != nil {
			return err
		}
	}
	return nil
}

func (r release) add(archive *tar.Writer, dir string, f packed) error {
	header := &tar.Header{Name: dir + "/" + f.name, Mode: f.mode, ModTime: r.time, Uname: "root", Gname: "root", Format: tar.FormatUSTAR}
	if f.link != "" {
		header.Typeflag, header.Linkname, header.Mode = tar.TypeSymlink, f.link, 0o777
		return archive.WriteHeader(header)
	}
	content, err := os.ReadFile(r.source(f.from))
	if err != nil {
		return err
	}
	header.Typeflag, header.Size = tar.TypeReg, int64(len(content))
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	_, err = archive.Write(content)
	return err
}

// source returns the path of a file in the repository; an absolute one as it is.
func (r release) source(from string) string {
	if filepath.IsAbs(from) {
		return from
	}
	return filepath.Join(r.root, from)
}
