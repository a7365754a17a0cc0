package distance

import "time"

const (
	// segment is how many bytes a packet has at most.
	segment = 1460
	// firstWindow is how many segments may be in flight at first, RFC 6928.
	firstWindow = 10
	// largestWindow bounds the segments in flight: 4 MiB, the most that Linux by default keeps for one sender.
	largestWindow = 4 << 20 / segment
	// margin is by how much the retransmission timeout is longer than the round trip time. It is Linux's for a round trip
	// time that does not vary.
	margin = 200 * time.Millisecond
)

// window is a congestion window of Linux in slow start, which nothing ends since nothing is lost. It counts segments; a
// write that does not fill its last segment takes it whole.
//
// Each acknowledged segment makes room for one more than itself, if at least half of the window was in flight in the round
// trip that it belongs to. So the window doubles with each round trip in which it is used up. After an idle time it is
// halved for each retransmission timeout in it, down to the first window.
type window struct {
	timeout time.Duration // of retransmission
	size    int
	flight  int
	// sent and acknowledged are totals. A round trip ends when what was sent until roundEnd is acknowledged, and most is the
	// most that was in flight since it began.
	sent, acknowledged, roundEnd, most int
	last                               time.Time // when something was last sent
}

func newWindow(rtt time.Duration) window { return window{timeout: rtt + margin, size: firstWindow} }

// room is how many segments may be sent.
func (w *window) room() int { return w.size - w.flight }

// rest shrinks the window if nothing was in flight for long before now.
func (w *window) rest(now time.Time) {
	if w.flight > 0 || w.sent == 0 {
		return
	}
	for idle := now.Sub(w.last); idle > w.timeout && w.size > firstWindow; idle -= w.timeout {
		w.size = max(w.size/2, firstWindow)
	}
}

// send puts segments into flight, no more than there is room for.
func (w *window) send(now time.Time, segments int) {
	w.last = now
	w.flight += segments
	w.sent += segments
	if w.acknowledged >= w.roundEnd {
		w.roundEnd, w.most = w.sent, 0
	}
	w.most = max(w.most, w.flight)
}

// acknowledge takes segments out of flight.
func (w *window) acknowledge(segments int) {
	w.flight -= segments
	w.acknowledged += segments
	if 2*w.most >= w.size {
		w.size = min(w.size+segments, largestWindow)
	}
}

// segmentsOf is how many segments so many bytes take.
func segmentsOf(bytes int) int { return (bytes + segment - 1) / segment }
