package devo

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"

	"go.uber.org/zap"
)

// fileSink appends JSON objects to one file for each stream, one object a line. A batch is confirmed when it is synced.
// Opening a stream truncates its file to the checkpoint's offset, so each batch is in the file exactly once. If the
// directory was replaced, the batch under way may be in the old and in the new one. A checkpoint below the file's floor
// truncates nothing, and batches may be in the file twice.
type fileSink struct {
	noCertificates
	cfg Config
	dir string
	// shared: other users may write to the directory.
	shared bool
}

// Nobody but the worker's own user reads or writes what it creates.
const (
	fileMode = 0o600
	dirMode  = 0o700
)

func (s *fileSink) Open(ctx context.Context, target Target) (Stream, error) {
	if err := checkTarget(target); err != nil {
		return nil, err
	}
	f, warning, err := s.open(ctx, target)
	if err != nil {
		return nil, fmt.Errorf("opening the file of %s in %s: %w", target.Name, s.dir, classify(err))
	}
	opened := &stream{sender: f, doing: "writing " + f.file.Name(), metrics: s.cfg.Metrics}
	if warning != "" {
		s.cfg.Log.Warn(warning, zap.String("file", f.file.Name()))
		opened.warn(WarnDiffers, "%s: %s", f.file.Name(), warning)
	}
	return opened, nil
}

// open opens the file of a stream. A warning says why it was not truncated to the checkpoint.
func (s *fileSink) open(ctx context.Context, target Target) (opened *fileSender, warning string, err error) {
	name := fileName(target.Name)
	file := filepath.Join(s.dir, name)
	if err := s.private(file); err != nil {
		return nil, "", err
	}
	root, err := s.root()
	if err != nil {
		return nil, "", err
	}
	defer root.Close()
	if err := s.claim(root); err != nil {
		return nil, "", err
	}
	if err := ensureID(root); err != nil {
		return nil, "", err
	}
	if err := root.MkdirAll(path.Dir(name), dirMode); err != nil {
		return nil, "", err
	}
	f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND, fileMode)
	if err != nil {
		return nil, "", err
	}
	sender := &fileSender{file: f, log: s.cfg.Log.With(zap.String("file", f.Name())), framer: framer{cfg: s.cfg, block: fileBlockSize}}
	defer func() {
		if err != nil {
			sender.close()
		}
	}()
	if err := s.private(file); err != nil { // others may have been faster to create a part of the path
		return nil, "", err
	}
	if err := lock(f); err != nil {
		return nil, "", fmt.Errorf("another process or stream is writing it: %w", err)
	}
	if sender.floor, err = openFloor(root, name); err != nil { // after the lock, because the other stream raises it
		return nil, "", err
	}
	if warning, err = sender.resume(ctx, target.Offset); err != nil {
		return nil, "", err
	}
	return sender, warning, syncDirs(root, path.Dir(name))
}

// root opens the directory, and creates it if there is none. Through an os.Root no path leads out of it, not even a
// symbolic link.
func (s *fileSink) root() (*os.Root, error) {
	if err := os.MkdirAll(s.dir, dirMode); err != nil {
		return nil, err
	}
	return os.OpenRoot(s.dir)
}

// private returns an error if other users may write to a file or directory of the sink, or replace it.
func (s *fileSink) private(path string) error {
	if s.shared {
		return nil
	}
	return checkWriters(path)
}

// writable returns the error of a path that other users may write to.
func writable(err error) error {
	return refused("take the permission away (chmod o-w), or set the sticky bit of a directory that is meant to be shared (chmod +t); "+
		"where neither is possible, DEVO_URL=file:///directory?shared=yes accepts it", err)
}

// OffsetOf returns the directory's path and id. If the id cannot be read, it uses a new one. No offset was recorded
// with that, so nothing is truncated.
func (s *fileSink) OffsetOf() string {
	id := rand.Text()
	if root, err := os.OpenRoot(s.dir); err == nil {
		defer root.Close()
		if known, err := readID(root); err == nil {
			id = known
		}
	}
	return s.dir + "#" + id
}

// Check writes a file to the directory, and removes it.
func (s *fileSink) Check(context.Context) error {
	if err := s.check(); err != nil {
		return fmt.Errorf("writing to %s: %w", s.dir, classify(err))
	}
	return nil
}

func (s *fileSink) check() error {
	if err := s.private(s.dir); err != nil {
		return err
	}
	root, err := s.root()
	if err != nil {
		return err
	}
	defer root.Close()
	if _, err := readID(root); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := s.checkOwner(root); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	name := ".check-" + rand.Text()
	defer func() { _ = root.Remove(name) }()
	return create(root, name, "{}\n")
}

// notInPath matches the bytes that fileName escapes: all but letters, digits, _, - and inner dots.
var notInPath = regexp.MustCompile(`^\.|[^A-Za-z0-9._-]`)

