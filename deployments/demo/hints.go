package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// shown is a path as one would type it here.
func (d *demo) shown(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	relative, err := filepath.Rel(here, path)
	if err != nil || strings.HasPrefix(relative, "..") {
		return path
	}
	return relative
}

// ui is the address of Temporal's Web UI.
func (d *demo) ui() string { return "http://" + address(d.uiPort) }

// starterCommand is how one calls the starter for this demo from another terminal.
func (d *demo) starterCommand() string {
	command := d.shown(d.programs["starter"])
	if d.temporalPort != wellKnownPorts.temporal {
		command = "TEMPORAL_ADDRESS=" + address(d.temporalPort) + " " + command
	}
	return command
}

// hints are what one can do while it runs.
func (d *demo) hints() []string {
	return []string{
		fmt.Sprintf("Watch it    %s", d.ui()),
		fmt.Sprintf("Control it  %s pause okta/default/users    (then resume, poll, status)", d.starterCommand()),
		fmt.Sprintf("Break it    kill -9 %d    (the worker; another one goes on from its last page)", d.worker.pid()),
		fmt.Sprintf("Stop it     Ctrl-C    (the next run goes on where it stopped; logs are in %s)", d.shown(d.dir.logs())),
	}
}
