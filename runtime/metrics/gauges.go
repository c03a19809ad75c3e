package metrics

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/metrics/internal/measure"
)

var (
	depthDesc = queueDepth.desc()
	dlqDesc   = dlqDepth.desc()
	ageDesc   = queueAge.desc()
	upDesc    = queueStatsUp.desc()

	descs = []*prometheus.Desc{depthDesc, dlqDesc, ageDesc, upDesc}
)

// collectQueues collects the gauges that are pulled from the brokers. What is not known
// is left out: a gauge that stood still would look healthy.
func (m *Metrics) collectQueues(ch chan<- prometheus.Metric) {
	for _, c := range m.queues.Count(measure.ScrapeAge) {
		collectQueue(ch, &c)
	}
}

func collectQueue(ch chan<- prometheus.Metric, c *measure.Count) {
	set := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, append([]string{c.Queue.Name, c.Queue.Provider}, labels...)...)
	}
	if c.Err != nil {
		set(upDesc, 0)
		return
	}
	set(upDesc, 1)
	set(depthDesc, float64(c.Stats.Ready), string(driver.Ready))
	if c.Can.CountsScheduled {
		set(depthDesc, float64(c.Stats.Scheduled), string(driver.Scheduled))
	}
	if c.Can.CountsLeased {
		set(depthDesc, float64(c.Stats.Leased), string(driver.Leased))
	}
	set(dlqDesc, float64(c.Stats.Dead))
	if c.Can.CountsAge {
		set(ageDesc, c.Stats.OldestAge.Seconds())
	}
}
