package starter

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"okta-collector/activities"
	"okta-collector/internal/config"
	"okta-collector/internal/okta"
	"okta-collector/internal/terminal"
	"okta-collector/workflows"
)

// estimated is what a service would cost an org.
type estimated struct {
	Tenant  string `json:"tenant"`
	Service string `json:"service"`
	// Objects are those of a full pull, and Requests what it takes. AtLeast: there are more, of which not all were counted.
	// Sampled: three parents stand for all.
	Objects  int  `json:"objects"`
	Requests int  `json:"requests"`
	AtLeast  bool `json:"atLeast,omitempty"`
	Sampled  bool `json:"sampled,omitempty"`
	// Minutes is how long a full pull takes if the collector does nothing else at this endpoint; 0 if Okta shows no limit.
	Minutes float64 `json:"minutes"`
	// RequestsADay and ActionsADay are for a day in which nothing changes; actions are Temporal's billable ones.
	RequestsADay float64 `json:"requestsADay"`
	ActionsADay  float64 `json:"actionsADay"`
	NotInOrg     bool    `json:"notInOrg,omitempty"`
	Error        string  `json:"error,omitempty"`
	problem      workflows.Problem
}

const (
	oneDay = 24 * time.Hour
	// idlePolls is how many times rarer the polls of an idle System Log get.
	idlePolls = 6
	// pullActions is what each pull costs in actions without its checkpoints: a timer and an activity.
	pullActions = 2
)

// showEstimate asks the orgs of the settings, and prints what the services named would cost them; without names, those of
// OKTA_SERVICES.
func showEstimate(cmd *cobra.Command, names []string, asJSON bool) error {
	cfg, err := loadTenants(cmd)
	if err != nil {
		return err
	}
	said := func(format string, args ...any) { fmt.Fprintf(cmd.ErrOrStderr(), "starter: "+format+"\n", args...) }
	all, failed := []estimated{}, 0
	for _, t := range cfg.Tenants {
		of, err := estimateTenant(cmd.Context(), t, named(names, t.Services), said)
		if err != nil {
			return err
		}
		all = append(all, of...)
	}
	for _, e := range all {
		if e.Error != "" {
			failed++
		}
	}
	out := cmd.OutOrStdout()
	err = show(out, asJSON, all, func() string { return renderEstimate(all, terminal.Width(out)) })
	if err == nil && failed > 0 {
		err = fmt.Errorf("%d of %d services cannot be estimated", failed, len(all))
	}
	return err
}

// estimateTenant estimates services of a tenant. It goes on after a failure. It says what it waits for.
func estimateTenant(ctx context.Context, t config.Tenant, services okta.Catalog, said func(format string, args ...any)) (all []estimated, err error) {
	org, err := okta.New(t.Okta)
	if err != nil {
		return nil, err
	}
	survey := org.Survey()
	defer survey.Close()
	survey.Waiting = func(path string, wait time.Duration) {
		said("%s: waits %s for the rate limit of %s", t.Name, wait.Round(time.Second), path)
	}
	for i, c := range services {
		if i > 0 && i%10 == 0 {
			said("%s: %d of %d services", t.Name, i, len(services))
		}
		e := estimated{Tenant: t.Name, Service: c.Name}
		found, err := survey.Estimate(ctx, c.Name)
		switch {
		case ctx.Err() != nil:
			return nil, context.Cause(ctx)
		case err != nil:
			e.failed(err)
		default:
			e.cost(c, found, t.Okta)
		}
		all = append(all, e)
	}
	return all, nil
}

// failed records why a service cannot be estimated. One that the org has not got is asked for once a day.
func (e *estimated) failed(err error) {
	e.problem = activities.ProblemOf(err)
	if e.NotInOrg = e.problem.Class == workflows.ClassNotInOrg; e.NotInOrg {
		e.RequestsADay, e.ActionsADay = float64(oneDay/workflows.NotInOrgRetry), pullActions*float64(oneDay/workflows.NotInOrgRetry)
	} else {
		e.Error = e.problem.String()
	}
}

