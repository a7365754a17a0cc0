package main

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"net/http"
	"syscall"
	"time"

	"github.com/dustin/go-humanize"

	"okta-collector/internal/devosim"
	"okta-collector/internal/oktasim"
)

// kind is one way to go wrong.
type kind struct {
	name string
	// It lasts between shortest and longest.
	shortest, longest time.Duration
	// whom draws the workers that it is about.
	whom func(*rand.Rand) []int
	// degree says in words how bad an amount is; nil where there are no degrees.
	degree func(amount float64) string
	// strike makes it happen, and mends it when ctx ends.
	strike func(ctx context.Context, s *stage, f fault) error
}

func nobody(*rand.Rand) []int    { return nil }
func everybody(*rand.Rand) []int { return []int{0, 1} }
func anybody(r *rand.Rand) []int { return []int{r.IntN(workers)} }
func someOrAll(r *rand.Rand) []int {
	if n := r.IntN(workers + 1); n < workers {
		return []int{n}
	}
	return []int{0, 1}
}

const second = time.Second

// kinds are all ways to go wrong. A new one is one more entry; the schedules of all seeds change with it.
var kinds = []*kind{
	{"worker killed", second / 10, 5 * second, anybody, nil, ended(workerPrograms, syscall.SIGKILL)},
	{"all workers killed", second / 10, 5 * second, everybody, nil, ended(workerPrograms, syscall.SIGKILL)},
	{"worker told to stop", second / 10, 5 * second, anybody, nil, ended(workerPrograms, syscall.SIGTERM)},
	// Longer than the heartbeat timeout of 10 s: another worker has its slices when it wakes up.
	{"worker suspended", 13 * second, 25 * second, anybody, nil, late(suspended)},
	{"Temporal killed", second / 10, 8 * second, nobody, nil, ended(temporalProgram, syscall.SIGKILL)},

	{"road to Okta reset", second / 10, 8 * second, someOrAll, bytesOf, cut(toOkta, true)},
	{"road to Okta closed", second / 10, 10 * second, someOrAll, nil, closed(toOkta)},
	// Pings end a connection that has brought nothing for 30 s.
	{"road to Okta stalled", second / 2, 40 * second, someOrAll, directionOf, late(spoilt(toOkta, stalled))},
	{"road to Okta slow", 2 * second, 20 * second, someOrAll, slownessOf, late(spoilt(toOkta, slow))},
	{"road to Okta half open", second / 2, 40 * second, someOrAll, directionOf, late(spoilt(toOkta, halfOpen))},
	{"road to Devo reset", second / 10, 8 * second, someOrAll, bytesOf, cut(toDevo, true)},
	{"road to Devo cut short", second / 10, 8 * second, someOrAll, bytesOf, cut(toDevo, false)},
	{"road to Devo closed", second / 10, 10 * second, someOrAll, nil, closed(toDevo)},
	{"road to Devo stalled", second / 2, 30 * second, someOrAll, directionOf, spoilt(toDevo, stalled)},
	{"road to Devo slow", 2 * second, 20 * second, someOrAll, slownessOf, spoilt(toDevo, slow)},
	{"road to Devo half open", second / 2, 30 * second, someOrAll, directionOf, spoilt(toDevo, halfOpen)},

	{"Devo closes idle connections", second / 2, 10 * second, nobody, idlenessOf, closesIdle},
	{"Devo does not read", second / 2, 20 * second, nobody, nil, doesNotRead},
	{"Devo closes otherwise", second / 2, 20 * second, nobody, mannerOf, closesOtherwise},
	// Long enough for several pulls, so that there is something to refuse.
	{"Devo takes small bodies only", 5 * second, 40 * second, nobody, bodyOf, takesSmallBodies},
	{"Devo dies with unread data", second / 10, 3 * second, nobody, nil, diesUnread},

	// Longer than it takes until no smaller page can be asked for.
	{"Okta answers 500", second / 10, 90 * second, nobody, nil, answers(oktasim.Refuse(http.StatusInternalServerError, "E0000009"))},
	{"Okta answers in HTML", second / 10, 10 * second, nobody, nil, answers(oktasim.Page(http.StatusServiceUnavailable))},
	{"Okta truncates bodies", second / 10, 10 * second, nobody, nil, answers(oktasim.Truncate())},
	{"Okta cuts bodies short", second / 10, 10 * second, nobody, nil, answers(oktasim.CutShort())},
	{"Okta's window is used up", second / 10, 5 * second, nobody, nil, answers(oktasim.UsedUp(8 * second))},
	{"Okta has too many requests", second / 10, 5 * second, nobody, nil, answers(oktasim.TooManyAtOnce())},
	{"Okta sends unreadable objects", second / 2, 20 * second, nobody, waysOf(unreadable), sendsUnreadable},
	{"Okta refuses what is under parents", second / 2, 20 * second, nobody, waysOf(refusals), refusesParents},
	{"Okta's log loses the way", second / 2, 20 * second, nobody, waysOf(wrongWays), losesTheWay},
	{"Okta leaves out the links", second / 2, 10 * second, nobody, nil, sendsNoLinks},
	{"Okta sends small pages only", 2 * second, 30 * second, nobody, waysOf(tooMuch), sendsSmallPages},
	{"Okta's clock jumps", second / 2, 30 * second, nobody, skewOf, jumps},
}

