package provider

import (
	"os"
	"regexp"
	"slices"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

// doc/operating.md lists the metrics that there are, all of them and no others.
func TestMetricsAreDocumented(t *testing.T) {
	text, err := os.ReadFile("../doc/operating.md")
	if err != nil {
		t.Fatal(err)
	}
	var documented []string
	for _, m := range regexp.MustCompile("(?m)^\\| `(parley_[a-z_]+)` \\|").FindAllStringSubmatch(string(text), -1) {
		documented = append(documented, m[1])
	}
	var existing []string
	m := newMetrics()
	for _, c := range []prometheus.Collector{m.requests, m.seconds, m.octets, m.clients, m.accepted, m.batches, m.items, m.parked, m.turned, m.dropped, m.filled, m.swept, m.enumerations, newState(nil)} {
		ch := make(chan *prometheus.Desc, 64)
		c.Describe(ch)
		close(ch)
		for d := range ch {
			existing = append(existing, regexp.MustCompile(`fqName: "([^"]+)"`).FindStringSubmatch(d.String())[1])
		}
	}
	slices.Sort(documented)
	slices.Sort(existing)
	if !slices.Equal(documented, existing) {
		t.Errorf("documented %v\nexisting %v", documented, existing)
	}
}
