package main

import (
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestAProgramIsKeptRunningUnlessItIsHeld(t *testing.T) {
	p := keepRunning(t.TempDir(), "sleep", "/bin/sleep", nil, "3600")
	t.Cleanup(p.stop)
	// runs is the process id once it has been started so often.
	runs := func(times int) (pid int) {
		require.Eventually(t, func() bool {
			pids, _ := p.life()
			if len(pids) == times {
				pid = pids[times-1]
			}
			return len(pids) >= times
		}, patience, time.Millisecond)
		return pid
	}
	gone := func(pid int) {
		require.Eventually(t, func() bool { return syscall.Kill(pid, 0) != nil }, patience, time.Millisecond)
	}

	first := runs(1)
	p.hold(syscall.SIGKILL)
	p.hold(syscall.SIGKILL)
	gone(first)
	p.release()
	pids, _ := p.life()
	require.Len(t, pids, 1, "it is held once more")
	p.release()
	second := runs(2)
	_, unwanted := p.life()
	require.Empty(t, unwanted)

	process, err := os.FindProcess(second)
	require.NoError(t, err)
	require.NoError(t, process.Kill())
	third := runs(3)
	_, unwanted = p.life()
	require.Equal(t, []string{"signal: killed"}, unwanted)

	p.suspend()
	p.hold(syscall.SIGKILL) // reaches one that is suspended
	gone(third)
	p.wake()
	p.release()
	fourth := runs(4)
	p.stop()
	gone(fourth)
}
