package test

import (
	"sync"
	"testing"
)

// together runs subtests at the same time in the slot of -parallel that their test has. It is for subtests that wait for
// minutes: for a window of Okta's to end, or for another try. With t.Parallel each would hold a slot while it waits, and
// get one only after every other test has begun. No more than a dozen run at once, because their beginning takes CPU time
// that other tests need.
func together(t *testing.T, tests map[string]func(t *testing.T)) {
	var all sync.WaitGroup
	dozen := make(chan struct{}, 12)
	for name, test := range tests {
		all.Go(func() {
			dozen <- struct{}{}
			defer func() { <-dozen }()
			t.Run(name, test)
		})
	}
	all.Wait()
}
