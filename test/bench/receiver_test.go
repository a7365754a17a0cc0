package main

import (
	"bytes"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/test/distance"
)

func testReceiver(t *testing.T) *receiver {
	r, err := startReceiver(filepath.Join(t.TempDir(), "certificates"))
	require.NoError(t, err)
	t.Cleanup(r.close)
	return r
}

// send sends lines over a connection of their own, and ends it.
func send(t *testing.T, r *receiver, lines ...[]byte) {
	conn, err := dialDevo(t.Context(), r.address, r.certificates)
	require.NoError(t, err)
	_, err = conn.Write(bytes.Join(lines, nil))
	require.NoError(t, err)
	require.NoError(t, conn.CloseWrite())
	_, err = conn.Read(make([]byte, 1))
	require.ErrorContains(t, err, "EOF", "it answers with its own end, after it has read everything")
	require.NoError(t, conn.Close())
}

// records are an org's events as the collector sends them, a line each.
func (o *org) records() (lines [][]byte) {
	for _, object := range o.All("logs") {
		line := append([]byte("<14>2026-11-22T06:27:00.123Z bench auth.okta.system: "), object[:len(object)-1]...)
		lines = append(lines, append(line, ",\"@devo_pulling_id\":1795332420123}\n"...))
	}
	return lines
}

func TestTheReceiverHasEachEventAndCountsThoseThatCameAgain(t *testing.T) {
	o, r := testOrg(t), testReceiver(t)
	lines := o.records()
	send(t, r, lines[:100]...)
	send(t, r, lines[90:]...)
	repeated, err := r.verify(t.Context(), o)
	require.NoError(t, err)
	require.Equal(t, 10, repeated)

	r.clear()
	send(t, r, lines...)
	repeated, err = r.verify(t.Context(), o)
	require.NoError(t, err)
	require.Zero(t, repeated)
}

func TestTheReceiverNoticesWhatIsNotAsItHasToBe(t *testing.T) {
	o, r := testOrg(t), testReceiver(t)
	for name, damaged := range map[string]func(lines [][]byte) [][]byte{
		"one is missing":      damage["one is missing"],
		"the last is missing": damage["the last is missing"],
		"a byte differs":      damage["a byte differs"],
		"the last is cut off": damage["it ends inside a line"],
		"nothing came":        damage["it is empty"],
		"one is of no org": func(lines [][]byte) [][]byte {
			return append(lines, bytes.Replace(lines[1], []byte(`{"`), []byte(`{"another":1,"`), 1))
		},
		"one is no record": func(lines [][]byte) [][]byte { return append(lines, []byte("{}\n")) },
	} {
		t.Run(name, func(t *testing.T) {
			r.clear()
			send(t, r, damaged(o.records())...)
			_, err := r.verify(t.Context(), o)
			require.Error(t, err)
		})
	}
}

func TestTheReceiverKnowsWhenAnEventFirstArrived(t *testing.T) {
	o, r := testOrg(t), testReceiver(t)
	record, noon := bytes.TrimSuffix(o.records()[0], []byte("\n")), time.Unix(1_795_000_000, 0)
	r.take(record, noon)
	r.take(record, noon.Add(time.Second))
	at, arrived := r.first(o.Object("logs", 0))
	require.True(t, arrived)
	require.Equal(t, noon, at)
	_, arrived = r.first(o.Object("logs", 1))
	require.False(t, arrived)
}

func TestTheSenderSendsEveryEvent(t *testing.T) {
	o, r := testOrg(t), testReceiver(t)
	wire, err := distance.Listen(2*time.Millisecond, r.address)
	require.NoError(t, err)
	defer wire.Close()
	require.NoError(t, sendAll(t.Context(), o.firstPage(), wire.Address(), r.certificates))
	repeated, err := r.verify(t.Context(), o)
	require.NoError(t, err)
	require.Zero(t, repeated)
}
