package devo_test

import (
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devo"
)

// TestAnObjectAsLargeAsAPageIsCutWithoutBeingCopied: a page has 64 MiB at most, and may be one object.
func TestAnObjectAsLargeAsAPageIsCutWithoutBeingCopied(t *testing.T) {
	large := `{"pad":"` + strings.Repeat("x", 60<<20) + `","id":"0oa1"}`
	batch := devo.Batch{Objects: [][]byte{[]byte(large)}, Members: []byte(`"@devo_pulling_id":1`)}
	drain := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	for name, url := range map[string]string{"https": httpServer(t, drain), "file": "file://" + t.TempDir()} {
		t.Run(name, func(t *testing.T) {
			sink, err := devo.New(httpConfig(url))
			require.NoError(t, err)
			stream := openStream(t, sink, devo.Target{Name: "okta/acme/apps", Tag: "auth.okta.apps"})
			defer stream.Close()
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			delivery, err := stream.Send(t.Context(), batch)
			require.NoError(t, err)
			stats, err := delivery.Wait(t.Context())
			require.NoError(t, err)
			runtime.ReadMemStats(&after)
			require.EqualValues(t, 1, stats.Cut)
			require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(12<<20))
		})
	}
}
