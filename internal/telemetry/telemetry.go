// Package telemetry is the node's figures in the Prometheus format. Labels are of
// bounded number: routes, statuses and reasons, never a tenant or a token.
package telemetry

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics is one node's registry.
type Metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	took     *prometheus.HistogramVec

	// seen spares the look-up by label on every request.
	seen sync.Map // answer → observer
}

type answer struct {
	route  string
	status int
}

type observer struct {
	count prometheus.Counter
	took  prometheus.Observer
}

// New gives an empty registry with the process's own figures.
func New() *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "tokenledger_http_requests_total", Help: "Requests answered, by route and status.",
		}, []string{"route", "status"}),
		took: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "tokenledger_http_request_seconds", Help: "Time from the request's header to the end of the answer, by route.",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route"}),
	}
	m.registry.MustRegister(m.requests, m.took, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Gauge adds a figure that is read when it is asked for.
func (m *Metrics) Gauge(name, help string, read func() float64) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "tokenledger_" + name, Help: help}, read))
}

// Verdicts adds a counter of validations and returns what counts one, by reason.
func (m *Metrics) Verdicts(reasons []string) func(reason string) {
	vec := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "tokenledger_validations_total", Help: `Validations answered, by outcome: "active" or the reason.`,
	}, []string{"outcome"})
	m.registry.MustRegister(vec)
	byReason := map[string]prometheus.Counter{"": vec.WithLabelValues("active")}
	for _, r := range reasons {
		byReason[r] = vec.WithLabelValues(r)
	}
	return func(reason string) { byReason[reason].Inc() }
}

// Observe counts one answer of a route.
func (m *Metrics) Observe(route string, status int, took time.Duration) {
	key := answer{route, status}
	o, ok := m.seen.Load(key)
	if !ok {
		o, _ = m.seen.LoadOrStore(key, &observer{
			count: m.requests.WithLabelValues(route, strconv.Itoa(status)),
			took:  m.took.WithLabelValues(route),
		})
	}
	known := o.(*observer)
	known.count.Inc()
	known.took.Observe(took.Seconds())
}

// Handler serves the figures.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}
