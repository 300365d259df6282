package bench

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"parley/provider/lab"
)

// ErrSystem means that the kernel does not tell what is measured: only Linux does.
var ErrSystem = errors.New("bench: the kernel does not tell about processes; measuring needs Linux")

// tick is the unit of CPU times in /proc, the same on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// process is what the kernel knows of a process.
type process struct {
	user, system time.Duration
	written      int64 // octets sent to the block layer
	rss          int64 // octets
}

func readProcess(pid int) (p process, err error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return p, fmt.Errorf("%w: %w", ErrSystem, err)
	}
	// The name of the process, in brackets, may hold spaces.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 13 {
		return p, ErrSystem
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return p, fmt.Errorf("%w: %w", ErrSystem, err)
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	if err != nil {
		return p, fmt.Errorf("%w: %w", ErrSystem, err)
	}
	p.user, p.system = time.Duration(user)*tick, time.Duration(system)*tick
	if p.written, err = field(filepath.Join(dir, "io"), "write_bytes:"); err != nil {
		return p, err
	}
	kilo, err := field(filepath.Join(dir, "status"), "VmRSS:")
	p.rss = kilo << 10
	return p, err
}

// field reads a number behind a name at the beginning of a line.
func field(file, name string) (int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, fmt.Errorf("%w: %w", ErrSystem, err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			n, err := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return n, err
		}
	}
	return 0, ErrSystem
}

// counters are what a server's /metrics tell, labels added up.
type counters struct {
	commits, transactions, batches, items float64
}

func readCounters(ctx context.Context, s *lab.Server) (c counters, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.Admin+"/metrics", nil)
	if err != nil {
		return c, err
	}
	r.Close = true
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return c, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return c, fmt.Errorf("bench: /metrics of %s answers %d", s.Domain, answer.StatusCode)
	}
	return parseCounters(answer.Body)
}

func parseCounters(text io.Reader) (c counters, err error) {
	by := map[string]*float64{
		"parley_store_commits_total": &c.commits, "parley_store_requests_total": &c.transactions,
		"parley_outbox_batches_total": &c.batches, "parley_outbox_items_total": &c.items,
	}
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		line := lines.Text()
		name, _, _ := strings.Cut(line, " ")
		name, _, _ = strings.Cut(name, "{")
		if sum, ok := by[name]; ok {
			n, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
			if err != nil {
				return c, fmt.Errorf("bench: metrics: %w", err)
			}
			*sum += n
		}
	}
	return c, lines.Err()
}

// databaseSize is the size of a server's store on disk, its write-ahead log included.
func databaseSize(s *lab.Server) (n int64, err error) {
	files, err := filepath.Glob(filepath.Join(s.Dir, "parley.db*"))
	if err != nil {
		return 0, err
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err != nil {
			return 0, err
		}
		n += info.Size()
	}
	return n, nil
}

// sample is everything at one moment.
type sample struct {
	at        time.Time
	servers   []process
	counters  counters // of all servers
	database  int64    // of all servers
	own       process  // this process, which is the devices
	delivered int
	near      int // of those delivered, in rooms whose hub is the sender's provider
}

// take reads the moment at which a phase begins. What costs the servers something comes first.
func (w *world) begin(ctx context.Context) (s sample, err error) {
	if s.counters, err = w.counters(ctx); err != nil {
		return s, err
	}
	return s, w.read(&s)
}

// end reads the moment at which it ends, in the other order.
func (w *world) end(ctx context.Context) (s sample, err error) {
	if err := w.read(&s); err != nil {
		return s, err
	}
	s.counters, err = w.counters(ctx)
	return s, err
}

func (w *world) counters(ctx context.Context) (sum counters, err error) {
	for _, server := range w.servers {
		c, err := readCounters(ctx, server)
		if err != nil {
			return sum, err
		}
		sum.commits += c.commits
		sum.transactions += c.transactions
		sum.batches += c.batches
		sum.items += c.items
	}
	return sum, nil
}

func (w *world) read(s *sample) (err error) {
	s.at = time.Now()
	_, s.delivered, _ = w.ledger.counts()
	s.near = w.near()
	for _, server := range w.servers {
		p, err := readProcess(server.Pid())
		if err != nil {
			return err
		}
		s.servers = append(s.servers, p)
		size, err := databaseSize(server)
		if err != nil {
			return err
		}
		s.database += size
	}
	s.own, err = readProcess(os.Getpid())
	return err
}
