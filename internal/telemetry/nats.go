package telemetry

import (
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// NATS adds the figures of validations over NATS, and returns what is told of each
// answer.
func (m *Metrics) NATS() func(status int, took time.Duration) {
	requests := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tokenledger_nats_requests_total", Help: "Requests to the NATS service answered, by status (as over HTTP).",
	}, []string{"status"})
	seconds := prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "tokenledger_nats_request_seconds", Help: "Time from when a request to the NATS service is begun to its answer.",
		Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	})
	m.registry.MustRegister(requests, seconds)
	var seen sync.Map // status → counter
	return func(status int, took time.Duration) {
		c, ok := seen.Load(status)
		if !ok {
			c, _ = seen.LoadOrStore(status, requests.WithLabelValues(strconv.Itoa(status)))
		}
		c.(prometheus.Counter).Inc()
		seconds.Observe(took.Seconds())
	}
}
