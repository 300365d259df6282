package bench

import (
	"os"
	"runtime"
	"strings"
	"testing"
)

func TestCountersAddLabelsUp(t *testing.T) {
	got, err := parseCounters(strings.NewReader(`# HELP parley_store_commits_total x
# TYPE parley_store_commits_total counter
parley_store_commits_total 12
parley_store_requests_total 1e+03
parley_outbox_batches_total{destination="a b",verdict="taken"} 3
parley_outbox_batches_total{destination="c",verdict="failed"} 4
parley_outbox_items_total{destination="c",verdict="failed"} 9
parley_outbox_items_total_other 9
`))
	if err != nil {
		t.Fatal(err)
	}
	if want := (counters{commits: 12, transactions: 1000, batches: 7, items: 9}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if _, err := parseCounters(strings.NewReader("parley_store_commits_total x\n")); err == nil {
		t.Error("not a number, and no error")
	}
}

func TestProcessOfOurOwn(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("needs /proc")
	}
	p, err := readProcess(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	if p.rss < 1<<20 || p.user < 0 || p.system < 0 {
		t.Errorf("%+v", p)
	}
	if _, err := readProcess(-1); err == nil {
		t.Error("a process that there is not")
	}
}