// late is a fault that may hold up requests on their way to Okta.
func late(strike func(context.Context, *stage, fault) error) func(context.Context, *stage, fault) error {
	return func(ctx context.Context, s *stage, f fault) error {
		defer s.wrongs.heldUp(time.Now())
		return strike(ctx, s, f)
	}
}

// ended ends programs by a signal, and starts them again afterwards.
func ended(programs func(*stage, fault) []*program, signal syscall.Signal) func(context.Context, *stage, fault) error {
	return func(ctx context.Context, s *stage, f fault) error {
		for _, p := range programs(s, f) {
			p.hold(signal)
			defer p.release()
		}
		<-ctx.Done()
		return nil
	}
}

func workerPrograms(s *stage, f fault) (programs []*program) {
	for _, w := range f.workers {
		programs = append(programs, s.workers[w].program)
	}
	return programs
}

func temporalProgram(s *stage, _ fault) []*program { return []*program{s.temporal} }

// suspended suspends workers in the middle of a request, if there is one: they wake up with its answer.
func suspended(ctx context.Context, s *stage, f fault) error {
	for _, n := range f.workers {
		w := s.workers[n]
		select {
		case <-s.answers.request(w.okta.address):
		case <-time.After(2 * second):
		case <-ctx.Done():
		}
		w.suspend()
		defer w.wake()
	}
	<-ctx.Done()
	return nil
}

// side says which roads of a worker are meant.
type side func(*worker) []*road

func toOkta(w *worker) []*road { return []*road{w.okta} }
func toDevo(w *worker) []*road { return []*road{w.devo, w.devoHTTP} }

// bytesAt is how far connections get before they end: from nothing to a few pages, the small numbers as
// often as the large ones.
func bytesAt(amount float64) int64 { return int64(math.Pow(8<<20, amount)) }

func bytesOf(amount float64) string { return "after " + humanize.IBytes(uint64(bytesAt(amount))) }

// cut ends all connections, and for a while those that follow, after some bytes.
func cut(which side, reset bool) func(context.Context, *stage, fault) error {
	return func(ctx context.Context, s *stage, f fault) error {
		return s.onRoads(ctx, which, f, func(r *road) (func() error, error) { return r.cut(bytesAt(f.amount), reset) })
	}
}

// closed ends all connections, and refuses others for a while.
func closed(which side) func(context.Context, *stage, fault) error {
	return func(ctx context.Context, s *stage, f fault) error {
		return s.onRoads(ctx, which, f, (*road).close)
	}
}

