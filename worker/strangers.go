package worker

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"okta-collector/internal/status"
	"okta-collector/internal/temporalclient"
)

// strangers exports how many poll the task queue that are no workers of the collector. Temporal cannot prevent that: it
// gives work to whoever may poll.
type strangers struct {
	mu    sync.Mutex
	count int
	asked time.Time // when Temporal last answered
}

var strangersDesc = prometheus.NewDesc("okta_collector_strangers",
	"Those that poll the task queue and whose identity is not that of a worker of the collector. Every worker exports the same: join them by max.", nil, nil)

// Describe implements prometheus.Collector.
func (s *strangers) Describe(c chan<- *prometheus.Desc) { c <- strangersDesc }

// Collect implements prometheus.Collector.
func (s *strangers) Collect(c chan<- prometheus.Metric) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.asked) <= maxListAge {
		c <- prometheus.MustNewConstMetric(strangersDesc, prometheus.GaugeValue, float64(s.count))
	}
}

// watch keeps s up to date until ctx ends. It logs each new answer.
func (s *strangers) watch(ctx context.Context, temporal status.TaskQueues, taskQueue string, log *zap.Logger) {
	for said := ""; ; {
		asking, cancel := context.WithTimeout(ctx, listTimeout)
		identities, err := status.Strangers(asking, temporal, taskQueue)
		cancel()
		if err == nil { // if Temporal does not answer, services says so
			s.mu.Lock()
			s.count, s.asked = len(identities), time.Now()
			s.mu.Unlock()
			if now := temporalclient.StrangersWarning(taskQueue, identities); now != said {
				if said = now; said != "" {
					log.Warn(said)
				}
			}
		}
		if sleep(ctx, listEvery) != nil {
			return
		}
	}
}
