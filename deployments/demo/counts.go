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
	// before has the events that earlier runs have collected, by workflow id. This run's Devo stand-in has not seen them.
	before map[string]int64
	devo   devosim.Report
}

// of returns how many events of a service this run has collected, and what arrived in Devo. More may have arrived: a
// batch under way, what a killed worker sent, or a backfill.
func (n counts) of(c status.Collector) (collected int64, arrived devosim.TagStats) {
	service, _ := okta.Lookup(c.Service)
	return c.Checkpoint.Totals.Events - n.before[c.ID], n.devo.Tags[service.Table]
}

// line shows both counts of each service that is collected by default, and the sum of all others.
func (n counts) line() string {
	var services []string
	var collectedOfOthers int64
	var arrivedOfOthers devosim.TagStats
	count := 0
	for _, c := range n.services {
		collected, arrived := n.of(c)
		if service, _ := okta.Lookup(c.Service); service.In(okta.GroupDefault) {
			services = append(services, said(c.Service, collected, arrived))
			continue
		}
		count++
		collectedOfOthers += collected
		arrivedOfOthers.Distinct, arrivedOfOthers.Repeated = arrivedOfOthers.Distinct+arrived.Distinct, arrivedOfOthers.Repeated+arrived.Repeated
	}
	if count > 0 {
		services = append(services, said(fmt.Sprintf("%d others", count), collectedOfOthers, arrivedOfOthers))
	}
	return "Arrived in Devo/collected, in this run: " + strings.Join(services, ", ")
}

// said shows what arrived and what was collected.
func said(what string, collected int64, arrived devosim.TagStats) string {
	text := fmt.Sprintf("%s %s/%s", what, humanize.Comma(arrived.Distinct), humanize.Comma(collected))
	if arrived.Repeated > 0 {
		text += fmt.Sprintf(" (%s repeated)", humanize.Comma(arrived.Repeated))
	}
	return text
}

// disagreement returns an error if events are missing or malformed in Devo after the worker has stopped.
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
