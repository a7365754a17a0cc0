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
	"regexp"
	"slices"
	"strings"
	"syscall"

	"go.uber.org/zap"
)

// fileSink appends JSON objects to one file for each stream, one object a line. A batch is confirmed when it is synced.
// Opening a stream truncates its file to the checkpoint's offset, so each batch is in the file exactly once. If the
// directory was replaced, the batch under way may be in the old and in the new one.
type fileSink struct {
	cfg Config
	dir string
}

func (s *fileSink) Open(ctx context.Context, target Target) (Stream, error) {
	if err := checkTarget(target); err != nil {
		return nil, err
	}
	f, err := s.open(ctx, target)
	if err != nil {
		return nil, fmt.Errorf("opening the file of %s in %s: %w", target.Name, s.dir, classify(err))
	}
	return &stream{sender: f, doing: "writing " + f.file.Name(), metrics: s.cfg.Metrics}, nil
}

func (s *fileSink) open(ctx context.Context, target Target) (*fileSender, error) {
	root, err := s.root()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	if err := ensureID(root); err != nil {
		return nil, err
	}
	name := fileName(target.Name)
	if err := root.MkdirAll(path.Dir(name), 0o750); err != nil {
		return nil, err
	}
	f, err := root.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o640)
	if err != nil {
		return nil, err
	}
	sender := &fileSender{file: f, log: s.cfg.Log.With(zap.String("file", f.Name())), framer: framer{cfg: s.cfg}}
	err = sender.resume(ctx, target.Offset)
	if err == nil {
		err = syncDirs(root, path.Dir(name))
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return sender, nil
}

// root opens the directory. Through an os.Root no path leads out of it, not even a symbolic link.
func (s *fileSink) root() (*os.Root, error) {
	if err := os.MkdirAll(s.dir, 0o750); err != nil {
		return nil, err
	}
	return os.OpenRoot(s.dir)
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
	root, err := s.root()
	if err != nil {
		return err
	}
	defer root.Close()
	if _, err := readID(root); err != nil && !errors.Is(err, fs.ErrNotExist) {
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
	file *os.File
	log  *zap.Logger
	framer
	noProof
	size   int64 // of the file, in bytes
	synced int64 // its size when the last batch was confirmed
	torn   bool  // the file ends inside a line
}

// resume locks the file and truncates it to the checkpoint's offset.
func (s *fileSender) resume(ctx context.Context, offset *int64) error {
	if err := lock(s.file); err != nil {
		return fmt.Errorf("another process or stream is writing it: %w", err)
	}
	info, err := s.file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return refused("move it away", errors.New("it is not a regular file"))
	}
	s.size = info.Size()
	switch {
	case offset == nil:
	case *offset < 0:
		return fmt.Errorf("the checkpoint's offset is %d", *offset)
	case *offset < s.size:
		// After the end of the lease, another worker may own the file.
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := s.file.Truncate(*offset); err != nil {
			return err
		}
		s.log.Info("truncated the file to the checkpoint", zap.Int64("bytes", s.size-*offset))
		s.size = *offset
	case *offset > s.size:
		s.log.Warn("the file is shorter than its checkpoint: something has truncated it; new events are appended",
			zap.Int64("size", s.size), zap.Int64("checkpoint", *offset))
	}
	if s.size > 0 {
		var last [1]byte
		if _, err := s.file.ReadAt(last[:], s.size-1); err != nil {
			return err
		}
		s.torn = last[0] != '\n'
	}
	s.synced = s.size
	return s.file.Sync()
}

func (s *fileSender) send(ctx context.Context, batch Batch, d *delivery) (err error) {
	d.stats, err = s.frame(nil, batch, func(lines []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if s.torn {
			lines = append([]byte{'\n'}, lines...)
			s.torn = false
		}
		n, err := s.file.Write(lines)
		s.size += int64(n)
		d.begun = d.begun || n > 0
		return err
	})
	end := s.size
	d.confirm = func(ctx context.Context) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.file.Sync(); err != nil {
			return classify(err)
		}
		s.synced = end
		return nil
	}
	return classify(err)
}

func (s *fileSender) Offset() *int64 { return new(s.synced) }

// close ignores the error: every confirmed batch is synced.
func (s *fileSender) close() { _ = s.file.Close() }
