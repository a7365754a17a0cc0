package main

import (
	"context"
	"errors"
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

// shell starts a script.
func shell(t *testing.T, script string) *process {
	t.Helper()
	p, err := startProcess(t.Context(), "/bin/sh", filepath.Join(t.TempDir(), "script.log"), os.Environ(), "-c", script)
	require.NoError(t, err)
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); <-p.exited })
	return p
}

var errNotYet = errors.New("not yet")

func (p *process) said(text string) func(context.Context) error {
	return func(context.Context) error {
		if lastLine(p.log) != text {
			return errNotYet
		}
		return nil
	}
}

func TestTheErrorOfAProgramThatEndsHasItsLastWordsAndItsLog(t *testing.T) {
	p := shell(t, "echo first; printf 'address already in use\n\n' >&2; exit 3")
	err := p.ready(t.Context(), func(context.Context) error { return errNotYet })
	require.EqualError(t, err, "sh ended (exit status 3): address already in use; see "+p.log)
}

func TestStopLetsAProgramFinish(t *testing.T) {
	p := shell(t, `trap 'echo finished; exit 0' TERM; echo ready; while :; do sleep 0.05; done`)
	require.NoError(t, p.ready(t.Context(), p.said("ready")))
	require.NoError(t, p.stop(patience))
	require.Equal(t, "finished", lastLine(p.log))
	require.NoError(t, p.stop(patience), "it may be stopped twice")
}

func TestAProgramThatDoesNotStopIsKilled(t *testing.T) {
	p := shell(t, `trap '' TERM; echo ready; while :; do sleep 0.05; done`)
	require.NoError(t, p.ready(t.Context(), p.said("ready")))
	require.ErrorContains(t, p.stop(time.Millisecond), "did not stop within 1ms and was killed; see "+p.log)
	require.Equal(t, "signal: killed", p.how())
}

func TestCtrlCReachesTheDemoAlone(t *testing.T) {
	p := shell(t, "echo ready; exec sleep 600")
	require.NoError(t, p.ready(t.Context(), p.said("ready")))
	group, err := syscall.Getpgid(p.pid())
	require.NoError(t, err)
	require.NotEqual(t, syscall.Getpgrp(), group)
}

// orphanFIFO tells a copy of this test that it is to start a program and then wait to be killed.
const orphanFIFO = "DEMO_TEST_ORPHAN_FIFO"

func TestAKilledDemoLeavesNothingBehind(t *testing.T) {
	if fifo := os.Getenv(orphanFIFO); fifo != "" {
		runtime.LockOSThread()
		shell(t, "exec >"+fifo+"; echo ready; exec sleep 600")
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
