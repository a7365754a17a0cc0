package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"github.com/spf13/cobra"
)

// pageLimit is the number of events in a page, the collector's and the loop's.
const pageLimit = 1000

func loopCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "loop URL FILE",
		Short:  "Read page after page into a file",
		Args:   cobra.ExactArgs(2),
		Hidden: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			begin := time.Now()
			if err := readAll(cmd.Context(), args[0], args[1]); err != nil {
				return err
			}
			took := time.Since(begin)
			used, err := usageOf(os.Getpid())
			if err != nil {
				return err
			}
			return json.NewEncoder(cmd.OutOrStdout()).Encode(measurement{Took: took, Usage: used})
		},
	}
}

var nextLink = regexp.MustCompile(`<([^>]*)>; *rel="next"`)

// readAll is what the collector is measured against: it follows the next links from url until a page is
// empty, and appends each page, as it is, to a file that it syncs once at the end. It looks at no event,
// keeps no position, knows no rate limit and gives up at the first error.
func readAll(ctx context.Context, url, name string) error {
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	defer file.Close()
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
			break
		}
		page.WriteByte('\n')
		if _, err := file.Write(page.Bytes()); err != nil {
			return err
		}
		url = ""
		for _, link := range response.Header.Values("Link") {
			if found := nextLink.FindStringSubmatch(link); found != nil {
				url = found[1]
			}
		}
	}
	return file.Sync()
}

// readInLoop measures the loop, in a process of its own.
func (s *stage) readInLoop(ctx context.Context, o *org) (measurement, error) {
	self, err := os.Executable()
	if err != nil {
		return measurement{}, fmt.Errorf("finding this program: %w", err)
	}
	file := filepath.Join(s.dir, "loop.json")
	defer os.Remove(file)
	since := o.Epoch().Add(-backlogSpan).Format(time.RFC3339)
	out, err := s.output(ctx, program{name: "loop", path: self, args: []string{
		"loop", fmt.Sprintf("%s/api/v1/logs?limit=%d&since=%s", o.url, pageLimit, since), file,
	}})
	if err != nil {
		return measurement{}, err
	}
	var m measurement
	if err := json.Unmarshal([]byte(out), &m); err != nil {
		return m, fmt.Errorf("reading the loop's result: %w", err)
	}
	return m, compare(file, o.pages)
}
