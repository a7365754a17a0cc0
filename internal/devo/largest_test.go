package devo_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devo"
)

func TestTheLargestEventIsShippedWholeWithExactlyDEVO_MAX_EVENT(t *testing.T) {
	for _, cfg := range []devo.Config{{}, {MaxEvent: 4096}, {MaxEvent: 5001, Environment: `a "quoted" one`}, {MaxEvent: 16 << 20}} {
		s := serve(t, nil, readAll)
		cfg.URL = s.url("tcp")
		batch := devo.LargestEvent(cfg, time.Now())
		stats, err := deliver(t.Context(), open(t, cfg, devo.Timeouts{}), batch)
		require.NoError(t, err)
		want := max(cfg.MaxEvent, 4096)
		if cfg.MaxEvent == 0 {
			want = 1 << 20
		}
		require.Equal(t, devo.Stats{Bytes: int64(want)}, stats, "not cut")
		require.True(t, json.Valid(batch.Objects[0]))
	}
}

func TestTheLargestEventSaysWhereItWasTruncated(t *testing.T) {
	event := string(devo.LargestEvent(devo.Config{MaxEvent: 16 << 10}, time.Now()).Objects[0])
	for _, place := range []int{100, 8096, 16000} {
		dot := strings.LastIndexByte(event[:place], '.')
		require.Equal(t, fmt.Sprintf("%015d.", dot-15), event[dot-15:dot+1])
	}
}
