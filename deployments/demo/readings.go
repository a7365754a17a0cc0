package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"time"

	"okta-collector/internal/devosim"
	"okta-collector/workflows"
)

const (
	// starterTimeout is longer than a status takes that no worker answers.
	starterTimeout = 20 * time.Second
	// getTimeout bounds an answer over HTTP, and maxAnswer its size in bytes.
	getTimeout = 5 * time.Second
	maxAnswer  = 1 << 20
)

// collected is one service's part of `starter status -o json`.
type collected struct {
	ID string `json:"id"`
	workflows.Status
	// Unanswered says why the workflow does not answer.
	Unanswered string `json:"unanswered"`
}

// runStarter runs the starter with arguments, and returns what it printed, even with an error.
func (d *demo) runStarter(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, starterTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, d.program("starter"), args...)
	cmd.Env = environ(d.sharedVariables()...)
	var out, problems bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &problems
	err := cmd.Run()
	if said := strings.TrimSpace(problems.String()); err != nil && said != "" {
		err = errors.New(said)
	}
	if err != nil {
		err = fmt.Errorf("starter %s: %w", args[0], err)
	}
	return strings.TrimSpace(out.String()), err
}

// readStatus runs `starter status`, which reads the positions from Temporal alone while no worker runs.
func (d *demo) readStatus(ctx context.Context) ([]collected, error) {
	text, err := d.runStarter(ctx, "status", "--output", "json")
	var services []collected
	if jsonErr := json.Unmarshal([]byte(text), &services); jsonErr != nil {
		if err == nil {
			err = fmt.Errorf("reading what starter status printed: %w", jsonErr)
		}
		return nil, err
	}
	// It fails also when what it shows needs attention. A backfill is no service of its own.
	return slices.DeleteFunc(services, func(c collected) bool { return c.Backfill != nil }), nil
}

// readStats asks the Devo stand-in what it has counted since it was started.
func (d *demo) readStats(ctx context.Context) (devosim.Report, error) {
	var report devosim.Report
	err := get(ctx, "http://"+address(d.ports.stats)+"/stats", &report)
	return report, err
}

// get asks for a URL, and reads its JSON into a variable unless that is nil.
func get(ctx context.Context, url string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, getTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, response.Status)
	}
	if into == nil {
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(response.Body, maxAnswer)).Decode(into); err != nil {
		return fmt.Errorf("%s: %w", url, err)
	}
	return nil
}
