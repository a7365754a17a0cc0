package test

import (
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/devosim"
	"okta-collector/internal/oktasim"
)

// TestAKillInABacklogOfLargePagesRepeatsABoundedAmount kills a worker over and over, each time when Devo has read much that it
// has not confirmed.
func TestAKillInABacklogOfLargePagesRepeatsABoundedAmount(t *testing.T) {
	t.Parallel()
	const eventBytes, much, kills = 20_000, mostUnconfirmed / 2, 3
	s := newStack(t, oktasim.Config{Seed: 9, Counts: map[string]int{"logs": 6_000}, Unlimited: true, EventBytes: eventBytes})
	tag := tables["logs"]
	s.startWorker()
	s.start("logs")
	for n := 1; n <= kills; n++ {
		held := holdAnswers(s, tag, n*1000+500) // from the middle of a page on
		s.eventually("much is sent and not confirmed", func() bool { return held.bytes() >= much })
		s.worker.kill()
		held.release()
		s.startWorker()
	}
	s.caughtUp("logs")
	s.once("logs") // which allows 16 MB for each kill
	again := s.devo.Stats()[tag].RepeatedBytes
	t.Logf("%d bytes were sent again after %d kills", again, kills)
	require.Greater(t, again, int64(kills*much/2), "or the test shows little")
}

// heldAnswers keeps Devo from closing connections in answer, and so from confirming what they brought.
type heldAnswers struct {
	released chan struct{}
	release  func()

	mu         sync.Mutex
	unanswered map[string]int // bytes by the address of a connection that was not answered
}

// holdAnswers holds all answers from the moment when so many records of a table have arrived, until release.
func holdAnswers(s *stack, tag string, records int) *heldAnswers {
	h := &heldAnswers{released: make(chan struct{}), unanswered: map[string]int{}}
	h.release = sync.OnceFunc(func() { close(h.released) })
	s.t.Cleanup(h.release)
	s.devo.SetHooks(devosim.Hooks{
		Record: func(a devosim.Arrival) {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.unanswered[a.Peer] += len(a.JSON)
		},
		End: func(devosim.Arrival) {
			if s.shipped(tag) >= records {
				<-h.released
			}
		},
		Answered: func(a devosim.Arrival) {
			h.mu.Lock()
			defer h.mu.Unlock()
			delete(h.unanswered, a.Peer)
		},
	})
	return h
}

// bytes are those that have arrived over connections that were not answered.
func (h *heldAnswers) bytes() (n int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, of := range h.unanswered {
		n += of
	}
	return n
}
