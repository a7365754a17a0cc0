package devosim_test

import (
	"io"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devosim"
)

func TestOnlyIdleConnectionsAreClosedForBeingIdle(t *testing.T) {
	s := start(t, devosim.Config{})
	c := dialTCP(t, s)
	c.send(record(tag, event("a")))
	require.Eventually(t, func() bool { return s.Stats()[tag].Records == 1 }, patience, time.Millisecond)
	require.Zero(t, s.CloseIdle(time.Hour))
	c.send(record(tag, event("b")))
	require.Eventually(t, func() bool { return s.Stats()[tag].Records == 2 }, patience, time.Millisecond)
	require.Equal(t, 1, s.CloseIdle(0))
	_, err := c.Read(make([]byte, 1))
	require.ErrorIs(t, err, io.EOF)
	require.Zero(t, s.CloseIdle(0), "it is closed once")
}
