package bench

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Report is the result of Run. Of a kind that is not measured the pointer is nil.
type Report struct {
	Machine   Machine   `json:"machine"`
	Pairs     int       `json:"pairs"`
	Window    int       `json:"outstanding"`
	Size      int       `json:"body_octets"`
	Idle      []int64   `json:"idle_rss_octets"` // of each server, with all devices connected
	Full      *Phase    `json:"saturated,omitempty"`
	Light     *Phase    `json:"light,omitempty"`
	Verdict   Verdict   `json:"verdict"`
	StartedAt time.Time `json:"started"`
}

// Machine is what it ran on.
type Machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	System string `json:"system"`
	Go     string `json:"go"`
	Load   string `json:"load"` // averages of the machine before the run
}

// Phase is one kind of load. Per message means per message delivered at the receiver, over both servers.
type Phase struct {
	Seconds    float64 `json:"seconds"`
	Messages   int     `json:"messages"`
	Near       float64 `json:"share_hub_at_sender"` // of the messages: in rooms whose hub is the sender's provider
	PerSecond  float64 `json:"messages_per_second"`
	CPU        float64 `json:"cpu_seconds_per_1000"` // of both servers, user and system
	System     float64 `json:"cpu_system_seconds_per_1000"`
	PerServer  []Cost  `json:"servers"`
	Cores      float64 `json:"server_cores_used"`
	Devices    float64 `json:"device_cores_used"` // of this process, for comparison
	P50        float64 `json:"latency_p50_ms"`
	P95        float64 `json:"latency_p95_ms"`
	P99        float64 `json:"latency_p99_ms"`
	Max        float64 `json:"latency_max_ms"`
	Commits    float64 `json:"commits_per_message"` // each is one fsync
	Grouped    float64 `json:"transactions_per_commit"`
	Batched    float64 `json:"items_per_batch"` // of the outboxes
	Database   float64 `json:"database_growth_octets_per_message"`
	BlockLayer float64 `json:"block_layer_octets_per_message"`
}

// Cost is one server's.
type Cost struct {
	Domain string  `json:"domain"`
	CPU    float64 `json:"cpu_seconds_per_1000"`
	RSS    int64   `json:"rss_octets"` // at the end of the phase
}

// phase makes a Phase of its two ends and of what was delivered between them.
func (w *world) phase(from, to *sample, log []delivery) *Phase {
	p := &Phase{Seconds: to.at.Sub(from.at).Seconds(), Messages: to.delivered - from.delivered}
	n := float64(max(p.Messages, 1))
	p.Near = float64(to.near-from.near) / n
	var all, system time.Duration
	var written int64
	for i, s := range w.servers {
		user := to.servers[i].user - from.servers[i].user
		kernel := to.servers[i].system - from.servers[i].system
		all, system = all+user+kernel, system+kernel
		written += to.servers[i].written - from.servers[i].written
		p.PerServer = append(p.PerServer, Cost{s.Domain, (user + kernel).Seconds() / n * 1000, to.servers[i].rss})
	}
	own := to.own.user + to.own.system - from.own.user - from.own.system
	p.PerSecond = n / p.Seconds
	p.CPU, p.System = all.Seconds()/n*1000, system.Seconds()/n*1000
	p.Cores, p.Devices = all.Seconds()/p.Seconds, own.Seconds()/p.Seconds
	commits := to.counters.commits - from.counters.commits
	p.Commits = commits / n
	p.Grouped = (to.counters.transactions - from.counters.transactions) / max(commits, 1)
	p.Batched = (to.counters.items - from.counters.items) / max(to.counters.batches-from.counters.batches, 1)
	p.Database = float64(to.database-from.database) / n
	p.BlockLayer = float64(written) / n
	p.latencies(from.at, to.at, log)
	return p
}

func (p *Phase) latencies(from, to time.Time, log []delivery) {
	var times []time.Duration
	for _, d := range log {
		if !d.at.Before(from) && d.at.Before(to) {
			times = append(times, d.latency)
		}
	}
	slices.Sort(times)
	p.P50, p.P95, p.P99, p.Max = quantile(times, 0.5), quantile(times, 0.95), quantile(times, 0.99), quantile(times, 1)
}

// quantile is the nearest-rank one, in milliseconds; 0 of nothing.
func quantile(sorted []time.Duration, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(q*float64(len(sorted)) + 0.999999)
	return float64(sorted[min(max(rank, 1), len(sorted))-1]) / float64(time.Millisecond)
}

func machine() Machine {
	m := Machine{CPU: runtime.GOARCH, Cores: runtime.NumCPU(), System: runtime.GOOS, Go: runtime.Version()}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				m.CPU = strings.TrimSpace(value)
				break
			}
		}
	}
	if text, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		m.System += " " + strings.TrimSpace(string(text))
	}
	if text, err := os.ReadFile("/proc/loadavg"); err == nil {
		m.Load = strings.Join(strings.Fields(string(text))[:3], " ")
	}
	return m
}

// Print writes the report for people.
func (r *Report) Print(out io.Writer) error {
	t := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	var failed error
	line := func(format string, args ...any) {
		if _, err := fmt.Fprintf(t, format+"\n", args...); err != nil {
			failed = err
		}
	}
	m := r.Machine
	line("machine\t%s, %d cores, %s, %s, load %s", m.CPU, m.Cores, m.System, m.Go, m.Load)
	line("method\t%d pairs, %d outstanding, %d octets, MLS on, mutual TLS, each message opened and compared", r.Pairs, r.Window, r.Size)
	for i, rss := range r.Idle {
		line("memory\tserver %d, %d devices connected: %.0f MB", i+1, r.Pairs, float64(rss)/1e6)
	}
	for _, p := range []struct {
		name string
		*Phase
	}{{"saturated", r.Full}, {"light load", r.Light}} {
		if p.Phase != nil {
			p.print(p.name, line)
		}
	}
	r.Verdict.print(line)
	if err := t.Flush(); err != nil {
		return err
	}
	return failed
}

func (p *Phase) print(name string, line func(string, ...any)) {
	line("\t")
	line("%s\t%d messages in %.1f s: %.0f/s; the sender's provider is the hub for %.0f %%", name, p.Messages, p.Seconds, p.PerSecond, 100*p.Near)
	line("CPU\t%.3f s per 1,000 messages over both servers (%.3f of it in the kernel)", p.CPU, p.System)
	for _, s := range p.PerServer {
		line("\t%s: %.3f s per 1,000, %.0f MB", s.Domain, s.CPU, float64(s.RSS)/1e6)
	}
	line("cores used\t%.2f servers, %.2f devices", p.Cores, p.Devices)
	line("latency\tp50 %.1f, p95 %.1f, p99 %.1f, most %.1f ms", p.P50, p.P95, p.P99, p.Max)
	line("durable\t%.2f commits per message, %.1f transactions in each; %.1f items per batch to a provider", p.Commits, p.Grouped, p.Batched)
	line("disk\t%.0f octets of database per message, %.0f to the block layer", p.Database, p.BlockLayer)
}

func (v Verdict) print(line func(string, ...any)) {
	line("\t")
	line("verdict\t%d sent, %d opened and equal at the receivers", v.Sent, v.Delivered)
	line("\t%d lost, %d doubled, %d reordered, %d wrong, %d unreadable, %d refused, %d rooms in two orders",
		v.Lost, v.Doubled, v.Reordered, v.Wrong, v.Gaps, v.Refused, v.Disagreed)
}
