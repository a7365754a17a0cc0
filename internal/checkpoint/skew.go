package checkpoint

import "time"

// MaxSkew is how far Okta's clock may differ from Temporal's until Okta's is not believed.
const MaxSkew = 10 * time.Minute

// Believed reports whether a time of Okta's clock is believed at a time of Temporal's.
func Believed(okta, temporal time.Time) bool { return okta.Sub(temporal).Abs() <= MaxSkew }

// WithoutFuture returns p without the times from the future that an earlier version took from Okta's Date. now is the
// present by Temporal's clock. had: there was such a time.
//
// A pull that is under way begins again, but a poll of the System Log only loses its time: its cursor is good. Without the
// time of the last pulls, the next one is full. Without Newest, a log that has lost its cursor begins where it began at first.
func (p Position) WithoutFuture(now time.Time) (mended Position, had bool) {
	latest := now.Add(MaxSkew)
	if p.LastPullID > latest.UnixMilli() {
		p.LastPullID, had = 0, true
	}
	if p.ChangedSince.After(latest) || p.LastFull.After(latest) {
		p.ChangedSince, p.LastFull, had = time.Time{}, time.Time{}, true
	}
	if p.Newest.After(latest) {
		p.Newest, p.Seen, had = time.Time{}, nil, true
	}
	pull := p.Pull
	switch {
	case pull == nil || pull.ID <= latest.UnixMilli() && !pull.Began.After(latest) && !pull.Since.After(latest):
		return p, had
	case pull.Kind == PullPoll:
		p.Pull = nil
	default:
		p = p.BetweenPulls()
	}
	return p, true
}
