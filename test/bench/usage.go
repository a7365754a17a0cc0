package main

import (
	"fmt"
	"os"
	"time"

	"github.com/prometheus/procfs"
)

// usage is what a process has used.
type usage struct {
	// CPU is user and system time of all threads since the process began, in hundredths of a second.
	CPU time.Duration `json:"cpu"`
	// Peak is the most memory that was resident, in bytes, since the process began or resetPeak.
	Peak uint64 `json:"peak"`
}

// measurement is one run of the collector or a loop.
type measurement struct {
	Took time.Duration `json:"took"`
	// Usage is the worker's, or the loop's.
	Usage usage `json:"usage"`
	// Okta is the CPU time of the simulated org. Where it comes near Took, the org is what is waited for.
	Okta time.Duration `json:"-"`
	// Bench is that of this process, with the wires and what stands for Devo.
	Bench time.Duration `json:"-"`
	// Repeated is how many events Devo got a second time.
	Repeated int `json:"-"`
	// Temporal is the CPU time of Temporal's server, History the number of events in the workflow's history, and Actions
	// what Temporal's server takes for billable actions. A loop has none of them.
	Temporal time.Duration `json:"-"`
	History  int           `json:"-"`
	Actions  float64       `json:"-"`
	// Peaks are the peaks of the worker's memory in intervals of peakInterval, in bytes.
	Peaks []uint64 `json:"-"`
}

func usageOf(pid int) (usage, error) {
	process, err := procfs.NewProc(pid)
	if err != nil {
		return usage{}, fmt.Errorf("looking at process %d: %w", pid, err)
	}
	stat, err := process.Stat()
	if err != nil {
		return usage{}, fmt.Errorf("reading the CPU time of process %d: %w", pid, err)
	}
	status, err := process.NewStatus()
	if err != nil {
		return usage{}, fmt.Errorf("reading the memory of process %d: %w", pid, err)
	}
	return usage{CPU: time.Duration(stat.CPUTime() * float64(time.Second)), Peak: status.VmHWM}, nil
}

// usageOfAll is what each of several processes has used.
func usageOfAll(pids ...int) (all []usage, err error) {
	for _, pid := range pids {
		used, err := usageOf(pid)
		if err != nil {
			return nil, err
		}
		all = append(all, used)
	}
	return all, nil
}

// resetPeak makes the process's peak its present memory.
func resetPeak(pid int) error {
	// 5 is documented in proc_pid_clear_refs(5).
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
		return fmt.Errorf("resetting the peak memory of process %d: %w", pid, err)
	}
	return nil
}