// fileName returns the path of a stream's file in the directory. Different names have different paths, and no path
// leads out of the directory. Each byte that notInPath matches becomes %XX, and an empty segment becomes %.
func fileName(name string) string {
	segments := strings.Split(name, "/")
	for i, segment := range segments {
		segment = notInPath.ReplaceAllStringFunc(segment, func(char string) string {
			return strings.ReplaceAll(fmt.Sprintf(" % X", char), " ", "%")
		})
		segments[i] = cmp.Or(segment, "%")
	}
	return strings.Join(segments, "/") + ".jsonl"
}

// permanent are the file system errors that a retry cannot fix.
var permanent = []error{fs.ErrPermission, syscall.EROFS, syscall.ENOTDIR, syscall.EISDIR, syscall.ELOOP, syscall.ENAMETOOLONG}

// classify adds to err what to do about it: about the directory, which only a person can mend, or about a full disk.
// It returns nil for nil.
func classify(err error) error {
	if slices.ContainsFunc(permanent, func(p error) bool { return errors.Is(err, p) }) {
		return refused("see the directory of DEVO_URL and its permissions", err)
	}
	return remedied(err, err)
}

type fileSender struct {
	file  *os.File
	floor *floor
	log   *zap.Logger
	framer
	noProof
	size      atomic.Int64 // of the file, in bytes
	torn      bool         // the file ends inside a line
	synced    int64        // how much of the file is synced
	confirmed int64        // where the newest confirmed batch ends
}

// resume truncates the file to the checkpoint's offset, unless that is below the floor. A file without a known floor is
// from an earlier version, or its floor was removed: all of it may be confirmed.
func (s *fileSender) resume(ctx context.Context, offset *int64) (warning string, err error) {
	info, err := s.file.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", refused("move it away", errors.New("it is not a regular file"))
	}
	size := info.Size()
	switch {
	case offset == nil, *offset == size:
	case *offset > size:
		warning = fmt.Sprintf("the file has %d bytes, and its checkpoint is at %d: something has truncated it. New events are appended", size, *offset)
	case s.floor.offset == unknownFloor:
		warning = fmt.Sprintf("the file has %d bytes, its checkpoint is at %d, and it is not known what was confirmed in between. "+
			"Nothing is cut: new events are appended, and some may be in the file twice", size, *offset)
	case *offset < s.floor.offset:
		warning = fmt.Sprintf("the checkpoint is at byte %d, and events up to byte %d of the file were confirmed: Temporal was restored "+
			"from a backup, or somebody has changed the checkpoint. Nothing is cut: new events are appended, and some may be in the file twice",
			*offset, s.floor.offset)
	default:
		// After the end of the lease, another worker may own the file.
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		if err := s.file.Truncate(*offset); err != nil {
			return "", err
		}
		s.log.Info("truncated the file to the checkpoint", zap.Int64("bytes", size-*offset))
		size = *offset
	}
	if size > 0 {
		var last [1]byte
		if _, err := s.file.ReadAt(last[:], size-1); err != nil {
			return "", err
		}
		s.torn = last[0] != '\n'
	}
	s.size.Store(size)
	s.synced, s.confirmed = size, size
	return warning, errors.Join(s.file.Sync(), s.floor.begin(size))
}

func (s *fileSender) send(ctx context.Context, batch Batch, d *delivery) (err error) {
	d.stats, err = s.frame(noHead, "", batch, func(lines []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if s.torn {
			lines = append([]byte{'\n'}, lines...)
			s.torn = false
		}
		n, err := s.file.Write(lines)
		s.size.Add(int64(n))
		d.begun = d.begun || n > 0
		return err
	})
	end := s.size.Load()
	d.confirm = func(ctx context.Context) error {
		if err := s.sync(ctx, end); err != nil {
			return classify(err)
		}
		s.confirmed = end
		return nil
	}
	return classify(err)
}

// sync returns when the file is synced up to an offset. One sync serves all batches that are written by then.
func (s *fileSender) sync(ctx context.Context, offset int64) error {
	if err := ctx.Err(); err != nil || s.synced >= offset {
		return err
	}
	size := s.size.Load()
	if err := s.file.Sync(); err != nil {
		return err
	}
	s.synced = size
	return nil
}

func (s *fileSender) Offset() *int64 { return new(s.confirmed) }

// Keep raises the floor. If that fails, the file is only protected less.
func (s *fileSender) Keep(offset int64) {
	if err := s.floor.set(offset); err != nil {
		s.log.Warn("cannot write down how much of the file is confirmed", zap.Error(err))
	}
}

// close ignores errors: every confirmed batch is synced.
func (s *fileSender) close() {
	_ = s.file.Close()
	if s.floor != nil {
		_ = s.floor.file.Close()
	}
}
