package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// program is kept running, as a service manager does, whatever ends it.
type program struct {
	name, path string
	args, env  []string
	log        string
	over       chan struct{} // closed when it is stopped for good

	mu      sync.Mutex
	changed sync.Cond
	stopped bool
	// held counts those who want it not to run, asleep those who want it to be suspended.
	held, asleep int
	process      *os.Process // nil while it does not run
	wanted       bool        // its end is wanted
	// pids are those that it has had, unwanted how its unwanted ends came about.
	pids     []int
	unwanted []string
}

// restartPause is how long after an unwanted end a program is started again.
const restartPause = 500 * time.Millisecond

// keepRunning starts a program, all of whose output is appended to its log. It sees the environment given and no other.
func keepRunning(dir, name, path string, env []string, args ...string) *program {
	p := &program{
		name: name, path: path, args: args, log: filepath.Join(dir, name+".log"), over: make(chan struct{}),
		env: append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}, env...),
	}
	p.changed.L = &p.mu
	go p.supervise()
	return p
}

func (p *program) supervise() {
	defer close(p.over)
	for {
		p.mu.Lock()
		for p.held > 0 && !p.stopped {
			p.changed.Wait()
		}
		if p.stopped {
			p.mu.Unlock()
			return
		}
		cmd, err := p.start()
		p.mu.Unlock()
		if err == nil {
			err = cmd.Wait()
		}
		p.mu.Lock()
		wanted := p.wanted
		p.process = nil
		if !wanted {
			p.unwanted = append(p.unwanted, fmt.Sprint(err))
		}
		p.mu.Unlock()
		if !wanted {
			time.Sleep(restartPause)
		}
	}
}

// start starts it once. The caller holds the mutex.
func (p *program) start() (*exec.Cmd, error) {
	p.wanted = false
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, err
	}
	defer log.Close()
	fmt.Fprintf(log, "--- %s started, for the %d. time\n", time.Now().UTC().Format("15:04:05.000"), len(p.pids)+1)
	cmd := exec.Command(p.path, p.args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = p.env, log, log
	// A group of its own, so that Ctrl-C reaches chaos alone; the kernel ends it with chaos.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p.process = cmd.Process
	p.pids = append(p.pids, cmd.Process.Pid)
	return cmd, nil
}

// hold ends it by a signal, and keeps it from running until release is called as often.
func (p *program) hold(signal syscall.Signal) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held++
	p.wanted = true
	p.signal(signal)
}

func (p *program) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held--
	p.changed.Broadcast()
}

// suspend stops it in its tracks until wake is called as often.
func (p *program) suspend() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.asleep++
	p.signal(syscall.SIGSTOP)
}

func (p *program) wake() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asleep--; p.asleep == 0 {
		p.signal(syscall.SIGCONT)
	}
}

// signal reaches it if it runs. The caller holds the mutex.
func (p *program) signal(signal syscall.Signal) {
	if p.process != nil {
		_ = p.process.Signal(signal) // it may have ended just now
	}
}

// stop ends it for good.
func (p *program) stop() {
	p.mu.Lock()
	p.stopped, p.wanted = true, true
	p.signal(syscall.SIGKILL)
	p.changed.Broadcast()
	p.mu.Unlock()
	<-p.over
}

// life is what became of it: its process ids so far, and how its unwanted ends came about.
func (p *program) life() (pids []int, unwanted []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append(pids, p.pids...), append(unwanted, p.unwanted...)
}
