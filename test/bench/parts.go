package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/dustin/go-humanize"

	"okta-collector/test/distance"
)

// parts are what is measured, in this order.
var parts = []struct {
	name    string
	measure func(*bench, context.Context) error
}{
	{"files", (*bench).files},
	{"tls-0", away{rtt: 0, ratio: 0.8}.measure},
	{"tls-20", away{rtt: 20 * time.Millisecond}.measure},
	{"tls-100", away{rtt: 100 * time.Millisecond, ratio: 0.5, speed: 5000}.measure},
	{"tls-150", away{rtt: 150 * time.Millisecond, ratio: 0.5, speed: 5000}.measure},
	{"both-away", (*bench).bothAway},
	{"large-files", (*bench).largeFiles},
	{"large-tls-150", (*bench).largeTLS},
	{"live-100", (*bench).liveEvents},
	{"actions", (*bench).actionsOfAMillion},
	{"allocations", (*bench).allocations},
}

func partNames() (names []string) {
	for _, p := range parts {
		names = append(names, p.name)
	}
	return names
}

// bench is a run under way.
type bench struct {
	*stage
	plan
	out io.Writer
	// part is the name of the one that is measured.
	part string
	rows []row
	all  []*series
	// large are the runs of a large backlog, by their names: two parts look at each.
	large map[string]*series
	orgs  map[int]*org // by events
	devo  *receiver
	wires map[string]*distance.Wire // by round trip time and target
}

// run measures, shows what it is at, and ends with a table. Its error says which targets are missed.
func run(ctx context.Context, out io.Writer, p plan) error {
	return onStage(ctx, out, func(ctx context.Context, s *stage) (err error) {
		b := &bench{stage: s, plan: p, out: out, large: map[string]*series{}, orgs: map[int]*org{}, wires: map[string]*distance.Wire{}}
		if b.devo, err = startReceiver(filepath.Join(s.dir, "certificates")); err != nil {
			return err
		}
		defer b.devo.close()
		defer func() {
			for _, w := range b.wires {
				_ = w.Close()
			}
		}()
		for _, part := range parts {
			if !slices.Contains(p.only, part.name) {
				continue
			}
			b.part = part.name
			fmt.Fprintln(out, part.name)
			if err := part.measure(b, ctx); err != nil {
				if ctx.Err() != nil {
					return errors.New("interrupted")
				}
				return fmt.Errorf("%s: %w", part.name, err)
			}
		}
		fmt.Fprintf(out, "\nMedians, %s bytes an event:\n\n%s\n\n%s\n\n", humanize.Comma(int64(p.eventBytes)), renderSeries(b.all), renderRows(b.rows))
		return judge(b.rows)
	})
}

// inTurns measures series in turns.
func (b *bench) inTurns(ctx context.Context, all ...*series) error {
	b.all = append(b.all, all...)
	for round := range b.rounds {
		fmt.Fprintf(b.out, " round %d of %d\n", round+1, b.rounds)
		for _, s := range all {
			if err := s.measure(ctx, b.out); err != nil {
				return err
			}
		}
	}
	return nil
}

// add adds a row of the present part.
func (b *bench) add(r row) {
	r.part = b.part
	b.rows = append(b.rows, r)
}

// org is the one with so many events. It runs until the end.
func (b *bench) org(ctx context.Context, events int) (*org, error) {
	if o := b.orgs[events]; o != nil {
		return o, nil
	}
	o, err := b.startOrg(ctx, fmt.Sprintf("oktasim-%d", events), events, b.eventBytes)
	if err != nil {
		return nil, err
	}
	b.orgs[events] = o
	return o, nil
}

// wire is the beginning of one with a round trip time to an address. It stays until the end.
func (b *bench) wire(rtt time.Duration, target string) (address string, err error) {
	key := rtt.String() + " " + target
	if b.wires[key] == nil {
		if b.wires[key], err = distance.Listen(rtt, target); err != nil {
			delete(b.wires, key)
			return "", err
		}
	}
	return b.wires[key].Address(), nil
}
