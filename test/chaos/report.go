package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// begins notes a fault.
func (c *chaos) begins(f fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.active = append(c.active, f)
	fmt.Fprintf(c.log, "%s begins %s\n", time.Now().UTC().Format(stamp), f)
}

// ends notes its end.
func (c *chaos) ends(f fault) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.active = slices.DeleteFunc(c.active, func(a fault) bool { return a.n == f.n })
	fmt.Fprintf(c.log, "%s ends   %s\n", time.Now().UTC().Format(stamp), f)
}

func (c *chaos) setComparing(now bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.comparing = now
}

// report shows how far the run is, until ctx ends.
func (c *chaos) report(ctx context.Context) {
	every := time.NewTicker(time.Second)
	defer every.Stop()
	for {
		select {
		case <-every.C:
			c.screen.show(c.status())
		case <-ctx.Done():
			return
		}
	}
}

// status is how far the run is, in one line.
func (c *chaos) status() string {
	logs := c.devo.Stats()[tables["logs"]]
	c.mu.Lock()
	defer c.mu.Unlock()
	state := "nothing is wrong"
	switch {
	case c.comparing:
		state = "everything is compared"
	case len(c.active) > 0:
		var names []string
		for _, f := range c.active {
			names = append(names, f.what())
		}
		state = strings.Join(names, "; ")
	}
	return fmt.Sprintf("%s of %s  %d faults  %s of %s events delivered, %s sent again  %s", clock(c.at), clock(c.plan.length), c.watch.faults(),
		humanize.Comma(logs.Distinct), humanize.Comma(int64(c.org.Count("logs"))), humanize.Comma(logs.Repeated), state)
}

// table is what came of it all.
func (c *chaos) table() string {
	faults := newTable("fault", "times", "longest recovery")
	total, longest := 0, time.Duration(0)
	for _, k := range kinds {
		times, recovery := c.watch.of(k)
		total, longest = total+times, max(longest, recovery)
		if times > 0 {
			faults.AppendRow(table.Row{k.name, times, seconds(recovery)})
		}
	}
	faults.AppendFooter(table.Row{"all", total, seconds(longest)})

	sums := newTable("collected", "made", "delivered", "lost", "sent again", "full pulls", "interruptions", "most again after one")
	stats := c.devo.Stats()
	for _, v := range c.verdicts {
		arrived, pulls, interruptions, most := stats[tables[v.service]], "", "", ""
		again := humanize.Comma(arrived.Repeated)
		if found, looked := c.repeated[v.service]; looked {
			// Devo's own count does not tell the live log from a backfill. This one does.
			again, interruptions, most = comma(found.objects), comma(found.interruptions), humanize.IBytes(uint64(found.most))
		}
		if v.service != "logs" {
			pulls = humanize.Comma(arrived.Pulls)
		}
		sums.AppendRow(table.Row{v.service, comma(v.made), comma(v.made - v.lost), comma(v.lost), again, pulls, interruptions, most})
	}

	of, _ := c.wrongs.judge(c.org.Windows())
	var below strings.Builder
	fmt.Fprintf(&below, "\n\nit took %v, of which faults began in %v", time.Since(c.began).Round(time.Second), c.plan.length)
	fmt.Fprintf(&below, "\nDevo was %v away; after each interruption of a slice over syslog %v may be sent again", c.plan.distance, c.plan.repeats)
	if c.late >= 0 {
		fmt.Fprintf(&below, "\n%s requests; %s of them reached Okta late, when their worker's slice was over, and no worker read on after one: no service was read by two at once", comma(len(c.requests)), comma(c.late))
	}
	fmt.Fprintf(&below, "\n%s HTTP requests were refused as too large", humanize.Comma(c.devo.Connections().TooLarge))
	for _, p := range []*program{c.temporal, c.workers[0].program, c.workers[1].program} {
		pids, unwanted := p.life()
		fmt.Fprintf(&below, "\n%s was started %d times", p.name, len(pids))
		if len(unwanted) > 0 {
			fmt.Fprintf(&below, "; it ended by itself %d times: %s", len(unwanted), strings.Join(unwanted, ", "))
		}
	}
	recovery := "\nrecovery: from the end of the last fault under way to the next new log event; the aim is 30 s"
	return faults.Render() + recovery + "\n\n" + sums.Render() + "\n\n" + windowsTable(of) + below.String()
}

func comma(n int) string { return humanize.Comma(int64(n)) }

// newTable is a table without lines, whose columns but the first are numbers.
func newTable(header ...any) table.Writer {
	t := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", "  "
	style.Format.Header, style.Format.Footer = text.FormatDefault, text.FormatDefault
	t.SetStyle(style)
	t.SuppressTrailingSpaces()
	t.AppendHeader(header)
	var columns []table.ColumnConfig
	for number := 2; number <= len(header); number++ {
		columns = append(columns, table.ColumnConfig{Number: number, Align: text.AlignRight, AlignHeader: text.AlignRight, AlignFooter: text.AlignRight})
	}
	t.SetColumnConfigs(columns)
	return t
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
