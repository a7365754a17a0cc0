package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// patience is how long a program may take to start. It is no expectation.
const patience = time.Minute

// program says what to run. It sees the environment given and no other: no settings of a real org, Devo
// or Temporal.
type program struct {
	name string // of its log
	path string
	args []string
	env  []string
}

// process is a running program, all of whose output is in its log.
type process struct {
	name, log string
	pid       int
	exited    chan struct{}
}

// launcher runs programs. They are killed when the context ends that they were started with.
type launcher struct {
	// dir is where they have their home and their logs.
	dir     string
	running sync.WaitGroup
}

func (l *launcher) command(ctx context.Context, p program) (cmd *exec.Cmd, log *os.File, err error) {
	log, err = os.Create(filepath.Join(l.dir, p.name+".log"))
	if err != nil {
		return nil, nil, fmt.Errorf("starting %s: %w", p.name, err)
	}
	cmd = exec.CommandContext(ctx, p.path, p.args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + l.dir}, p.env...)
	cmd.Stderr = log
	return cmd, log, nil
}

// start starts a program that goes on until it is killed.
func (l *launcher) start(ctx context.Context, p program) (*process, error) {
	cmd, log, err := l.command(ctx, p)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	cmd.Stdout = log
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting %s: %w", p.name, err)
	}
	started := &process{name: p.name, log: log.Name(), pid: cmd.Process.Pid, exited: make(chan struct{})}
	l.running.Go(func() {
		_ = cmd.Wait() // killed, or ready says that it ended by itself
		close(started.exited)
	})
	return started, nil
}

// output runs a program to its end and returns what it printed.
func (l *launcher) output(ctx context.Context, p program) (string, error) {
	cmd, log, err := l.command(ctx, p)
	if err != nil {
		return "", err
	}
	defer log.Close()
	out, err := cmd.Output()
	if err != nil {
		return "", failure(p.name, log.Name(), err)
	}
	return string(out), nil
}

// failure is the error of a program that ended, or did not get ready, with what it said last.
func failure(name, log string, err error) error {
	const tail = 2000
	said, _ := os.ReadFile(log) // where there is none, err has to do
	return fmt.Errorf("%s: %w\n%s", name, err, said[max(0, len(said)-tail):])
}

// ready waits until a look at the process succeeds.
func (p *process) ready(ctx context.Context, look func(ctx context.Context) error) error {
	return p.until(ctx, patience, look)
}

// until waits until a look succeeds, at most so long, while the process runs.
func (p *process) until(ctx context.Context, longest time.Duration, look func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	every := time.NewTicker(20 * time.Millisecond)
	defer every.Stop()
	for {
		err := look(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-every.C:
		case <-p.exited:
			return failure(p.name, p.log, errors.New("it ended by itself"))
		case <-ctx.Done():
			return failure(p.name, p.log, fmt.Errorf("not within %s: %w", longest, err))
		}
	}
}

// announced waits for the first line that the process prints.
func (p *process) announced(ctx context.Context) (line string, err error) {
	err = p.ready(ctx, func(context.Context) error {
		said, err := os.ReadFile(p.log)
		if err != nil {
			return err
		}
		whole := false
		if line, _, whole = strings.Cut(string(said), "\n"); !whole {
			return errors.New("it has not said anything")
		}
		return nil
	})
	return line, err
}