// spoilt changes how connections flow, those that are open too.
func spoilt(which side, how func(amount float64) weather) func(context.Context, *stage, fault) error {
	return func(ctx context.Context, s *stage, f fault) error {
		return s.onRoads(ctx, which, f, func(r *road) (func() error, error) {
			clear := r.sky.add(how(f.amount))
			return func() error { clear(); return nil }, nil
		})
	}
}

// directionAt is which direction of a connection is meant, of three possibilities.
func directionAt(amount float64) direction { return []direction{up, down, up | down}[int(amount*3)] }

func directionOf(amount float64) string { return directionAt(amount).String() }

func stalled(amount float64) weather { return weather{direction: directionAt(amount), stalled: true} }

// halfOpen is a direction that is dead, or both: then each side is silent for the other.
func halfOpen(amount float64) weather { return weather{direction: directionAt(amount), dead: true} }

// slow is one of three: far away, narrow, or in small pieces.
func slow(amount float64) weather {
	degree := math.Mod(amount*3, 1)
	switch int(amount * 3) {
	case 0:
		return weather{direction: up | down, latency: second/20 + time.Duration(degree*float64(2*second))}
	case 1:
		return weather{direction: up | down, rate: 2000 * math.Pow(500, degree)}
	default:
		return weather{direction: up | down, piece: 16 + int(degree*1000), latency: 2 * time.Millisecond}
	}
}

func slownessOf(amount float64) string { return slow(amount).String() }

// idlenessAt is how long a connection may be idle: from less than it takes to fetch a page.
func idlenessAt(amount float64) time.Duration {
	return time.Duration(amount * amount * float64(second/2)).Round(time.Millisecond)
}

func idlenessOf(amount float64) string { return "after " + idlenessAt(amount).String() }

func closesIdle(ctx context.Context, s *stage, f fault) error {
	often := time.NewTicker(2 * time.Millisecond)
	defer often.Stop()
	for {
		select {
		case <-often.C:
			s.devo.CloseIdle(idlenessAt(f.amount))
		case <-ctx.Done():
			return nil
		}
	}
}

// mannerAt is one that proves less than the usual one, so that nothing is confirmed meanwhile.
func mannerAt(amount float64) devosim.Manner {
	weaker := devosim.Manners[1:]
	return weaker[int(amount*float64(len(weaker)))]
}

func mannerOf(amount float64) string { return "in the manner " + string(mannerAt(amount)) }

func closesOtherwise(ctx context.Context, s *stage, f fault) error {
	s.devo.SetManner(mannerAt(f.amount))
	<-ctx.Done()
	s.devo.SetManner(devosim.ClosesWithNotify)
	return nil
}

func doesNotRead(ctx context.Context, s *stage, _ fault) error {
	s.devo.StopReading()
	<-ctx.Done()
	s.devo.ResumeReading()
	return nil
}

func diesUnread(ctx context.Context, s *stage, _ fault) error {
	s.devo.StopReading()
	<-ctx.Done()
	s.devo.ResetConnections()
	s.devo.ResumeReading()
	return nil
}

// answers spoils every answer of Okta's.
func answers(spoil oktasim.Fault) func(context.Context, *stage, fault) error {
	return func(ctx context.Context, s *stage, _ fault) error {
		defer s.answers.add(spoil)()
		<-ctx.Done()
		return nil
	}
}

// skewAt is up to half an hour, in either direction.
func skewAt(amount float64) time.Duration {
	return time.Duration((amount*2 - 1) * float64(30*time.Minute)).Round(second)
}

func skewOf(amount float64) string { return fmt.Sprintf("by %v", skewAt(amount)) }

// jumps has Okta's clock jump, and jump back.
func jumps(ctx context.Context, s *stage, f fault) error {
	defer s.wrongs.jumped(time.Now(), skewAt(f.amount))
	defer s.answers.jump(skewAt(f.amount))()
	<-ctx.Done()
	return nil
}
