package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// shell starts a script that announces itself.
func shell(t *testing.T, l *launcher, script string) *process {
	t.Helper()
	p, err := l.start(program{
		name: "script", path: "/bin/sh", args: []string{"-c", script}, env: os.Environ(),
		log: filepath.Join(t.TempDir(), "script.log"), announces: true,
	})
	require.NoError(t, err)
	return p
}

func launch(t *testing.T) *launcher {
	l := newLauncher()
	t.Cleanup(l.kill)
	return l
}

func TestAProgramSaysWhereItIs(t *testing.T) {
	p := shell(t, launch(t), "echo http://127.0.0.1:1; echo more")
	line, err := p.announced(t.Context())
	require.NoError(t, err)
	require.Equal(t, "http://127.0.0.1:1", line)
	<-p.exited
	log, err := os.ReadFile(p.log)
	require.NoError(t, err)
	require.Equal(t, "http://127.0.0.1:1\nmore\n", string(log))
}

func TestTheErrorOfAProgramThatEndsHasItsLastWordsAndItsLog(t *testing.T) {
	p := shell(t, launch(t), "echo first >&2; printf 'address already in use\n\n' >&2; exit 3")
	_, err := p.announced(t.Context())
	require.EqualError(t, err, "script ended (exit status 3): address already in use; see "+p.log)
}

func TestStopLetsAProgramFinish(t *testing.T) {
	p := shell(t, launch(t), `trap 'echo finished; exit 0' TERM; echo ready; while :; do sleep 0.05; done`)
	_, err := p.announced(t.Context())
	require.NoError(t, err)
	require.NoError(t, p.stop(time.Minute))
	require.Equal(t, "finished", lastLine(p.log))
	require.NoError(t, p.stop(time.Minute), "it may be stopped twice")
}

func TestAProgramThatDoesNotStopIsKilled(t *testing.T) {
	p := shell(t, launch(t), `trap '' TERM; echo ready; while :; do sleep 0.05; done`)
	_, err := p.announced(t.Context())
	require.NoError(t, err)
	require.ErrorContains(t, p.stop(time.Millisecond), "did not stop within 1ms and was killed; see "+p.log)
	require.Equal(t, "signal: killed", p.how())
}

func TestCtrlCReachesTheDemoAlone(t *testing.T) {
	p := shell(t, launch(t), "echo ready; exec sleep 600")
	_, err := p.announced(t.Context())
	require.NoError(t, err)
	group, err := syscall.Getpgid(p.pid())
	require.NoError(t, err)
	require.NotEqual(t, syscall.Getpgrp(), group)
}

// orphanFIFO tells a copy of this test that it is to start a program and then wait to be killed.
const orphanFIFO = "DEMO_TEST_ORPHAN_FIFO"

func TestAKilledDemoLeavesNothingBehind(t *testing.T) {
	if fifo := os.Getenv(orphanFIFO); fifo != "" {
		shell(t, newLauncher(), "exec >"+fifo+"; echo ready; exec sleep 600")
		select {}
	}
	if runtime.GOOS != "linux" {
		t.Skip("only Linux ends the children of a process that was killed")
	}
	fifo := filepath.Join(t.TempDir(), "fifo")
	require.NoError(t, syscall.Mkfifo(fifo, 0o600))
	demo := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	demo.Env = append(os.Environ(), orphanFIFO+"="+fifo)
	require.NoError(t, demo.Start())
	defer func() { _ = demo.Process.Kill(); _ = demo.Wait() }()

	child, err := os.Open(fifo)
	require.NoError(t, err)
	defer child.Close()
	ready := make([]byte, len("ready\n"))
	_, err = io.ReadFull(child, ready)
	require.NoError(t, err)
	require.NoError(t, demo.Process.Kill())
	rest, err := io.ReadAll(child) // ends when the child has
	require.NoError(t, err)
	require.Empty(t, strings.TrimSpace(string(rest)))
}
