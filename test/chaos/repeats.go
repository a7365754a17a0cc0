package main

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/dustin/go-humanize"

	"okta-collector/internal/devosim"
)

// size is a number of bytes that a flag gives as 16MiB.
type size int64

// Set implements pflag.Value.
func (s *size) Set(text string) error {
	n, err := humanize.ParseBytes(text)
	*s = size(n)
	return err
}

// String implements pflag.Value.
func (s size) String() string { return humanize.IBytes(uint64(s)) }

// Type implements pflag.Value.
func (s *size) Type() string { return "size" }

// onItsWay is how long after the end of an interrupted slice bytes of it may still arrive: stalled roads and suspended
// workers hold them up.
const onItsWay = 2 * time.Minute

// repeats notes what Devo got over syslog that it had before: the same object in the same pull. What goes over HTTP is left
// out; a whole pull of it is smaller than the bound.
type repeats struct {
	mu    sync.Mutex
	known map[delivery]struct{}
	again map[string][]repeat // by table, in the order of arrival
}

// delivery is an object of a pull, where it was shipped to.
type delivery struct {
	table    string
	identity devosim.Identity
	pull     int64
}

// repeat is an object that arrived again.
type repeat struct {
	at    time.Time
	bytes int
}

func newRepeats() *repeats {
	return &repeats{known: map[delivery]struct{}{}, again: map[string][]repeat{}}
}

// note is a hook of devosim's for each record.
func (r *repeats) note(a devosim.Arrival) {
	object, err := devosim.ParseObject(a.JSON)
	if err != nil {
		return // devosim has found that too, and says so
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	key := delivery{a.Tag, object.Identity, object.Pull}
	if _, before := r.known[key]; before {
		r.again[a.Tag] = append(r.again[a.Tag], repeat{a.At, len(a.JSON)})
	}
	r.known[key] = struct{}{}
}

// repeated is how much of a service was sent again.
type repeated struct {
	objects, interruptions int
	// most is the most after one interruption, in bytes.
	most int
}

// judge requires of a service that no more than the bound was sent again after each interruption: until the next one. What
// interruptions shortly before it left on its way may arrive then too, so each of them counts. ends are when slices of the
// service were interrupted.
func (r *repeats) judge(table string, ends []time.Time, bound size) (found repeated, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ends = slices.SortedFunc(slices.Values(ends), time.Time.Compare)
	after := make([]int, len(ends)+1) // the first is before all interruptions
	for _, again := range r.again[table] {
		last, _ := slices.BinarySearchFunc(ends, again.at, func(end, at time.Time) int {
			if end.After(at) {
				return 1
			}
			return -1
		})
		after[last] += again.bytes
	}
	found.objects, found.interruptions = len(r.again[table]), len(ends)
	var errs []error
	for n, bytes := range after {
		found.most = max(found.most, bytes)
		when, counted := "before any interruption", 1
		if n > 0 {
			end := ends[n-1]
			when, counted = "after the interruption at "+end.UTC().Format(stamp), 0
			for _, e := range ends[:n] {
				if end.Sub(e) < onItsWay {
					counted++
				}
			}
		}
		if int64(bytes) > int64(bound)*int64(counted) {
			errs = append(errs, fmt.Errorf("%s was sent again to %s %s, in which %d interruptions may have a part; %s are allowed for each",
				humanize.IBytes(uint64(bytes)), table, when, counted, bound))
		}
	}
	return found, errors.Join(errs...)
}

// judgeRepeats judges the services that ship over syslog. The backfills of the log count as the log.
func (s *stage) judgeRepeats(turns map[string][]turn, bound size) (map[string]repeated, error) {
	all := map[string]repeated{}
	var errs []error
	for _, service := range services {
		if slices.Contains(overHTTP, service) {
			continue
		}
		of := turns[service]
		if service == "logs" {
			of = slices.Concat(of, turns[backfill])
		}
		var ends []time.Time
		for _, t := range of {
			if t.interrupted {
				ends = append(ends, t.to)
			}
		}
		found, err := s.repeats.judge(tables[service], ends, bound)
		all[service] = found
		errs = append(errs, err)
	}
	return all, errors.Join(errs...)
}
