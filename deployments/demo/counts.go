package main

import (
	"fmt"
	"strings"

	"github.com/dustin/go-humanize"

	"okta-collector/internal/devosim"
	"okta-collector/internal/okta"
	"okta-collector/internal/status"
)

// counts are what both sides have counted at one moment.
type counts struct {
	services []status.Collector
	// before is how many events of each workflow id earlier runs have collected. The Devo stand-in of this run has not
	// seen them.
	before map[string]int64
	devo   devosim.Report
}

// of is how many events of a service were collected in this run, and how many arrived in Devo. More have arrived while
// they are under way, after a worker was killed, and in a backfill.
func (n counts) of(c status.Collector) (collected int64, arrived devosim.TagStats) {
	service, _ := okta.Lookup(c.Service)
	return c.Checkpoint.Totals.Events - n.before[c.ID], n.devo.Tags[service.Table]
}

// line has both sides of each service.
func (n counts) line() string {
	var services []string
	for _, c := range n.services {
		collected, arrived := n.of(c)
		said := fmt.Sprintf("%s %s/%s", c.Service, humanize.Comma(arrived.Distinct), humanize.Comma(collected))
		if arrived.Repeated > 0 {
			said += fmt.Sprintf(" (%s repeated)", humanize.Comma(arrived.Repeated))
		}
		services = append(services, said)
	}
	return "Arrived in Devo/collected, in this run: " + strings.Join(services, ", ")
}

// disagreement says where something is missing after the worker has stopped; nil if nowhere.
func (n counts) disagreement() error {
	var where []string
	for _, c := range n.services {
		if collected, arrived := n.of(c); arrived.Distinct < collected {
			where = append(where, fmt.Sprintf("%s: %d collected, %d arrived", c.Service, collected, arrived.Distinct))
		}
	}
	if n.devo.Malformed > 0 {
		where = append(where, fmt.Sprintf("%d records were malformed, such as %s", n.devo.Malformed, strings.Join(n.devo.Examples, "; ")))
	}
	if where == nil {
		return nil
	}
	return fmt.Errorf("the two sides disagree: %s", strings.Join(where, "; "))
}
