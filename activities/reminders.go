package activities

import (
	"sync"
	"time"

	"okta-collector/internal/expiry"
	"okta-collector/workflows"
)

// warnExpires begins the kind of the warning of a certificate. Each certificate has its own, since of each kind only the
// newest warning is kept.
const warnExpires = "certificate expires: "

// remindEvery is how often one service of a tenant warns of a certificate that ends soon: twice in the hour for which
// `starter status` shows a warning. All services would say the same.
const remindEvery = 30 * time.Minute

// reminders knows when the certificates of each tenant were last looked at.
type reminders struct {
	mu   sync.Mutex
	last map[string]time.Time
}

// of returns a warning for each certificate that ends soon, to one slice of the tenant at a time.
func (r *reminders) of(tenant string, certificates func() []expiry.Certificate, now time.Time) (warnings []workflows.Warning) {
	if certificates == nil || !r.due(tenant, now) {
		return nil
	}
	for _, c := range certificates() {
		if c.Soon(now) {
			warnings = append(warnings, workflows.Warning{Kind: warnExpires + c.For, Message: c.Warning()})
		}
	}
	return warnings
}

func (r *reminders) due(tenant string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if now.Sub(r.last[tenant]) < remindEvery {
		return false
	}
	if r.last == nil {
		r.last = make(map[string]time.Time)
	}
	r.last[tenant] = now
	return true
}
