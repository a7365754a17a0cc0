package memory

import "github.com/prometheus/client_golang/prometheus"

var (
	bytesDesc = prometheus.NewDesc("okta_collector_page_memory_bytes",
		"Bytes of memory that the pages under way take, of all tenants of this worker.", nil, nil)
	limitDesc = prometheus.NewDesc("okta_collector_page_memory_limit_bytes",
		"Bytes that the pages under way may take.", nil, nil)
	waitingDesc = prometheus.NewDesc("okta_collector_page_memory_waiting",
		"Pages that wait for the memory of others.", nil, nil)
	waitsDesc = prometheus.NewDesc("okta_collector_page_memory_waits_total",
		"Pages that had to wait for the memory of others.", nil, nil)
)

// Describe implements prometheus.Collector.
func (b *Bound) Describe(c chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{bytesDesc, limitDesc, waitingDesc, waitsDesc} {
		c <- d
	}
}

// Collect implements prometheus.Collector.
func (b *Bound) Collect(c chan<- prometheus.Metric) {
	b.mu.Lock()
	defer b.mu.Unlock()
	waiting := len(b.growing)
	for _, o := range b.owners {
		waiting += len(o.waiting)
	}
	c <- prometheus.MustNewConstMetric(bytesDesc, prometheus.GaugeValue, float64(b.used))
	c <- prometheus.MustNewConstMetric(limitDesc, prometheus.GaugeValue, float64(b.limit))
	c <- prometheus.MustNewConstMetric(waitingDesc, prometheus.GaugeValue, float64(waiting))
	c <- prometheus.MustNewConstMetric(waitsDesc, prometheus.CounterValue, float64(b.waits))
}
