package main

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// fault is something that goes wrong for a while.
type fault struct {
	// n is its number in the schedule, from 1.
	n    int
	kind *kind
	// at is when it begins, by the schedule's clock, and lasts how long it is left alone.
	at, lasts time.Duration
	// workers are those that it is about, where it is about workers.
	workers []int
	// amount is within 0 and 1: how bad it is, where there are degrees.
	amount float64
}

func (f fault) String() string {
	return fmt.Sprintf("%9s  %d: %s for %s", clock(f.at), f.n, f.what(), f.lasts.Round(100*time.Millisecond))
}

// what names the fault and what it is about.
func (f fault) what() string {
	what := f.kind.name
	switch {
	case len(f.workers) == 1:
		what += fmt.Sprintf(", worker %d", f.workers[0]+1)
	case len(f.workers) > 1:
		what += ", both workers"
	}
	if f.kind.degree != nil {
		what += ", " + f.kind.degree(f.amount)
	}
	return what
}

// judgement is a time at which all faults are lifted and everything is compared.
type judgement struct{ at time.Duration }

func (j judgement) String() string { return fmt.Sprintf("%9s  everything is compared", clock(j.at)) }

// step is a fault or a judgement.
type step interface{ fmt.Stringer }

const (
	workers = 2
	// A bout of so many faults, or of more where one of them is a long outage, is followed by a pause in which
	// nothing is wrong, so that progress is made.
	boutFaults = 12
	// longOutage is as long as no bout is by itself.
	longOutage = 40 * time.Second
	// A pause is so many times as long as the mean time between two faults.
	shortestPause, longestPause = 1.5, 4.0
)

// schedule is what goes wrong when. It depends on nothing but the plan. Each kind of fault comes about
// as often as any other, in an order of its own, and they overlap but for the pauses.
func schedule(p plan) []step {
	random := rand.New(rand.NewPCG(p.seed, 0))
	between := func(least, most time.Duration) time.Duration {
		return least + time.Duration(random.Float64()*float64(most-least))
	}
	var steps []step
	number := 0
	var deck []*kind // what is left of a shuffled deck of all kinds
	judged := time.Duration(0)
	for at := time.Duration(0); ; {
		var bout []fault
		outage := time.Duration(0) // until when the bout's longest one lasts
		for len(bout) < boutFaults || at < outage {
			// Mostly in the midst of others, now and then after a while.
			at += between(p.every/10, p.every*19/10)
			if len(deck) == 0 {
				for _, i := range random.Perm(len(kinds)) {
					deck = append(deck, kinds[i])
				}
			}
			number++
			f := fault{n: number, kind: deck[0], at: at}
			deck = deck[1:]
			f.lasts = between(f.kind.shortest, f.kind.longest)
			f.workers = f.kind.whom(random)
			f.amount = random.Float64()
			if f.lasts > longOutage {
				outage = max(outage, at+f.lasts)
			}
			bout = append(bout, f)
		}
		at += between(p.every/10, p.every*19/10)
		for _, f := range bout {
			f.lasts = min(f.lasts, at-f.at)
			if f.at < p.length {
				steps = append(steps, f)
			}
		}
		if at >= p.length {
			return append(steps, judgement{p.length})
		}
		if at-judged >= p.judged {
			judged = at
			steps = append(steps, judgement{at})
		}
		at += between(time.Duration(shortestPause*float64(p.every)), time.Duration(longestPause*float64(p.every)))
	}
}

// clock renders a time since the beginning: 3:07.
func clock(d time.Duration) string {
	return fmt.Sprintf("%d:%02d", d/time.Minute, d%time.Minute/time.Second)
}
