package devo

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"

	"go.uber.org/zap"
)

// fileSink appends JSON objects to one file for each stream, one object a line. A batch is confirmed when it is synced.
// The file is truncated to the checkpoint's offset before anything is written, so each batch is in it exactly once. If
// the directory is another one now, the batch that was under way may be in both.
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
	sender := &fileSender{sink: s, file: f, framer: newFramer(s.cfg)}
	err = sender.resume(ctx, target)
	if err == nil {
		err = syncDirs(root, path.Dir(name))
	}
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	return sender, nil
}

// root opens the directory. Nothing leads out of an os.Root, symbolic links included.
func (s *fileSink) root() (*os.Root, error) {
	if err := os.MkdirAll(s.dir, 0o750); err != nil {
		return nil, err
	}
	return os.OpenRoot(s.dir)
}

// OffsetOf is the directory's path and id. If the id cannot be read, OffsetOf uses a new one, which no offset was ever
// recorded with, so that nothing is truncated.
func (s *fileSink) OffsetOf() string {
	id, err := s.id()
	if err != nil {
		id = rand.Text()
	}
	return s.dir + "#" + id
}

func (s *fileSink) id() (string, error) {
	root, err := os.OpenRoot(s.dir)
	if err != nil {
		return "", err
	}
	defer root.Close()
	return readID(root)
}

// Check writes a file into the directory and removes it.
func (s *fileSink) Check(context.Context) error {
	if err := s.check(); err != nil {
		return fmt.Errorf("writing to %s: %w", s.dir, classify(err))
	}
	return nil
}

func (s *fileSink) check() error {
	if err := os.MkdirAll(s.dir, 0o750); err != nil {
		return err
	}
	if _, err := s.id(); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.CreateTemp(s.dir, ".check-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString("{}\n")
	return errors.Join(err, f.Sync(), f.Close(), os.Remove(f.Name()))
}

// fileName is the path of a stream's file below the directory. Different names have different paths, and no path leads
// out of the directory: each byte that is not a letter, a digit, _, - or an inner dot is written as %XX.
func fileName(name string) string {
	segments := strings.Split(name, "/")
	for i, segment := range segments {
		segments[i] = escapeSegment(segment)
	}
	return strings.Join(segments, "/") + ".jsonl"
}

func escapeSegment(segment string) string {
	if segment == "" {
		return "%"
	}
	var b strings.Builder
	for i := range len(segment) {
		switch c := segment[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '_', c == '-', c == '.' && i > 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// syncDirs makes the names of a new file and of its directories durable. It syncs dir and those above it.
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

// classify wraps ErrRefused around an error of a file system that a retry does not end.
func classify(err error) error {
	for _, lasting := range []error{fs.ErrPermission, syscall.EROFS, syscall.ENOTDIR, syscall.EISDIR, syscall.ELOOP, syscall.ENAMETOOLONG} {
		if errors.Is(err, lasting) {
			return refused("see the directory of DEVO_URL and its permissions", err)
		}
	}
	return err
}

type fileSender struct {
	sink *fileSink
	file *os.File
	framer
	size   int64 // of the file, in bytes
	synced int64 // its size when the last batch was confirmed
	torn   bool  // it ends inside a line
}

// resume locks the file and truncates it to the offset.
func (s *fileSender) resume(ctx context.Context, target Target) error {
	if err := lock(s.file); err != nil {
		return fmt.Errorf("somebody else is writing it: %w", err)
	}
	info, err := s.file.Stat()
	if err != nil {
		return err
	}
	if !info.Mode().IsRegular() {
		return refused("move it away", errors.New("it is no regular file"))
	}
	s.size = info.Size()
	if offset := target.Offset; offset != nil {
		switch {
		case *offset < 0:
			return fmt.Errorf("the checkpoint's offset is %d", *offset)
		case *offset < s.size:
			// If the lease has ended, the file may be another worker's.
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err := s.file.Truncate(*offset); err != nil {
				return err
			}
			s.sink.cfg.Log.Info("took back what was written after the checkpoint",
				zap.String("file", s.file.Name()), zap.Int64("bytes", s.size-*offset))
			s.size = *offset
		case *offset > s.size:
			s.sink.cfg.Log.Warn("the file is shorter than its checkpoint says; something cut it, and it is appended to",
				zap.String("file", s.file.Name()), zap.Int64("size", s.size), zap.Int64("checkpoint", *offset))
		}
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

func (s *fileSender) send(ctx context.Context, batch Batch) (Stats, confirmation, error) {
	before := s.size
	stats, err := s.frame(nil, batch, func(lines []byte) error {
		if s.torn {
			if err := s.write(ctx, []byte{'\n'}); err != nil {
				return err
			}
			s.torn = false
		}
		return s.write(ctx, lines)
	})
	if err != nil && s.size == before {
		err = unsent(err)
	}
	if err != nil {
		return Stats{}, nil, classify(err)
	}
	end := s.size
	return stats, func(context.Context) error { return s.confirm(end) }, nil
}

func (s *fileSender) write(ctx context.Context, b []byte) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	n, err := s.file.Write(b)
	s.size += int64(n)
	return err
}

// confirm syncs the file, which has at least end bytes.
func (s *fileSender) confirm(end int64) error {
	if err := s.file.Sync(); err != nil {
		return classify(err)
	}
	s.synced = end
	return nil
}

func (s *fileSender) Offset() *int64 {
	synced := s.synced
	return &synced
}

// close ignores the error: every confirmed batch is synced.
func (s *fileSender) close() { _ = s.file.Close() }
