package provider

import (
	"io"
	"net/http"
	"net/http/pprof"
	"strings"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// probes is what monitoring asks: /livez, /readyz, /metrics.
func (p *Provider) probes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /livez", func(w http.ResponseWriter, _ *http.Request) { p.say(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if reasons := p.unready(); len(reasons) > 0 {
			p.say(w, http.StatusServiceUnavailable, strings.Join(reasons, "\n"))
			return
		}
		p.say(w, http.StatusOK, "ok")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(p.metrics.registry, promhttp.HandlerOpts{}))
	if p.cfg.Profile {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}

func (p *Provider) say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	if _, err := io.WriteString(w, text+"\n"); err != nil {
		p.log.Debug("probe went away", "error", err.Error())
	}
}

// unready lists why the provider should get no requests; empty when it should.
func (p *Provider) unready() []string {
	var reasons []string
	if p.stopped.Load() {
		reasons = append(reasons, "the provider is stopping")
	}
	if p.cfg.Store.Err() != nil {
		reasons = append(reasons, "the store has stopped; its error is in the log")
	}
	if p.full() {
		reasons = append(reasons, "the disk is full")
	}
	return reasons
}
