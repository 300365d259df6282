package provider

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"parley/clientapi/api"
	"parley/mimihttp"
)

// metrics are what operators watch; doc/operating.md lists them. Labels are providers, endpoints, routes and verdicts only, all of
// them bounded by the configuration or the code.
type metrics struct {
	registry *prometheus.Registry

	requests *prometheus.CounterVec   // side, peer, endpoint, status
	seconds  *prometheus.HistogramVec // side, endpoint
	octets   *prometheus.CounterVec   // side, direction
	clients  *prometheus.CounterVec   // route, status
	accepted *prometheus.CounterVec   // kind
	batches  *prometheus.CounterVec   // destination, verdict
	items    *prometheus.CounterVec   // destination, verdict
	parked   *prometheus.CounterVec   // destination
	turned   *prometheus.CounterVec   // listener, reason
	dropped  prometheus.Counter
	filled   prometheus.Counter
	swept    *prometheus.CounterVec // what

	enumerations *prometheus.CounterVec // provider
}

const namespace = "parley"

func newMetrics() *metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
	}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: counter("federation_requests_total",
			"Requests between providers; side says who saw it, peer is empty while not authenticated, status 0 means no answer.",
			"side", "peer", "endpoint", "status"),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: "federation_request_seconds",
			Help: "Duration of requests between providers.", Buckets: prometheus.ExponentialBuckets(0.001, 2, 15)}, []string{"side", "endpoint"}),
		octets:   counter("federation_octets_total", "Octets of bodies between providers.", "side", "direction"),
		clients:  counter("client_requests_total", "Requests of our users' devices.", "route", "status"),
		accepted: counter("hub_accepted_total", "What the hub has accepted; each is a promise to deliver.", "kind"),
		batches:  counter("outbox_batches_total", "Batches sent to a destination, our own provider included.", "destination", "verdict"),
		items:    counter("outbox_items_total", "Items in the batches sent.", "destination", "verdict"),
		parked:   counter("outbox_parked_total", "Items or lanes given up since the start: alarm on any.", "destination"),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: "follower_dropped_total",
			Help: "Items from hubs for which no device here waits."}),
		turned: counter("connections_refused_total", "Connections closed before their handshake; reason is the limit that was reached.",
			"listener", "reason"),
		filled: prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: "store_filled_total",
			Help: "Times that the disk was found full."}),
		swept: counter("swept_total", "Expired rows deleted.", "what"),
		enumerations: counter("identity_enumerations_total", "Times that searches of a provider looked like an enumeration of users: alarm on any.",
			"provider"),
	}
	m.registry.MustRegister(m.requests, m.seconds, m.octets, m.clients, m.accepted, m.batches, m.items, m.parked, m.turned, m.dropped, m.filled, m.swept, m.enumerations,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// request counts one federation request.
func (m *metrics) request(e *mimihttp.TraceEvent) {
	side := e.Side.String()
	m.requests.WithLabelValues(side, e.Peer.Domain(), e.Endpoint, strconv.Itoa(e.Status)).Inc()
	m.seconds.WithLabelValues(side, e.Endpoint).Observe(e.Duration.Seconds())
	m.octets.WithLabelValues(side, "in").Add(float64(e.BytesIn))
	m.octets.WithLabelValues(side, "out").Add(float64(e.BytesOut))
}

// countClients counts the requests of devices by path, those to paths that do not exist as one.
func (m *metrics) countClients(next http.Handler) http.Handler {
	paths := make(map[string]bool)
	for _, r := range api.Routes() {
		paths[r.Path] = true
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen := &statusWriter{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(seen, r)
		route := r.URL.Path
		if !paths[route] {
			route = "none"
		}
		m.clients.WithLabelValues(route, strconv.Itoa(seen.status)).Inc()
	})
}

// statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (w *statusWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// state are the metrics that are read from the provider when they are asked for.
type state struct {
	p    *Provider
	desc map[string]*prometheus.Desc
}

func newState(p *Provider) *state {
	s := &state{p: p, desc: make(map[string]*prometheus.Desc)}
	for _, d := range []struct{ name, help, label string }{
		{"up", "1 while everything that readiness asks for is there.", ""},
		{"store_up", "0 after the store has stopped; the process ends then.", ""},
		{"store_checked_timestamp_seconds", "When the whole store was last found sound; 0: not since the start.", ""},
		{"store_full", "1 while there is no space for writing: nothing is accepted.", ""},
		{"store_requests_total", "Transactions committed.", ""},
		{"store_commits_total", "Groups of transactions, one fsync each.", ""},
		{"outbox_lanes", "Lanes (destination, room) with something to send.", "destination"},
		{"outbox_backlog_items", "Items that wait for a destination.", "destination"},
		{"outbox_oldest_seconds", "Age of the oldest batch that waits for a destination.", "destination"},
		{"outbox_sending", "Batches on their way to a destination.", "destination"},
		{"outbox_failures", "Tries in a row that a destination did not take; 0 while it is well.", "destination"},
		{"peer_waiting", "Requests of ours that wait for a peer, notifications not counted.", "peer"},
		{"outbox_parked_lanes", "Lanes that an operator has to look at.", "destination"},
		{"outbox_parked_items", "Messages that an operator has to look at.", "destination"},
		{"connections", "Connections that are open.", "listener"},
		{"handshakes", "Connections in their handshake.", "listener"},
		{"streams", "Event streams and held polls of devices.", ""},
		{"certificate_expiry_timestamp_seconds", "When a certificate ends.", "certificate"},
		{"authorities_known", "Providers whose authorities are in force, our own included.", ""},
		{"authorities_changed", "Peers that publish an unrelated set of authorities: alarm on any.", ""},
	} {
		var labels []string
		if d.label != "" {
			labels = []string{d.label}
		}
		s.desc[d.name] = prometheus.NewDesc(namespace+"_"+d.name, d.help, labels, nil)
	}
	return s
}

// Describe implements prometheus.Collector.
func (s *state) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range s.desc {
		ch <- d
	}
}

