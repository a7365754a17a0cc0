package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// launcher starts processes that do not outlive the demo.
type launcher struct {
	starts chan func()
	mu     sync.Mutex
	all    []*process
}

func newLauncher() *launcher {
	l := &launcher{starts: make(chan func())}
	go func() {
		// The kernel's promise to end a child holds for the life of the thread that started it,
		// so this thread lives as long as the program.
		runtime.LockOSThread()
		for start := range l.starts {
			start()
		}
	}()
	return l
}

// process is a program that runs, or has run.
type process struct {
	name, log string
	cmd       *exec.Cmd
	// line is the first line of its standard output, if it is announced.
	line chan string
	// exited is closed when it has ended; err is then how.
	exited chan struct{}
	err    error
}

// program says what to start.
type program struct {
	name string
	path string
	args []string
	env  []string
	// log is the file that its output is appended to.
	log string
	// announces says that its first line of output tells where it is to be found.
	announces bool
}

func (l *launcher) start(what program) (*process, error) {
	log, err := os.OpenFile(what.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", what.name, err)
	}
	defer log.Close()
	cmd := exec.Command(what.path, what.args...)
	cmd.Env = what.env
	cmd.Stdout, cmd.Stderr = log, log
	// A group of its own, so that Ctrl-C reaches the demo alone, which stops things in order.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	endWithParent(cmd.SysProcAttr)
	p := &process{name: what.name, log: what.log, cmd: cmd, line: make(chan string, 1), exited: make(chan struct{})}
	var tee *os.File
	if what.announces {
		if tee, err = os.OpenFile(what.log, os.O_APPEND|os.O_WRONLY, 0o644); err != nil {
			return nil, fmt.Errorf("starting %s: %w", what.name, err)
		}
		cmd.Stdout = &announcement{to: tee, line: p.line}
	}
	started := make(chan error)
	l.starts <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", what.name, err)
	}
	go func() {
		p.err = cmd.Wait()
		if tee != nil {
			_ = tee.Close()
		}
		close(p.exited)
	}()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(slices.DeleteFunc(l.all, (*process).ended), p)
	return p, nil
}

// kill ends at once whatever still runs, and waits for it.
func (l *launcher) kill() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range l.all {
		_ = p.cmd.Process.Kill()
	}
	for _, p := range l.all {
		<-p.exited
	}
}

func (p *process) pid() int { return p.cmd.Process.Pid }

func (p *process) ended() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// stop asks the process to end, and sees to it after the grace.
func (p *process) stop(grace time.Duration) error {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.exited:
		return nil
	case <-time.After(grace):
	}
	_ = p.cmd.Process.Kill()
	<-p.exited
	return fmt.Errorf("%s did not stop within %v and was killed; see %s", p.name, grace, p.log)
}

// how says how a process ended: "signal: killed" or "exit status 1".
func (p *process) how() string {
	if p.err == nil {
		return "exit status 0"
	}
	return p.err.Error()
}

// failure is the error of a process that ended by itself, with the last line that it
// logged and where there are more.
func (p *process) failure() error {
	said := ""
	if line := lastLine(p.log); line != "" {
		said = ": " + line
	}
	return fmt.Errorf("%s ended (%s)%s; see %s", p.name, p.how(), said, p.log)
}

// announced waits for the first line of output.
func (p *process) announced(ctx context.Context) (string, error) {
	select {
	case line := <-p.line:
		return line, nil
	case <-p.exited:
		return "", p.failure()
	case <-ctx.Done():
		return "", fmt.Errorf("%s does not say that it is ready (%w); see %s", p.name, context.Cause(ctx), p.log)
	}
}

// maxAnnouncement bounds the first line of a program's output.
const maxAnnouncement = 4 << 10

// announcement writes through, and sends the first line.
type announcement struct {
	to   io.Writer
	line chan<- string // nil when it was sent
	text []byte
}

func (a *announcement) Write(b []byte) (int, error) {
	if a.line != nil {
		a.text = append(a.text, b...)
		if i := bytes.IndexByte(a.text, '\n'); i >= 0 || len(a.text) > maxAnnouncement {
			a.line <- string(bytes.TrimSpace(a.text[:max(i, 0)]))
			a.line, a.text = nil, nil
		}
	}
	return a.to.Write(b)
}

// lastLine is the last line of a log that has something in it, cut to a readable length.
func lastLine(log string) string {
	const tail, longest = 4 << 10, 300
	f, err := os.Open(log)
	if err != nil {
		return ""
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > tail {
		_, _ = f.Seek(-tail, io.SeekEnd)
	}
	text, err := io.ReadAll(io.LimitReader(f, tail))
	if err != nil {
		return ""
	}
	lines := strings.FieldsFunc(string(text), func(r rune) bool { return r == '\n' || r == '\r' })
	for _, line := range slices.Backward(lines) {
		if line = strings.TrimSpace(line); line != "" {
			return strings.ToValidUTF8(line[:min(len(line), longest)], "")
		}
	}
	return ""
}

// truncate empties the logs of the run before.
func truncate(logs string) error {
	files, err := filepath.Glob(filepath.Join(logs, "*.log"))
	for _, file := range files {
		if err == nil {
			err = os.Truncate(file, 0)
		}
	}
	if err != nil {
		return fmt.Errorf("emptying the logs: %w", err)
	}
	return nil
}
