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
	"strings"
	"time"

	"okta-collector/internal/devosim"
	"okta-collector/workflows"
)

const (
	// starterTimeout is longer than a status takes that no worker answers.
	starterTimeout = 20 * time.Second
	// statsTimeout bounds the answer of the Devo stand-in, and maxStats its size.
	statsTimeout = 5 * time.Second
	maxStats     = 1 << 20
)

// collected is one service's part of `starter status -o json`.
type collected struct {
	ID string `json:"id"`
	workflows.Status
	// Unanswered says why the workflow does not answer.
	Unanswered string `json:"unanswered"`
	// underWay says that the worker is gone, but its slice has not been taken up by another one.
	underWay bool
}

// runStarter runs the starter with arguments, and returns what it printed, even with an error.
func (d *demo) runStarter(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, starterTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, d.programs["starter"], args...)
	cmd.Env = environ(d.temporalVariables()...)
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

// readStatus runs `starter status`.
func (d *demo) readStatus(ctx context.Context) ([]collected, error) {
	text, err := d.runStarter(ctx, "status", "--output", "json")
	var services []collected
	if jsonErr := json.Unmarshal([]byte(text), &services); jsonErr != nil {
		if err == nil {
			err = fmt.Errorf("reading what starter status printed: %w", jsonErr)
		}
		return nil, err
	}
	// It fails also when what it shows needs attention.
	return services, nil
}

// readStats asks the Devo stand-in what it has counted since it was started.
func readStats(ctx context.Context, url string) (devosim.Report, error) {
	ctx, cancel := context.WithTimeout(ctx, statsTimeout)
	defer cancel()
	var report devosim.Report
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return report, fmt.Errorf("asking the Devo stand-in: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return report, fmt.Errorf("asking the Devo stand-in: %w", err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(io.LimitReader(response.Body, maxStats)).Decode(&report); err != nil {
		return report, fmt.Errorf("asking the Devo stand-in: %w", err)
	}
	return report, nil
}