// scrapeLimit bounds reading the store for a scrape.
const scrapeLimit = 5 * time.Second

// Collect implements prometheus.Collector.
func (s *state) Collect(ch chan<- prometheus.Metric) {
	gauge := func(name string, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(s.desc[name], prometheus.GaugeValue, value, labels...)
	}
	counter := func(name string, value uint64) {
		ch <- prometheus.MustNewConstMetric(s.desc[name], prometheus.CounterValue, float64(value))
	}
	p := s.p
	gauge("up", number(len(p.unready()) == 0))
	gauge("store_up", number(p.cfg.Store.Err() == nil))
	gauge("store_full", number(p.full()))
	gauge("store_checked_timestamp_seconds", float64(p.checked.Load()))
	requests, groups := p.cfg.Store.Stats()
	counter("store_requests_total", requests)
	counter("store_commits_total", groups)
	for _, l := range p.listeners() {
		if l.door != nil {
			c := l.door.count()
			gauge("connections", float64(c.open), l.name)
			gauge("handshakes", float64(c.shaking), l.name)
		}
	}
	gauge("streams", float64(p.wakes.count()))
	known, changed := p.authorities.count()
	gauge("authorities_known", float64(known))
	gauge("authorities_changed", float64(changed))
	for name, until := range p.expiries() {
		gauge("certificate_expiry_timestamp_seconds", float64(until.Unix()), name)
	}
	for _, r := range p.peers.ordered() {
		gauge("peer_waiting", float64(r.flow.count()), r.peer.Domain())
	}
	for _, d := range p.outbox.States() {
		gauge("outbox_sending", float64(d.Sending), d.Destination)
		gauge("outbox_failures", float64(d.Failures), d.Destination)
	}
	ctx, cancel := context.WithTimeout(context.Background(), scrapeLimit)
	defer cancel()
	backlogs, err := p.outbox.Backlogs(ctx)
	if err != nil {
		p.log.Warn("backlog cannot be read for metrics", "error", err.Error())
		return
	}
	for _, b := range backlogs {
		gauge("outbox_lanes", float64(b.Lanes), b.Destination)
		gauge("outbox_backlog_items", float64(b.Items), b.Destination)
		gauge("outbox_parked_lanes", float64(b.Parked), b.Destination)
		age := 0.0
		if !b.Oldest.IsZero() {
			age = max(p.cfg.Now().Sub(b.Oldest).Seconds(), 0)
		}
		gauge("outbox_oldest_seconds", age, b.Destination)
	}
	parked, err := p.outbox.Parked(ctx, mostParked)
	if err != nil {
		p.log.Warn("what is parked cannot be read for metrics", "error", err.Error())
		return
	}
	items := make(map[string]int)
	for i := range parked {
		items[parked[i].Destination]++
	}
	for destination, n := range items {
		gauge("outbox_parked_items", float64(n), destination)
	}
}

func number(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
