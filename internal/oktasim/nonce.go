package oktasim

import (
	"crypto/rand"
	"time"
)

const (
	// defaultNonceEvery is how often Okta renews its nonce, and nonceLives how many of these times a nonce works.
	defaultNonceEvery = 24 * time.Hour
	nonceLives        = 3
)

// nonces are those that proofs must bear.
type nonces struct {
	every   time.Duration
	current string
	// made is when each was made that may still work.
	made map[string]time.Time
}

// newest returns the current nonce, and makes a new one if it is time.
func (n *nonces) newest(now time.Time) string {
	if n.current == "" || now.Sub(n.made[n.current]) >= n.every {
		n.renew(now)
	}
	return n.current
}

func (n *nonces) renew(now time.Time) {
	n.current = rand.Text()
	n.made[n.current] = now
	for nonce := range n.made {
		if !n.works(nonce, now) {
			delete(n.made, nonce)
		}
	}
}

func (n *nonces) works(nonce string, now time.Time) bool {
	made, known := n.made[nonce]
	return known && now.Sub(made) < nonceLives*n.every
}

// RenewNonce makes a new nonce at once. If old, those before it work on for their time, as with Okta.
func (o *Org) RenewNonce(old bool) {
	o.signIn.mu.Lock()
	defer o.signIn.mu.Unlock()
	if !old {
		clear(o.signIn.nonces.made)
	}
	o.signIn.nonces.renew(o.cfg.Now())
}
