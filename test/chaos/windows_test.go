package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/oktasim"
)

func TestAWindowAboveTheShareIsFound(t *testing.T) {
	at := time.Now().Add(-time.Hour)
	window := func(bucket string, admitted, refused int) []oktasim.Window {
		return []oktasim.Window{{Bucket: bucket, Start: at, Limit: 600, Admitted: admitted, Refused: refused}}
	}
	judge := func(w *wrongs, all []oktasim.Window) error {
		_, err := w.judge(all)
		return err
	}
	const apps, users = "/api/v1/apps", "/api/v1/users"
	require.NoError(t, judge(&wrongs{}, window(apps, 300, 0)))
	require.ErrorContains(t, judge(&wrongs{}, window(apps, 301, 0)), "had 301 requests of 600, and 0 were refused; the share is 300")
	require.Error(t, judge(&wrongs{}, window(apps, 300, 1)))

	late := &wrongs{late: []span{{at.Add(-time.Minute), at.Add(time.Second)}}}
	require.NoError(t, judge(late, window(apps, 303, 0)), "each of three services may have a request on its way")
	require.Error(t, judge(late, window(apps, 304, 0)))
	require.Error(t, judge(late, window(users, 302, 0)))
	require.Error(t, judge(&wrongs{late: []span{{at.Add(-time.Minute), at}}}, window(apps, 301, 0)), "it was over")

	jumped := &wrongs{jumps: []span{{at.Add(-time.Minute), at.Add(time.Second)}}}
	require.NoError(t, judge(jumped, window(users, 400, 0)))
	require.Error(t, judge(jumped, window(apps, 301, 0)), "the clock is right there")
	of, err := jumped.judge(append(window(users, 400, 0), window(apps, 250, 0)...))
	require.NoError(t, err)
	require.Equal(t, map[string]windows{users: {all: 1, allowed: 300}, apps: {all: 1, judged: 1, most: 250, allowed: 300}}, of)
}
