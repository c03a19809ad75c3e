// Package metrics counts and times for Prometheus what the managers, pools and queues of a
// program do.
//
//	m := metrics.New(metrics.Config{})
//	manager := runtime.NewManager(runtime.ManagerConfig{Listeners: []*observe.Listener{m.Listener()}})
//	http.Handle("/metrics", m.Handler())
//	http.Handle("/readyz", m.HealthHandler())
//
// The page docs/observability.md has a table of the metrics, deploy/prometheus alerts on
// them, and deploy/grafana a dashboard.
//
// Counters and histograms are about this process. The gauges of a queue's tasks are about
// the queue: each process that has it open shows the same, so take their maximum over
// processes and not their sum. The broker is queried for them at each scrape.
//
// No label is an ID. Queues and providers are those that the program has opened. A type is
// one that a queue declares (QueueConfig.Types) or a pool has a handler for; all others
// share the label "unknown".
package metrics
