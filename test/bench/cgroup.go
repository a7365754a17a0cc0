package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// cgroup bounds the memory of a program as a container does. Where none can be made, dir is empty.
type cgroup struct {
	dir   string
	limit int // in bytes
}

// newCgroup makes a cgroup, of version 2 or 1, if this machine lets it.
func newCgroup(name string, limit int) (cgroup, error) {
	for _, version := range []struct{ root, controllers, limit string }{
		{"/sys/fs/cgroup", "cgroup.subtree_control", "memory.max"},
		{"/sys/fs/cgroup/memory", "", "memory.limit_in_bytes"},
	} {
		if version.controllers != "" {
			enabled, _ := os.ReadFile(filepath.Join(version.root, version.controllers)) // there is none: not this version
			if !slices.Contains(strings.Fields(string(enabled)), "memory") {
				continue
			}
		}
		g := cgroup{filepath.Join(version.root, fmt.Sprintf("okta-collector-bench-%d-%s", os.Getpid(), name)), limit}
		if os.Mkdir(g.dir, 0o755) != nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(g.dir, version.limit), []byte(strconv.Itoa(limit)), 0); err != nil {
			return cgroup{}, errors.Join(fmt.Errorf("bounding the memory of a cgroup: %w", err), g.remove())
		}
		return g, nil
	}
	return cgroup{limit: limit}, nil
}

// contain returns the program that runs p in the cgroup. Without one, p has the memory limit that a worker would take from
// it.
func (g cgroup) contain(p program) program {
	if g.dir == "" {
		p.env = append(p.env, fmt.Sprintf("GOMEMLIMIT=%d", g.limit/2))
		return p
	}
	p.args = append([]string{"-c", `echo $$ >"$0" && exec "$@"`, filepath.Join(g.dir, "cgroup.procs"), p.path}, p.args...)
	p.path = "/bin/sh"
	return p
}

// remove removes the cgroup after its program has ended.
func (g cgroup) remove() error {
	if g.dir == "" {
		return nil
	}
	return os.Remove(g.dir)
}
