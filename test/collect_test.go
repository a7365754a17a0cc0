package test

import (
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"okta-collector/internal/oktasim"
	"okta-collector/workflows"
)

var discard = slog.New(slog.DiscardHandler)

// slowly delays each answer, so that there is a middle to do something in.
func slowly(d time.Duration) func(*http.Request, int) oktasim.Fault {
	return func(*http.Request, int) oktasim.Fault { return oktasim.Delay(d) }
}

// thousands is an org with 30,000 log events and 1,000 objects of each other service.
func thousands() map[string]int {
	counts := map[string]int{"logs": 30_000, "app_users": 2, "app_groups": 1, "group_members": 2}
	for _, service := range []string{"users", "groups", "apps", "clients", "idps", "zones"} {
		counts[service] = 1000
	}
	return counts
}

func TestEveryObjectOfEveryServiceArrivesExactlyOnce(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		pretty  bool
		devoURL func(*stack) string
	}{
		"over TLS":                            {false, func(s *stack) string { return s.devo.SyslogURL() }},
		"over TLS, from an Okta that indents": {true, func(s *stack) string { return s.devo.SyslogURL() }},
		"over a relay's TCP":                  {false, func(s *stack) string { return s.devo.TCPURL() }},
		"over HTTPS":                          {false, func(s *stack) string { return s.devo.HTTPURL() }},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStack(t, oktasim.Config{Seed: 2, Counts: thousands(), Unlimited: true, Pretty: test.pretty})
			s.env["DEVO_URL"] = test.devoURL(s)
			s.env["DEVO_DOMAIN"], s.env["DEVO_TOKEN"] = "acme", "devo-"+s.token
			s.startWorker()
			s.start(allServices...)
			s.caughtUp(allServices...)
			for _, service := range allServices {
				s.once(service)
			}
		})
	}
}

// TestAWorkerThatIsKilledLosesNothing allows for each kill all that may be under way. The crash matrix has Okta wait, and holds
// what is under way at each step.
func TestAWorkerThatIsKilledLosesNothing(t *testing.T) {
	t.Parallel()
	t.Run("and sends at most what was under way again over TLS", func(t *testing.T) {
		s := newStack(t, oktasim.Config{Seed: 3, Counts: map[string]int{"logs": 30_000}, Unlimited: true, Faults: slowly(100 * time.Millisecond)})
		s.startWorker()
		s.start("logs")
		for _, records := range []int{8_000, 16_000} {
			s.wait(tables["logs"], records)
			s.worker.kill()
			s.startWorker()
		}
		s.caughtUp("logs")
		s.once("logs")
	})
	t.Run("and sends nothing again into a file", func(t *testing.T) {
		s := newStack(t, oktasim.Config{Seed: 4, Counts: map[string]int{"logs": 30_000}, Unlimited: true, Faults: slowly(100 * time.Millisecond)})
		s.env["DEVO_URL"] = "file://" + s.dir + "/out"
		file := filepath.Join(s.dir, "out", "okta", s.tenant, "logs.jsonl")
		s.startWorker()
		s.start("logs")
		for _, bytes := range []int64{10 << 20, 30 << 20} {
			s.eventually("the file grows", func() bool {
				info, err := os.Stat(file)
				return err == nil && info.Size() > bytes
			})
			s.worker.kill()
			s.startWorker()
		}
		s.caughtUp("logs")
		var want []string
		for _, object := range s.org.All("logs") {
			want = append(want, string(object))
		}
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		lines := strings.Split(strings.TrimSuffix(string(data), "\n"), "\n")
		require.Len(t, lines, len(want))
		for i, line := range lines {
			object, members, _ := strings.Cut(line, `,"@devo_pulling_id":`)
			require.Regexp(t, `^\d{13}}$`, members)
			require.Equal(t, want[i], object+"}", "event %d, in Okta's order", i)
		}
	})
	t.Run("again and again, and gets to the end", func(t *testing.T) {
		s := newStack(t, oktasim.Config{Seed: 5, Counts: map[string]int{"logs": 12_000}, Unlimited: true, Faults: slowly(300 * time.Millisecond)})
		s.startWorker()
		s.start("logs")
		kills := 0
		for before := 0; before < 8_000; {
			// A few seconds apart: whenever another page or two have arrived.
			s.wait(tables["logs"], before+1500)
			before = s.shipped(tables["logs"])
			s.worker.kill()
			kills++
			s.startWorker()
		}
		s.caughtUp("logs")
		t.Logf("%d kills", kills)
		s.once("logs")
	})
}

