package activities

import (
	"cmp"
	"time"

	"okta-collector/internal/report"
	"okta-collector/workflows"
)

// report tells Devo what the slice did.
func (s *slice) report(end workflows.End, failed error) {
	if failed != nil {
		end = "failed"
	}
	before, after := s.in.Checkpoint.Totals, s.at.Totals
	var id int64
	if under := s.at.Position.Pull; under != nil {
		id, s.pull = under.ID, under.Kind
	} else if s.pull != "" {
		id = s.at.Position.LastPullID
	}
	// A slice that had no budget for a request did nothing.
	if s.reader.Requests() > 0 {
		s.tenant.Reports.Pull(s.source(), report.Pull{
			ID: id, Kind: string(s.pull), Complete: after.Pulls > before.Pulls, End: string(end), Requests: s.reader.Requests(),
			Events: after.Events - before.Events, Bytes: after.Bytes - before.Bytes, Pages: after.Pages - before.Pages, Cut: after.Cut - before.Cut,
			Dropped: after.Dropped - before.Dropped, Took: time.Since(s.began),
		})
	}
	for _, w := range s.warnings {
		s.tenant.Reports.Warning(s.source(), w.Message)
	}
}

// reportProblem tells Devo that the slice failed, and what to do.
func (s *slice) reportProblem(p workflows.Problem) {
	action := "nothing: it tries again by itself"
	switch p.Class {
	case workflows.ClassPerson:
		action = cmp.Or(p.Remedy, "fix what the message says") +
			"; it tries again by itself, every 15 minutes or more often, or at once after the signal resume"
	case workflows.ClassNotInOrg:
		action = cmp.Or(p.Remedy, "leave it out of OKTA_SERVICES, or have the feature enabled") + "; it looks again once a day"
	case workflows.ClassCursorRefused:
		action = "nothing: the pull starts again by itself, and some events are sent twice"
	}
	s.tenant.Reports.Problem(s.source(), string(p.Class), s.in.Tenant+"/"+s.in.Service+": "+p.String(), action, p.Class == workflows.ClassPerson)
}

func (s *slice) source() report.Source {
	return report.Source{Service: s.svc.Name, Workflow: s.target.Name}
}
