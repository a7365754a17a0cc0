package config

import (
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"okta-collector/internal/okta"
	"okta-collector/internal/secret"
)

// services returns the names of the services that OKTA_SERVICES chooses, in the catalog's order. An item is a service or a
// group, and one with a - before it leaves out. A list that only leaves out begins with the default.
func (t tenant) services() (chosen []string) {
	items, err := splitList(t.Services)
	switch {
	case err != nil:
		t.wrong("OKTA_SERVICES", "%v", err)
	case len(items) == 0:
		t.wrong("OKTA_SERVICES", "names no service; want services or groups of them: %s", strings.Join(okta.Groups(), ", "))
	}
	catalog := okta.Services()
	var wanted, unwanted []string
	for _, item := range items {
		name, leftOut := strings.CutPrefix(item, "-")
		if catalog.Choose(name) == nil {
			t.wrong("OKTA_SERVICES", "has %s, which is neither a service nor a group; %s", secret.Shown(name), okta.Suggestion(name, okta.Groups()...))
		}
		if leftOut {
			unwanted = append(unwanted, name)
		} else {
			wanted = append(wanted, name)
		}
	}
	if len(wanted) == 0 {
		wanted = []string{okta.GroupDefault}
	}
	all, left := catalog.Choose(wanted...), catalog.Choose(unwanted...)
	for _, c := range all {
		if _, out := left.Lookup(c.Name); !out {
			chosen = append(chosen, c.Name)
		}
	}
	if len(chosen) == 0 && len(all) > 0 {
		t.wrong("OKTA_SERVICES", "leaves out all that it names; want at least one service")
	}
	return chosen
}

// maxPoll is the longest time between two pulls in OKTA_POLL, which is also that of OKTA_FULL_SYNC.
const maxPoll = 30 * 24 * time.Hour

// poll returns the durations in OKTA_POLL by service.
func (t tenant) poll() map[string]time.Duration {
	items, err := splitList(t.Poll)
	if err != nil {
		t.wrong("OKTA_POLL", "%v", err)
	}
	pauses := map[string]time.Duration{}
	for _, item := range items {
		service, text, _ := strings.Cut(item, "=")
		service, text = strings.TrimSpace(service), strings.TrimSpace(text)
		collection, known := okta.Lookup(service)
		pause, err := ParseDuration(text)
		switch {
		case !known && slices.Contains(okta.Groups(), service):
			t.wrong("OKTA_POLL", "has the group %s; want service=duration,... with names of services", service)
		case !known:
			t.wrong("OKTA_POLL", "has %s, which is not a service; %s", secret.Shown(service), okta.Suggestion(service))
		case collection.Polled:
			t.wrong("OKTA_POLL", "has %s; want %s for it", service, t.variable("OKTA_POLL_LOGS"))
		case pauses[service] != 0:
			t.wrong("OKTA_POLL", "has %s twice", service)
		case err != nil || pause < time.Second || pause > maxPoll:
			t.wrong("OKTA_POLL", "gives %s the time %s; want a duration from 1s to %v", service, secret.Shown(text), model.Duration(maxPoll))
		default:
			pauses[service] = pause
		}
	}
	if len(pauses) == 0 {
		return nil
	}
	return pauses
}