// cost fills in what follows from the numbers of objects and requests.
func (e *estimated) cost(c okta.Collection, found okta.Estimate, intervals okta.Config) {
	e.Objects, e.Requests, e.AtLeast, e.Sampled = found.Objects, found.Requests, found.AtLeast, found.Sampled
	if found.Limit.PerMinute > 0 {
		e.Minutes = float64(e.Requests) / float64(found.Limit.PerMinute)
	}
	if c.Polled {
		e.Objects, e.Requests, e.Minutes = 0, 0, 0 // it has no end
		e.RequestsADay = perDay(idlePolls * intervals.Interval(c))
		e.ActionsADay = e.RequestsADay * pullActions
		return
	}
	full := perDay(intervals.FullInterval(c))
	changes := perDay(intervals.Interval(c)) - full
	e.RequestsADay = full*float64(e.Requests) + changes
	e.ActionsADay = full*float64(pullActions+e.checkpoints()) + changes*pullActions
}

// checkpoints is how many a full pull takes: one before anything is sent, and one for each page. The result of the slice is
// the last one. Where pages follow each other quickly, one checkpoint covers several.
func (e *estimated) checkpoints() int {
	if e.Objects == 0 {
		return max(e.Requests-1, 0)
	}
	return e.Requests
}

func perDay(every time.Duration) float64 { return float64(oneDay) / float64(max(every, time.Second)) }

// assumptions is what the numbers do not know, below the table.
const assumptions = "Objects and requests are of one full pull; ~ three parents stand for all; + there are more than were counted, which is " +
	"at most five pages of a list. Minutes: with all of the share of the endpoint's limit. A day: nothing changes and no event comes; a busy System Log " +
	"takes up to six times as many requests. Actions are those that Temporal Cloud bills, without the claims of services that share a limit: " +
	"about one for each of their pulls."

// renderEstimate returns the table of the estimates, with their sum, and what is wrong below it.
func renderEstimate(all []estimated, width int) string {
	t := newTable("tenant", "service", "objects", "requests", "minutes", "requests a day", "actions a day", "remark")
	var configs []table.ColumnConfig
	for _, name := range []string{"objects", "requests", "minutes", "requests a day", "actions a day"} {
		configs = append(configs, table.ColumnConfig{Name: name, Align: text.AlignRight, AlignHeader: text.AlignRight})
	}
	t.SetColumnConfigs(configs)
	var notes []note
	requests, actions := 0.0, 0.0
	for _, e := range all {
		name := strings.TrimSpace(e.Tenant + " " + e.Service)
		requests, actions = requests+e.RequestsADay, actions+e.ActionsADay
		row := table.Row{e.Tenant, e.Service, e.mark(e.Objects), e.mark(e.Requests), minutes(e.Minutes), whole(e.RequestsADay), whole(e.ActionsADay), ""}
		switch {
		case e.Requests == 0 && e.problem == (workflows.Problem{}): // the System Log
			row = table.Row{e.Tenant, e.Service, "-", "-", "-", whole(e.RequestsADay), whole(e.ActionsADay), "polls"}
		case e.NotInOrg:
			row = table.Row{e.Tenant, e.Service, "-", "-", "-", whole(e.RequestsADay), whole(e.ActionsADay), "not in this org"}
		case e.Error != "":
			row = table.Row{e.Tenant, e.Service, "-", "-", "-", "-", "-", "see below"}
			notes = append(notes, problemNote(name, e.problem))
		}
		t.AppendRow(row)
	}
	t.AppendRow(table.Row{"", "all", "", "", "", whole(requests), whole(actions), ""})
	return t.Render() + "\n\n" + terminal.Wrap(assumptions, 0, width) + renderNotes(notes, time.Now(), width)
}

// mark is a number with a sign for how well it is known.
func (e estimated) mark(n int) string {
	text := humanize.Comma(int64(n))
	if e.Sampled {
		text = "~" + text
	}
	if e.AtLeast {
		text += "+"
	}
	return text
}

func minutes(m float64) string {
	switch {
	case m == 0:
		return "-"
	case m < 1:
		return "<1"
	}
	return whole(m)
}

func whole(n float64) string { return humanize.Comma(int64(math.Round(n))) }
