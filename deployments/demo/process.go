package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	// readyTimeout bounds the time until a program is ready. It is long enough for a slow machine.
	readyTimeout = time.Minute
	readyPause   = 200 * time.Millisecond
)

// process is a program that runs, or has run.
type process struct {
	name, log string
	cmd       *exec.Cmd
	exited    chan struct{} // closed when it has ended
}

// startProcess starts a program, and appends its output to a log. It is killed when ctx ends and, on Linux, when the
// calling thread does. The caller must be locked to that thread.
func startProcess(ctx context.Context, path, log string, env []string, args ...string) (*process, error) {
	p := &process{name: filepath.Base(path), cmd: exec.CommandContext(ctx, path, args...), log: log, exited: make(chan struct{})}
	out, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", p.name, err)
	}
	defer out.Close()
	p.cmd.Env, p.cmd.Stdout, p.cmd.Stderr = env, out, out
	// The program gets its own process group: Ctrl-C must reach only the demo, which stops everything in order.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	endWithParent(p.cmd.SysProcAttr)
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", p.name, err)
	}
	go func() {
		_ = p.cmd.Wait()
		close(p.exited)
	}()
	return p, nil
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

// ready waits until the process answers.
func (p *process) ready(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for {
		err := ask(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.exited:
			return p.failure()
		case <-ctx.Done():
			return fmt.Errorf("waiting for %s: %w; see %s", p.name, err, p.log)
		case <-time.After(readyPause):
		}
	}
}

// stop asks the process to end, and kills it after the grace.
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
func (p *process) how() string { return p.cmd.ProcessState.String() }

// failure is the error of a process that ended by itself, with the last line of its log.
func (p *process) failure() error {
	said := strings.TrimSuffix(fmt.Sprintf("%s ended (%s): %s", p.name, p.how(), lastLine(p.log)), ": ")
	return fmt.Errorf("%s; see %s", said, p.log)
}

// lastLine is the last line of a log that is not empty, cut to a readable length.
func lastLine(log string) string {
	const longest = 300
	content, _ := os.ReadFile(log)
	said := strings.TrimSpace(string(content))
	line := strings.TrimSpace(said[strings.LastIndexByte(said, '\n')+1:])
	return strings.ToValidUTF8(line[:min(len(line), longest)], "")
}
