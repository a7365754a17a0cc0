package worker

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"okta-collector/internal/config"
)

// healthTimeout bounds the wait for the answer of /healthz.
const healthTimeout = 5 * time.Second

// askHealth asks the worker that runs with the same COLLECTOR_LISTEN for its /healthz. It is a health check for a
// container, where neither a shell nor curl is. It returns an error if the worker is not healthy.
func askHealth(ctx context.Context) error {
	listen, err := config.LoadListen()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	// Without a host, as in :9464, the system connects to itself.
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+listen+"/healthz", nil)
	if err != nil {
		return fmt.Errorf("asking %s: %w", listen, err)
	}
	direct := http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // never through HTTP_PROXY
	response, err := direct.Do(request)
	if err != nil {
		return fmt.Errorf("no worker answers at COLLECTOR_LISTEN: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		reason, _ := io.ReadAll(io.LimitReader(response.Body, 1<<10))
		return fmt.Errorf("the worker at %s is not healthy: %s: %s", listen, response.Status, strings.TrimSpace(string(reason)))
	}
	return nil
}
