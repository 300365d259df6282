package provider_test

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/client"
	"parley/clientapi/api"
	"parley/hub"
	"parley/mimi"
	"parley/mls/wire"
	"parley/provider"
	"parley/syntax"
	"parley/uri"
)

// stub is a peer that is no provider: it takes connections and treats notifications as it likes.
type stub struct {
	domain string

	mu       sync.Mutex
	open     int // connections
	most     int
	serving  int // notifications
	crowd    int // most of them at once
	arrivals []time.Time
}

// stub makes a peer of n before n runs. A nil notify means that it never says anything on its connections, not even in TLS.
func (n *node) stub(domain string, notify http.HandlerFunc) *stub {
	t := n.world.t
	t.Helper()
	s := &stub{domain: domain}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, l, err)
	n.cfg.Peers = append(n.cfg.Peers, provider.Peer{Provider: parse(t, domain), Trust: n.world.trust(), Address: l.Addr().String()})
	if notify == nil {
		n.silent(s, l)
		return s
	}
	cert := n.world.certificate(domain, time.Now())
	server := &http.Server{Handler: s.handler(t, notify), ConnState: s.connection, ErrorLog: log.New(io.Discard, "", 0),
		TLSConfig: &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{*cert}}}
	done := make(chan error, 1)
	go func() { done <- server.ServeTLS(l, "", "") }()
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Error(err)
		}
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return s
}

// silent accepts connections and keeps them.
func (n *node) silent(s *stub, l net.Listener) {
	t := n.world.t
	var conns []net.Conn
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			conns = append(conns, c)
			s.connection(c, http.StateNew)
		}
	}()
	t.Cleanup(func() {
		err := l.Close()
		<-done
		for _, c := range conns {
			err = errors.Join(err, c.Close())
		}
		if err != nil {
			t.Error(err)
		}
	})
}

func (s *stub) handler(t testing.TB, notify http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.URL.Path, "/.well-known/") {
			if _, err := fmt.Fprintf(w, `{"notify":"https://%[1]s/n/{x}","submitMessage":"https://%[1]s/s/{x}"}`, s.domain); err != nil {
				t.Error(err)
			}
			return
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		s.note(1)
		defer s.note(-1)
		notify(w, r)
	})
}

func (s *stub) note(change int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serving += change
	s.crowd = max(s.crowd, s.serving)
	if change > 0 {
		s.arrivals = append(s.arrivals, time.Now())
	}
}

func (s *stub) connection(_ net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case http.StateNew:
		s.open++
		s.most = max(s.most, s.open)
	case http.StateClosed, http.StateHijacked:
		s.open--
	}
}

func (s *stub) seen() (connections, crowd int, arrivals []time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.most, s.crowd, append([]time.Time(nil), s.arrivals...)
}

func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// drip sends an octet from time to time.
func drip(w http.ResponseWriter, r *http.Request) {
	w.WriteHeader(http.StatusCreated)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
		if _, err := w.Write([]byte{0}); err != nil {
			return
		}
		if err := http.NewResponseController(w).Flush(); err != nil {
			return
		}
	}
}

// fanout is an item for the lanes.
func fanout(n uint64) mimi.FanoutMessage {
	return mimi.FanoutMessage{Timestamp: n, Message: wire.Message{Version: wire.MLS10, Format: wire.PrivateMessageFormat,
		Private: &wire.PrivateMessage{GroupID: []byte("g"), Type: wire.ApplicationContent, Ciphertext: binary.BigEndian.AppendUint64(nil, n)}}}
}