func TestAWorkerThatIsToldToStopSendsNothingAgain(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 6, Counts: map[string]int{"logs": 20_000, "users": 1000}, Unlimited: true, Faults: slowly(100 * time.Millisecond)})
	s.startWorker()
	s.start("logs", "users")
	for _, records := range []int{5_000, 12_000} {
		s.wait(tables["logs"], records)
		code := s.worker.terminate(t)
		require.Zero(t, code, s.worker.out.String())
		s.startWorker()
	}
	s.caughtUp("logs", "users")
	s.once("logs")
	s.once("users")
}

func TestTheBudgetIsUsedUpAndNeverExceeded(t *testing.T) {
	t.Parallel()
	undisturbed(t, useUpTheBudget)
}

// useUpTheBudget compares the windows with the share while the worker is killed between two of them.
func useUpTheBudget(t *testing.T) (lost int) {
	s := newStack(t, oktasim.Config{
		Seed:   7,
		Counts: map[string]int{"logs": 40_000, "apps": 100, "app_users": 3, "app_groups": 2},
		Limits: map[string]int{"/api/v1/logs": 12, "/api/v1/apps": 12},
	})
	s.startWorker()
	s.start("logs", "apps", "app_users", "app_groups")
	// admitted is what each window of a bucket let through.
	admitted := func(bucket string) (windows []int) {
		for _, w := range s.org.Windows() {
			if w.Bucket == bucket {
				windows = append(windows, w.Admitted)
			}
		}
		return windows
	}
	spent := func(bucket string) bool { w := admitted(bucket); return len(w) >= 2 && w[len(w)-1] >= 6 }
	s.eventually("a second window or a later one, and its share is used", func() bool { return spent("/api/v1/logs") && spent("/api/v1/apps") })
	logs, apps := len(admitted("/api/v1/logs")), len(admitted("/api/v1/apps"))
	s.worker.kill()
	kills := []time.Time{time.Now()}
	s.startWorker()
	// A window is whole when the next one has begun.
	s.eventually("another whole window", func() bool {
		return len(admitted("/api/v1/logs")) >= logs+2 && len(admitted("/api/v1/apps")) >= apps+2
	})
	s.worker.kill()
	kills = append(kills, time.Now())

	for _, w := range s.org.Windows() {
		require.Zero(t, w.Refused, "no 429")
		require.LessOrEqual(t, w.Admitted, 6, w.Bucket)
	}
	if lost := s.lostBut(kills, s.id("logs"), s.id("apps"), s.id("app_users"), s.id("app_groups")); lost > 0 {
		return lost
	}
	for _, bucket := range []string{"/api/v1/logs", "/api/v1/apps"} {
		windows := admitted(bucket)
		if bucket == "/api/v1/apps" {
			windows = windows[1:] // in the first one the services join
		}
		for _, n := range windows[:len(windows)-1] {
			require.GreaterOrEqual(t, n, 5, bucket)
		}
	}
	return 0
}

func TestDevoMayBeAwayForAsLongAsItLikes(t *testing.T) {
	t.Parallel()
	s := newStack(t, oktasim.Config{Seed: 8, Counts: map[string]int{"logs": 10_000, "users": 500}, Unlimited: true, Faults: slowly(50 * time.Millisecond)})
	s.startWorker()
	s.start("logs", "users")
	s.wait(tables["logs"], 3_000)
	s.devo.StopReading() // accepts and never reads: the worst kind of away
	s.devo.ResetConnections()
	s.eventually("the problem is seen", func() bool {
		status, err := s.status("logs")
		return err == nil && status.Problems > 0 && status.LastProblem.Class == workflows.ClassPassing
	})
	s.devo.ResumeReading()
	s.caughtUp("logs", "users")
	s.complete("logs")
	s.complete("users")
}

// forbidding answers 403 to requests of a path.
func forbidding(path string) func(*http.Request, int) oktasim.Fault {
	return func(r *http.Request, _ int) oktasim.Fault {
		if r.URL.Path == path {
			return oktasim.Refuse(http.StatusForbidden, "E0000006")
		}
		return nil
	}
}
