package main

import (
	"bytes"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devosim"
	"okta-collector/internal/oktasim"
)

// delivered is a stage whose Devo has got what deliver says: how often each object came, and what it was made to be.
func delivered(t *testing.T, service string, deliver func(pull int64, i int, object []byte) [][]byte) *stage {
	s := &stage{excuses: newExcuses()}
	var err error
	s.org, err = oktasim.Start(oktasim.Config{Token: token, Counts: map[string]int{"logs": 100, "users": 30, "zones": 30}})
	require.NoError(t, err)
	t.Cleanup(func() { s.org.Close() })
	s.devo, err = devosim.Start(devosim.Config{Dir: filepath.Join(t.TempDir(), "certificates")})
	require.NoError(t, err)
	t.Cleanup(func() { s.devo.Close() })
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.devo.TCPURL(), "tcp://"))
	require.NoError(t, err)
	var records bytes.Buffer
	want := 0
	for _, pull := range []int64{7, 8} {
		for i, object := range s.org.All(service) {
			for _, o := range deliver(pull, i, object) {
				fmt.Fprintf(&records, "<14>2026-11-22T06:27:00.123Z host %s: %s,\"@devo_pulling_id\":%d}\n", tables[service], o[:len(o)-1], pull)
				want++
			}
		}
	}
	_, err = conn.Write(records.Bytes())
	require.NoError(t, err)
	require.NoError(t, conn.Close())
	require.Eventually(t, func() bool { return int(s.devo.Stats()[tables[service]].Records) == want }, patience, time.Millisecond)
	require.NoError(t, s.devo.Err())
	return s
}

func TestEveryLostLogEventIsFound(t *testing.T) {
	but := func(lost ...int) func(int64, int, []byte) [][]byte {
		return func(pull int64, i int, object []byte) [][]byte {
			if slices.Contains(lost, i) || pull > 7 && i%3 > 0 { // some are sent again
				return nil
			}
			return [][]byte{object}
		}
	}
	all := reached{events: 100, whole: true}
	v := delivered(t, "logs", but()).compareLogs("logs", all)
	require.Equal(t, verdict{service: "logs", made: 100}, v)

	s := delivered(t, "logs", but(42, 99))
	v = s.compareLogs("logs", all)
	require.Equal(t, 2, v.lost)
	require.EqualError(t, v.wrong, "logs: event 42, uuid "+s.org.ID("logs", 42)+", has not arrived")

	v = s.compareLogs("logs", reached{events: 100})
	require.Equal(t, 1, v.lost, "what has not been collected yet is not lost")

	v = delivered(t, "logs", func(pull int64, i int, object []byte) [][]byte {
		return [][]byte{bytes.Replace(object, []byte(`"published":"`), []byte(`"published":" `), 1)}
	}).compareLogs("logs", all)
	require.Equal(t, 100, v.lost)
	require.ErrorContains(t, v.wrong, "arrived changed")
}

func TestEveryObjectOfEveryCompletePullIsAskedFor(t *testing.T) {
	s := delivered(t, "users", func(pull int64, i int, object []byte) [][]byte {
		if pull == 8 && i == 5 {
			return nil
		}
		return [][]byte{object, object}
	})
	v := s.comparePulls("users", reached{pull: 7})
	require.Equal(t, verdict{service: "users", made: 30}, v)
	v = s.comparePulls("users", reached{pull: 8})
	require.Equal(t, 60, v.made)
	require.Equal(t, 1, v.lost)
	require.ErrorContains(t, v.wrong, s.org.ID("users", 5)+" of pull 8 has not arrived")
}

func TestWhatOktaSentUnreadableArrivesAsARecordThatSaysSo(t *testing.T) {
	const text = `{"x_odd":NaN}`
	s := delivered(t, "logs", func(pull int64, i int, object []byte) [][]byte {
		if i == 42 || i == 43 {
			return [][]byte{fmt.Appendf(nil, `{"@okta_unreadable":%q}`, strings.Repeat(text, i-41))}
		}
		return [][]byte{object}
	})
	all := reached{events: 100, whole: true}
	s.excuses.sent("logs", 42, text)
	v := s.compareLogs("logs", all)
	require.Equal(t, 1, v.lost, "nobody sent that of the other event")
	require.ErrorContains(t, v.wrong, "event 43")
	s.excuses.sent("logs", 43, text+text)
	require.Equal(t, verdict{service: "logs", made: 100}, s.compareLogs("logs", all))
}

func TestOnlyAnIncompletePullLacksWhatWasCutOffAndTheLastOneLacksNothing(t *testing.T) {
	s := delivered(t, "users", func(pull int64, i int, object []byte) [][]byte {
		if pull == 7 && i == 5 {
			return nil
		}
		return [][]byte{object}
	})
	require.Equal(t, 1, s.comparePulls("users", reached{pull: 8, incomplete: 1}).lost, "nothing was cut off")
	s.excuses.cutOff("users")
	require.Equal(t, verdict{service: "users", made: 60}, s.comparePulls("users", reached{pull: 8, incomplete: 1}))
	require.ErrorContains(t, s.comparePulls("users", reached{pull: 8}).wrong, "only 0 are said to be incomplete")
	require.Equal(t, 1, s.comparePulls("users", reached{pull: 7, incomplete: 1}).lost, "it is the last one")
}
