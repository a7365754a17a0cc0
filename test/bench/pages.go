package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"time"

	"github.com/spf13/cobra"
)

// pageLimit is the number of events in a page, the collector's and the loops'.
const pageLimit = 1000

var nextLink = regexp.MustCompile(`<([^>]*)>; *rel="next"`)

// follow follows the next links from url until a page is empty, and calls do for each other page. The page is valid until
// do returns. It knows no rate limit and gives up at the first error.
func follow(ctx context.Context, url string, do func(page []byte, next string) error) error {
	var page bytes.Buffer
	for url != "" {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		request.Header.Set("Authorization", "SSWS "+token)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		page.Reset()
		_, err = page.ReadFrom(response.Body)
		response.Body.Close()
		if err != nil {
			return err
		}
		if response.StatusCode != http.StatusOK {
			return fmt.Errorf("the org answers %s", response.Status)
		}
		if bytes.Equal(page.Bytes(), []byte("[]")) {
			return nil
		}
		url = ""
		for _, link := range response.Header.Values("Link") {
			if found := nextLink.FindStringSubmatch(link); found != nil {
				url = found[1]
			}
		}
		if err := do(page.Bytes(), url); err != nil {
			return err
		}
	}
	return nil
}

// measured makes a hidden command of a loop. It prints the loop's measurement.
func measured(use, short string, args int, do func(ctx context.Context, args []string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(args), Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			began := time.Now()
			if err := do(cmd.Context(), args); err != nil {
				return err
			}
			m := measurement{Took: time.Since(began)}
			var err error
			if m.Usage, err = usageOf(os.Getpid()); err != nil {
				return err
			}
			return json.NewEncoder(cmd.OutOrStdout()).Encode(m)
		},
	}
}

// measureLoop runs one of the hidden commands in a process of its own.
func (s *stage) measureLoop(ctx context.Context, args ...string) (m measurement, err error) {
	self, err := os.Executable()
	if err != nil {
		return m, fmt.Errorf("finding this program: %w", err)
	}
	before, err := usageOf(os.Getpid())
	if err != nil {
		return m, err
	}
	out, err := s.output(ctx, program{name: args[0], path: self, args: args})
	if err != nil {
		return m, err
	}
	after, err := usageOf(os.Getpid())
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal([]byte(out), &m); err != nil {
		return m, fmt.Errorf("reading the result of %s: %w", args[0], err)
	}
	m.Bench = after.CPU - before.CPU
	return m, nil
}

// firstPage is the URL of the first page of all log events.
func (o *org) firstPage() string {
	since := o.Epoch().Add(-backlogSpan).Format(time.RFC3339)
	return fmt.Sprintf("%s/api/v1/logs?limit=%d&since=%s", o.url, pageLimit, since)
}
