package main

import (
	"errors"
	"slices"
	"sync"
	"time"
)

const (
	// peakInterval is the time for which a peak is noted.
	peakInterval = 250 * time.Millisecond
	// flat is how many times as much memory the second half of a run may take as the first. A backlog that is kept in
	// memory would take twice as much.
	flat = 1.2
)

// peaks notes the peaks of a process's memory, one after the other.
type peaks struct {
	pid     int
	enough  chan struct{}
	watched chan struct{}
	once    sync.Once
	all     []uint64 // in bytes
	err     error
}

// watchPeaks begins to watch, until stop is called.
func watchPeaks(pid int) (*peaks, error) {
	p := &peaks{pid: pid, enough: make(chan struct{}), watched: make(chan struct{})}
	if err := resetPeak(pid); err != nil {
		return nil, err
	}
	go p.watch()
	return p, nil
}

func (p *peaks) watch() {
	defer close(p.watched)
	every := time.NewTicker(peakInterval)
	defer every.Stop()
	for over := false; !over; {
		select {
		case <-every.C:
		case <-p.enough:
			over = true
		}
		used, err := usageOf(p.pid)
		if err = errors.Join(err, resetPeak(p.pid)); err != nil {
			p.err = err
			return
		}
		p.all = append(p.all, used.Peak)
	}
}

// stop ends the watching and returns the peaks. There is at least one.
func (p *peaks) stop() ([]uint64, error) {
	p.once.Do(func() { close(p.enough) })
	<-p.watched
	return p.all, p.err
}

// growth is how many times as high the highest peak of the second half is as that of the first.
func growth(peaks []uint64) float64 {
	half := (len(peaks) + 1) / 2
	if half == len(peaks) {
		return 1
	}
	return float64(slices.Max(peaks[half:])) / float64(slices.Max(peaks[:half]))
}
