package main

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/checkpoint"
	"okta-collector/internal/devosim"
	"okta-collector/internal/okta"
	"okta-collector/internal/status"
	"okta-collector/workflows"
)

// collected is a service that has collected so many events in all runs.
func collected(service string, events int64) status.Collector {
	return status.Collector{ID: "okta/default/" + service, Status: workflows.Status{
		Service: service, Checkpoint: checkpoint.Checkpoint{Totals: checkpoint.Totals{Events: events}},
	}}
}

// example are logs, some of which Devo has twice, and users that had been collected before.
func example() counts {
	return counts{
		services: []status.Collector{collected("logs", 25_000), collected("users", 1_600)},
		before:   map[string]int64{"okta/default/users": 1_000},
		devo: devosim.Report{Tags: map[string]devosim.TagStats{
			"auth.okta.system": {Records: 26_000, Distinct: 25_000, Repeated: 1_000},
			"auth.okta.users":  {Records: 800, Distinct: 800},
		}},
	}
}

func TestTheStatusShowsBothSidesOfEachService(t *testing.T) {
	require.Equal(t, "Arrived in Devo/collected, in this run: logs 25,000/25,000 (1,000 repeated), users 800/600", example().line())
}

func TestTheStatusShowsTheSumOfServicesBeyondTheDefault(t *testing.T) {
	n := example()
	n.services = append(n.services, collected("roles", 5), collected("devices", 1_200))
	n.devo.Tags["my.app.okta.roles"] = devosim.TagStats{Distinct: 5, Repeated: 2}
	n.devo.Tags["my.app.okta.devices"] = devosim.TagStats{Distinct: 1_000}
	n.devo.Tags["my.app.okta.pulls"] = devosim.TagStats{Distinct: 60} // of no service
	require.Equal(t, "Arrived in Devo/collected, in this run: logs 25,000/25,000 (1,000 repeated), users 800/600, 2 others 1,005/1,205 (2 repeated)", n.line())
	require.ErrorContains(t, n.disagreement(), "devices: 1200 collected, 1000 arrived")
}

func TestNothingMayBeMissingInTheEnd(t *testing.T) {
	for name, test := range map[string]struct {
		arrived int64
		want    string // part of the error; none if empty
	}{
		"the same":     {arrived: 600},
		"less arrived": {arrived: 599, want: "users: 600 collected, 599 arrived"},
		"a killed worker had sent more, or a backfill": {arrived: 800},
	} {
		t.Run(name, func(t *testing.T) {
			n := example()
			n.devo.Tags["auth.okta.users"] = devosim.TagStats{Distinct: test.arrived}
			if test.want == "" {
				require.NoError(t, n.disagreement())
				return
			}
			require.ErrorContains(t, n.disagreement(), test.want)
		})
	}
}

func TestAMalformedRecordIsADisagreement(t *testing.T) {
	n := counts{devo: devosim.Report{Malformed: 2, Examples: []string{"one", "two"}}}
	require.ErrorContains(t, n.disagreement(), "2 records were malformed, such as one")
}

func TestTheWholePictureFitsIntoASmallTerminal(t *testing.T) {
	const width, height = 80, 24
	d := &demo{dir: ".demo", settings: settings{bin: "bin", ports: wellKnownPorts}, screen: plain(nil)}
	d.worker = &process{cmd: &exec.Cmd{Process: &os.Process{Pid: 4_194_304}}, exited: make(chan struct{})}
	r := reading{table: "COLLECTOR" + strings.Repeat("\na service", len(okta.Services())) + strings.Repeat("\na problem", 20)}
	for _, service := range okta.Services() {
		r.counts.services = append(r.counts.services, collected(service.Name, 123_456))
	}
	picture := d.picture(r, time.Now(), width, height)
	lines := strings.Split(picture, "\n")
	require.Less(t, len(lines), height)
	for _, line := range lines {
		require.Less(t, len(line), width)
	}
	require.True(t, strings.HasSuffix(picture, d.hints()), "nothing of the hints is cut")
	require.Contains(t, picture, strings.TrimSuffix(strings.Repeat("a service\n", 7), "\n"), "nor of the table")
}
