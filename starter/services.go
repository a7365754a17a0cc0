package starter

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/prometheus/common/model"
	"github.com/spf13/cobra"

	"okta-collector/internal/config"
	"okta-collector/internal/okta"
	"okta-collector/internal/terminal"
)

func newServices() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "services [service or group...]",
		Short: "List what can be collected, what it needs and what it costs; with --estimate, what it would cost this org",
		Long: `Lists the services of the catalog, or those given by name or group: what OKTA_SERVICES can have. The
group is the smallest that a service is in; those that are chosen by name alone cost a request for each
user. "every" is how often the settings of this shell have a service pulled, and for services pulled by
changes also how often all of it is. "requests" is what a full pull costs.

--scopes prints the OAuth scopes that the services in OKTA_SERVICES need, or those given, one a line: what
a service app has to be granted. --estimate asks the org how many there are: at most five requests for each
list, within the share of its rate limit, which may take minutes. Where services are listed below others, such
as below each app, it asks below three, and takes these for all.`,
		Example: `  starter services identity
  starter services --scopes
  starter services --scopes default identity
  starter services --estimate default identity`,
		Args: func(_ *cobra.Command, names []string) error {
			for _, name := range names {
				if okta.Services().Choose(name) == nil {
					return fmt.Errorf("%q is neither a service nor a group; %s", name, okta.Suggestion(name, okta.Groups()...))
				}
			}
			return nil
		},
	}
	asJSON := outputFlag(cmd)
	scopes := cmd.Flags().Bool("scopes", false, "print the OAuth scopes that are needed, one a line")
	estimate := cmd.Flags().Bool("estimate", false, "ask the org how many there are, and say what they cost")
	cmd.MarkFlagsMutuallyExclusive("scopes", "estimate")
	cmd.RunE = func(cmd *cobra.Command, names []string) error {
		if *estimate {
			return showEstimate(cmd, names, *asJSON)
		}
		of, err := servicesOf(tenantFlag(cmd))
		if err != nil {
			return err
		}
		if *scopes {
			return showScopes(cmd.OutOrStdout(), named(names, of.Chosen).Scopes(), *asJSON)
		}
		var rows []serviceRow
		for _, c := range named(names, okta.ServiceNames()) {
			rows = append(rows, newServiceRow(c, of.Intervals))
		}
		out := cmd.OutOrStdout()
		return show(out, *asJSON, rows, func() string { return renderServices(rows, terminal.Width(out)) })
	}
	return cmd
}

// servicesOf returns what the settings say of a tenant; of the first one if none is named.
func servicesOf(tenant string) (config.Services, error) {
	all, err := config.LoadServices()
	if err != nil {
		return config.Services{}, usage(err)
	}
	for _, s := range all {
		if tenant == "" || s.Tenant == tenant {
			return s, nil
		}
	}
	return config.Services{}, usagef("tenant %q is not in COLLECTOR_TENANTS", tenant)
}

// named returns the collections that names and groups stand for, in the catalog's order; without any, those of default names.
func named(names, without []string) okta.Catalog {
	if len(names) == 0 {
		names = without
	}
	return okta.Services().Choose(names...)
}

func showScopes(out io.Writer, scopes []string, asJSON bool) error {
	return show(out, asJSON, scopes, func() string { return strings.Join(scopes, "\n") })
}

// serviceRow is what is known of a service without asking its org.
type serviceRow struct {
	Service string   `json:"service"`
	Table   string   `json:"table"`
	Scopes  []string `json:"scopes"` // with those of the lists that it is below
	// Groups are all that the service is in, the smallest first; none if it is chosen by name.
	Groups []string `json:"groups"`
	Path   string   `json:"path"`
	// Asked says how it is listed, and Requests what a full pull costs.
	Asked    string `json:"asked"`
	Requests string `json:"requests"`
	// EverySeconds is the time between pulls, and FullSeconds that between full pulls; 0 for the System Log.
	EverySeconds float64 `json:"everySeconds"`
	FullSeconds  float64 `json:"fullSeconds,omitempty"`
}

func newServiceRow(c okta.Collection, intervals okta.Config) serviceRow {
	r := serviceRow{
		Service: c.Name, Table: c.Table, Scopes: okta.Catalog{c}.Scopes(), Groups: []string{}, Path: c.Path, Asked: asked(c), Requests: requests(c),
		EverySeconds: intervals.Interval(c).Seconds(), FullSeconds: intervals.FullInterval(c).Seconds(),
	}
	for _, group := range okta.Groups() {
		if c.In(group) {
			r.Groups = append(r.Groups, group)
		}
	}
	return r
}

// asked says how a collection is listed.
func asked(c okta.Collection) string {
	if c.Polled {
		return "polls"
	}
	how, changes := "a list", c.Changed != nil
	var below []string
	for _, level := range c.Under {
		name := level.Of
		switch {
		case name == "":
			name = fmt.Sprintf("%d kinds", len(level.Values))
		case level.Where.Member != "":
			name += " of some kinds"
		}
		below, changes = append(below, name), changes || level.Changed != nil
	}
	if below != nil {
		how = "for each of " + strings.Join(below, ", ")
	}
	if changes {
		how += "; changes"
	}
	return how
}

// requests says what a full pull costs.
func requests(c okta.Collection) string {
	each, kinds := "", 1
	for _, level := range c.Under {
		if level.Of != "" {
			each = level.Of
		} else {
			kinds = len(level.Values)
		}
	}
	switch {
	case each != "":
		return "1 for each"
	case c.Limit > 0 && kinds == 1:
		return fmt.Sprintf("1 for each %d", c.Limit)
	}
	return fmt.Sprint(kinds)
}

// group is the smallest group of a service.
func (r serviceRow) group() string { return append(r.Groups, "by name")[0] }

// every says how often a service is pulled, and how often all of it.
func (r serviceRow) every() string {
	text := pause(r.EverySeconds)
	if r.FullSeconds > r.EverySeconds {
		text += ", all " + pause(r.FullSeconds)
	}
	return text
}

func pause(seconds float64) string {
	return model.Duration(time.Duration(seconds * float64(time.Second))).String()
}

// renderServices returns the table of services. A narrow terminal has no scopes, and a narrower one no tables.
func renderServices(rows []serviceRow, width int) (shown string) {
	t := newTable("service", "group", "asked for", "every", "requests", "table", "scopes")
	for _, r := range rows {
		t.AppendRow(table.Row{r.Service, r.group(), r.Asked, r.every(), r.Requests, r.Table, strings.Join(r.Scopes, " ")})
	}
	expendable := []string{"scopes", "table", "asked for"}
	for hidden := range len(expendable) + 1 {
		var configs []table.ColumnConfig
		for i, name := range expendable {
			configs = append(configs, table.ColumnConfig{Name: name, Hidden: i < hidden})
		}
		t.SetColumnConfigs(configs)
		if shown = t.Render(); text.LongestLineLen(shown) <= width {
			break
		}
	}
	return shown
}