// queue puts an item into the lane of each of a number of rooms.
func (n *node) queue(destination string, rooms int) {
	t := n.world.t
	t.Helper()
	for i := range rooms {
		m := fanout(uint64(i))
		body, err := syntax.Marshal(&m)
		must(t, body, err)
		at := newRoom(t, n, fmt.Sprintf("%s-%d", destination, i))
		err = n.cfg.Store.Hub.Update(t.Context(), func(tx hub.Tx) error {
			return tx.Append(at, hub.Item{Sequence: 1, Timestamp: 1, Body: body, Destinations: []string{destination}})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// metric is the value of a metric with its labels; absent is 0.
func (n *node) metric(name string) float64 {
	n.world.t.Helper()
	_, body := n.get("/metrics")
	m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + ` (\S+)$`).FindStringSubmatch(body)
	if m == nil {
		return 0
	}
	v, err := strconv.ParseFloat(m[1], 64)
	return must(n.world.t, v, err)
}

// Peers that take connections, or requests, and never answer hold their share and nothing else: what goes to devices of our own and to
// other peers goes at once.
func TestPeersThatHangHarmNobody(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "a.example", "b.example")
	a, b := w.nodes["a.example"], w.nodes["b.example"]
	a.cfg.Drain = 100 * time.Millisecond
	const each = 6
	stubs := make(map[string]*stub)
	for i := range each {
		for kind, notify := range map[string]http.HandlerFunc{"silent": nil, "deaf": hang} {
			s := a.stub(fmt.Sprintf("%s%d.example", kind, i), notify)
			stubs[s.domain] = s
			a.queue(s.domain, 20)
		}
	}
	w.startAll()
	eventually(t, "all that hang hold their share", func() bool {
		_, body := a.get("/metrics")
		n := 0
		for domain := range stubs {
			if strings.Contains(body, fmt.Sprintf("parley_outbox_sending{destination=%q} 8\n", domain)) {
				n++
			}
		}
		// The first eight take what may be on its way in all, the others one each.
		return n == 8 && strings.Count(body, "\nparley_outbox_sending{") == len(stubs)
	})
	if n := a.metric(`parley_outbox_backlog_items{destination="deaf0.example"}`); n != 20 {
		t.Errorf("%v items wait for one", n)
	}

	alice, carol, bob := a.enrol("alice", "phone"), a.enrol("carol", "phone"), b.enrol("bob", "laptop")
	// Somebody's device asks the ones that hang, as often as it may.
	mallory := a.enrol("mallory", "phone")
	began := time.Now()
	asked, stopAsking := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	t.Cleanup(func() { stopAsking(); asking.Wait() })
	for i := range 16 {
		asking.Go(func() { mallory.submitTo(asked, fmt.Sprintf("mimi://deaf%d.example/r/x", i%2)) })
	}
	eventually(t, "requests wait", func() bool { return a.metric(`parley_peer_waiting{peer="deaf0.example"}`) == 8 })

	at := newRoom(t, a, "clubhouse")
	if err := alice.Create(t.Context(), at, "Clubhouse"); err != nil {
		t.Fatal(err)
	}
	for _, who := range []*device{carol, bob} {
		if _, err := alice.Add(t.Context(), at, who.Account().User); err != nil {
			t.Fatal(err)
		}
		alice.flush()
		for _, d := range []*device{alice, who} {
			d.sees(at, client.EntryJoined, who.Account().User)
		}
	}
	for i := range 20 {
		text := fmt.Sprint("hello ", i)
		alice.say(at, text)
		alice.flush()
		carol.hears(at, text)
		bob.hears(at, text)
	}
	if took := time.Since(began); took > 20*time.Second { // far from the 30 s that a request may take
		t.Errorf("it took %v", took)
	}
	for domain, s := range stubs {
		connections, crowd, _ := s.seen()
		if connections > 16 || crowd > 8+8 { // notifications, and the device's requests
			t.Errorf("%s: %d connections, %d requests at once", domain, connections, crowd)
		}
	}
}

// submitTo asks for a message to be sent in a room that may not exist.
func (d *device) submitTo(ctx context.Context, room string) {
	at, err := uri.ParseRoom(room)
	if err != nil {
		d.t.Error(err)
		return
	}
	m := fanout(1)
	q := &mimi.SubmitMessageRequest{Protocol: mimi.MLS10, Message: m.Message, SendingURI: d.Account().User.String()}
	_, err = d.api.SubmitMessages(ctx, at, []*mimi.SubmitMessageRequest{q})
	var refused *api.Error
	if ctx.Err() == nil && (!errors.As(err, &refused) || refused.Code != api.PeerUnreachable) {
		d.t.Errorf("a peer that hangs: %v", err)
	}
}

// A peer is asked again when it has said, not before; and one that answers octet by octet is cut, and asked again.
func TestPeersThatAreSlow(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "a.example")
	a := w.nodes["a.example"]
	a.cfg.PeerTimeout = 300 * time.Millisecond
	var mu sync.Mutex
	answered := 0
	busy := a.stub("busy.example", func(w http.ResponseWriter, _ *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if answered++; answered == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		w.WriteHeader(http.StatusCreated)
	})
	dripping := a.stub("drip.example", drip)
	a.queue("busy.example", 1)
	a.queue("drip.example", 1)
	a.start()
	eventually(t, "the busy one has it", func() bool {
		return a.metric(`parley_outbox_items_total{destination="busy.example",verdict="taken"}`) == 1
	})
	if _, _, arrivals := busy.seen(); len(arrivals) != 2 || arrivals[1].Sub(arrivals[0]) < time.Second {
		t.Errorf("it was asked at %v", arrivals)
	}
	eventually(t, "the slow one is asked again", func() bool { _, _, arrivals := dripping.seen(); return len(arrivals) >= 3 })
	if _, crowd, arrivals := dripping.seen(); crowd != 1 || arrivals[1].Sub(arrivals[0]) < 300*time.Millisecond {
		t.Errorf("it was asked at %v, %d at once", arrivals, crowd)
	}
	if n := a.metric(`parley_outbox_failures{destination="drip.example"}`); n < 2 {
		t.Errorf("%v failures are shown", n)
	}
	if n := a.metric(`parley_outbox_backlog_items{destination="drip.example"}`); n != 1 {
		t.Errorf("%v items wait", n)
	}
}
