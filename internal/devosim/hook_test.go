package devosim_test

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devosim"
)

func TestARecordsHookIsCalledBeforeTheNextOneIsCounted(t *testing.T) {
	s := start(t, devosim.Config{})
	c := dialTLS(t, s)
	seen := make(chan devosim.Arrival)
	s.SetHooks(devosim.Hooks{Record: func(a devosim.Arrival) {
		a.JSON = bytes.Clone(a.JSON)
		seen <- a
	}})
	c.send(record(tag, event("1")) + record(tag, event("2")) + record(tag, event("2")))
	for n, uuid := range []string{"1", "2", "2"} {
		records := int64(n) + 1
		require.Eventually(t, func() bool { return s.Stats()[tag].Records == records }, patience, time.Millisecond)
		a := <-seen
		require.Equal(t, devosim.Arrival{Peer: c.LocalAddr().String(), Tag: tag, Records: records, JSON: []byte(event(uuid)), At: a.At}, a)
	}
	c.endAndWait()
}

func TestAnEndsHookIsCalledWhenAllIsReadAndNothingAnswered(t *testing.T) {
	s := start(t, devosim.Config{})
	c := dialTLS(t, s)
	ended, answer, answered := make(chan devosim.Arrival), make(chan struct{}), make(chan devosim.Arrival, 1)
	s.SetHooks(devosim.Hooks{
		End: func(a devosim.Arrival) {
			ended <- a
			<-answer
		},
		Answered: func(a devosim.Arrival) { answered <- a },
	})
	c.send(record(tag, event("1")))
	require.NoError(t, c.Conn.(interface{ CloseWrite() error }).CloseWrite())
	require.Equal(t, c.LocalAddr().String(), (<-ended).Peer)
	require.EqualValues(t, 1, s.Stats()[tag].Records)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
	_, err := c.Read(make([]byte, 1))
	require.ErrorContains(t, err, "timeout")
	require.Empty(t, answered)
	close(answer)
	require.Equal(t, c.LocalAddr().String(), (<-answered).Peer)
}

func TestAPostsHookDecidesWhatIsAnsweredAndWhatIsCounted(t *testing.T) {
	s := start(t, devosim.Config{})
	for i, refusal := range []*devosim.Refusal{{Status: 503}, {Status: 502, Delivered: true}, nil} {
		s.SetHooks(devosim.Hooks{Post: func(a devosim.Arrival) *devosim.Refusal {
			require.Equal(t, 2, a.Posted)
			require.Equal(t, tag, a.Tag)
			require.Equal(t, event(fmt.Sprint(i, "a")), string(a.JSON), "the first one")
			return refusal
		}})
		body := event(fmt.Sprint(i, "a")) + "\n" + event(fmt.Sprint(i, "b")) + "\n"
		status := post(t, s, path, nil, []byte(body))
		require.Equal(t, []int{503, 502, http.StatusOK}[i], status)
		require.EqualValues(t, []int{0, 2, 4}[i], s.Stats()[tag].Records)
	}
}
