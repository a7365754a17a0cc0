package devo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"okta-collector/internal/checkpoint"
)

// proofs has all proofs, the weakest first. "" is none.
var proofs = []checkpoint.Proof{"", checkpoint.ProofKernel, checkpoint.ProofLateFIN, checkpoint.ProofFIN, checkpoint.ProofCloseNotify}

// better reports whether a proves more than b.
func better(a, b checkpoint.Proof) bool { return slices.Index(proofs, a) > slices.Index(proofs, b) }

// weak reports whether a proxy, a sidecar or a balancer can give a proof for a server that has read nothing.
func weak(p checkpoint.Proof) bool { return p != "" && better(checkpoint.ProofFIN, p) }

const (
	// A server with a weak proof is asked for a better one, first after firstLook, and then more and more rarely.
	firstLook, longestLook = time.Minute, 10 * time.Minute
	// reminder is how often a service warns of a weak proof. Its status shows a warning for an hour.
	reminder = 30 * time.Minute
	// questions is how many empty connections must agree before a weak proof is accepted.
	questions = 3
)

// knowledge is what the streams of a sink know together of their server's proofs.
type knowledge struct {
	looking chan struct{} // has room for the one that asks the server

	mu     sync.Mutex
	proven checkpoint.Proven
	pause  time.Duration        // between the last look at the server and the next one
	look   time.Time            // when the next one is due, if the proof is weak
	warned map[string]time.Time // when a stream of each name last warned of a weak proof
}

func newKnowledge(server string) *knowledge {
	return &knowledge{looking: make(chan struct{}, 1), proven: checkpoint.Proven{ProofOf: server}, warned: make(map[string]time.Time)}
}

// recall adds what a checkpoint knows. A newer reset discards everything that was known before.
func (k *knowledge) recall(p checkpoint.Proven) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if p.ProofReset.After(k.proven.ProofReset) {
		k.proven.Proof, k.proven.ProofReset = "", p.ProofReset
	}
	if p.ProofOf == k.proven.ProofOf && p.ProofReset.Equal(k.proven.ProofReset) && better(p.Proof, k.proven.Proof) {
		k.proven.Proof = p.Proof
	}
}

// best returns the best proof so far. due reports whether it is weak and it is time to look for a better one.
func (k *knowledge) best() (best checkpoint.Proof, due bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.proven.Proof, weak(k.proven.Proof) && !time.Now().Before(k.look)
}

// learn adds a proof that the server gave, and returns the best one.
func (k *knowledge) learn(p checkpoint.Proof) checkpoint.Proof {
	k.mu.Lock()
	defer k.mu.Unlock()
	if better(p, k.proven.Proof) {
		k.proven.Proof = p
	}
	return k.proven.Proof
}

// asked records that the server was asked.
func (k *knowledge) asked() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pause = min(max(2*k.pause, firstLook), longestLook)
	k.look = time.Now().Add(k.pause)
}

// remind reports whether a stream of this name is to warn of a weak proof again.
func (k *knowledge) remind(name string) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if time.Since(k.warned[name]) < reminder {
		return false
	}
	k.warned[name] = time.Now()
	return true
}

func (k *knowledge) get() checkpoint.Proven {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.proven
}

// expected returns the proof that a batch needs: the best one that the server ever gave. If that is unknown, expected asks
// the server first, so that nothing is sent to a server that could not confirm it. If it is weak, the server is asked now
// and then beside the batches.
func (s *syslogSink) expected(ctx context.Context) (checkpoint.Proof, error) {
	if s.cfg.Confirm == ConfirmKernel {
		return checkpoint.ProofKernel, nil
	}
	best, due := s.known.best()
	switch {
	case better(s.least, best):
		select {
		case s.known.looking <- struct{}{}:
		case <-ctx.Done():
			return "", ctx.Err()
		}
		defer func() { <-s.known.looking }()
		if best, _ = s.known.best(); better(s.least, best) { // no other stream has asked meanwhile
			return s.look(ctx)
		}
	case due:
		select {
		case s.known.looking <- struct{}{}:
			go func() {
				defer func() { <-s.known.looking }()
				// It takes longer than a slice that finds little. After an error, what is known still counts.
				_, _ = s.look(context.WithoutCancel(ctx))
			}()
		default: // another stream asks
		}
	}
	return best, nil
}

// look asks the server for its best proof, and returns the best one that is known then.
func (s *syslogSink) look(ctx context.Context) (checkpoint.Proof, error) {
	got, err := s.ask(ctx)
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	s.known.asked()
	if err != nil {
		return "", err
	}
	if better(s.least, got) {
		return "", &Error{Remedy: acceptLess, Err: fmt.Errorf("the server %s: that does not prove that it reads what it is sent", s.told(got, s.timeouts.unanswered))}
	}
	best := s.known.learn(got)
	if best == checkpoint.ProofFIN && s.secured {
		s.cfg.Log.Warn("the server ends TLS without close_notify: a connection that was cut on the way "+
			"looks the same as one that the server has read", zap.String("server", s.address))
	}
	return best, nil
}

// told says what the server did that gave a proof, after it was waited for.
func (s *syslogSink) told(p checkpoint.Proof, waited time.Duration) string {
	switch {
	case p == checkpoint.ProofCloseNotify:
		return s.address + " closed its side with close_notify"
	case p == checkpoint.ProofLateFIN:
		return s.address + " closed its side without close_notify, and only after our FIN"
	case p == checkpoint.ProofFIN && s.secured:
		return s.address + " closed its side without close_notify"
	case p == checkpoint.ProofFIN:
		return s.address + " closed its side"
	case p == checkpoint.ProofKernel:
		return fmt.Sprintf("%s did not close its side within %s; only its kernel has acknowledged all bytes", s.address, waited)
	}
	return fmt.Sprintf("%s did not close its side within %s", s.address, waited)
}

// ask finds out how the server closes, with connections that send nothing. close_notify counts the first time: only the
// server can send it. A connection that was cut ends with a FIN, so over TLS a FIN counts the second time. Anything weaker
// must come three times, because a server that stalls for a moment looks the same.
func (s *syslogSink) ask(ctx context.Context) (checkpoint.Proof, error) {
	type answer struct {
		proof checkpoint.Proof
		err   error
	}
	answers := make(chan answer, questions)
	var asking sync.WaitGroup
	defer asking.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	count := make(map[checkpoint.Proof]int)
	for begun, answered := 0, 0; answered < questions; {
		var another <-chan time.Time
		if begun < questions {
			begun++
			asking.Go(func() {
				proof, err := s.askOnce(ctx)
				answers <- answer{proof, err}
			})
			another = time.After(s.timeouts.stagger)
		}
		select {
		case a := <-answers:
			answered++
			count[a.proof]++
			enough := a.proof == checkpoint.ProofCloseNotify || a.proof == checkpoint.ProofFIN && (!s.secured || count[a.proof] == 2)
			if a.err != nil || enough || count[a.proof] == questions {
				return a.proof, a.err
			}
		case <-another:
		}
	}
	return "", errors.New("the server closed empty connections in different ways: something on the way cuts them or holds them up")
}

// askOnce closes a connection that has sent nothing, and returns how the server closed it.
func (s *syslogSink) askOnce(ctx context.Context) (checkpoint.Proof, error) {
	c, err := s.connect(ctx)
	if err != nil {
		return "", err
	}
	if err := c.closeWrite(ctx, false); err != nil {
		c.release()
		return "", fmt.Errorf("closing the connection to %s: %w", s.address, err)
	}
	return s.awaitClose(ctx, c, s.timeouts.unanswered, "")
}
