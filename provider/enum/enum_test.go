package enum

import (
	"errors"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// serve runs a DNS server on loopback with a zone of our own.
func serve(t *testing.T, records ...string) string {
	t.Helper()
	pc, l := bothPorts(t)
	zone := make(map[string][]dns.RR)
	for _, text := range records {
		rr, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		zone[rr.Header().Name] = append(zone[rr.Header().Name], rr)
	}
	handler := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg)
		m.SetReply(q)
		m.Answer = zone[q.Question[0].Name]
		switch {
		case strings.HasPrefix(q.Question[0].Name, "9."):
			m.Rcode = dns.RcodeServerFailure
		case len(m.Answer) == 0:
			m.Rcode = dns.RcodeNameError
		case w.RemoteAddr().Network() == "udp":
			m.Truncate(1232)
		}
		if err := w.WriteMsg(m); err != nil {
			t.Error(err)
		}
	})
	for _, s := range []*dns.Server{{PacketConn: pc, Handler: handler}, {Listener: l, Handler: handler}} {
		started, done := make(chan struct{}), make(chan error, 1)
		s.NotifyStartedFunc = func() { close(started) }
		go func() { done <- s.ActivateAndServe() }()
		<-started
		t.Cleanup(func() {
			if err := s.Shutdown(); err != nil {
				t.Error(err)
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
	}
	return pc.LocalAddr().String()
}

// bothPorts listens on one number by UDP and by TCP; another one is tried when the second is taken.
func bothPorts(t *testing.T) (net.PacketConn, net.Listener) {
	t.Helper()
	for range 20 {
		pc, err := net.ListenPacket("udp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if l, err := net.Listen("tcp", pc.LocalAddr().String()); err == nil {
			return pc, l
		}
		if err := pc.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Fatal("no port is free for both")
	return nil, nil
}

func TestLookup(t *testing.T) {
	const one = "3.2.1.0.3.9.4.e164.test. 60 IN NAPTR "
	records := []string{
		one + `20 10 "u" "E2U+sip" "!^.*$!sip:bob@c.example!" .`,
		one + `10 20 "u" "E2U+mimi" "!^\\+49(.*)$!mimi://b.example/u/n\\1!" .`,
		one + `10 10 "U" "e2u+voice:sip+im" "!^.*$!im:bob@b.example!i" .`,
		one + `10 5 "" "E2U+mimi" "!^.*$!mimi://not.terminal/u/x!" .`,
		one + `10 6 "u" "E2U+mailto" "!^.*$!mailto:bob@b.example!" .`,
		one + `10 7 "u" "E2U+mimi" "!^(((!x!" .`,
		one + `10 8 "u" "E2U+mimi" "!^.*$!\\7!" .`,
		one + `10 9 "u" "E2U+mimi" "!^12$!mimi://no.match/u/x!" .`,
	}
	for range 40 {
		records = append(records, "5.5.5.e164.test. 60 IN NAPTR 1 1 \"u\" \"E2U+mimi\" \"!^.*$!mimi://b.example/u/"+strings.Repeat("x", 40)+"!\" .")
	}
	r := &Resolver{Server: serve(t, records...), Apex: "e164.test"}
	ask := func(number string) []string {
		t.Helper()
		found, err := r.Lookup(t.Context(), number)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	t.Run("records for messaging, by order and preference", func(t *testing.T) {
		if got, want := ask("+4930123"), []string{"im:bob@b.example", "mimi://b.example/u/n30123", "sip:bob@c.example"}; !slices.Equal(got, want) {
			t.Fatalf("%q", got)
		}
	})
	t.Run("a number that is not there", func(t *testing.T) {
		if got := ask("+4930124"); len(got) != 0 {
			t.Fatalf("%q", got)
		}
	})
	t.Run("an answer that does not fit comes over TCP", func(t *testing.T) {
		if got := ask("+555"); len(got) != 1 {
			t.Fatalf("%q", got)
		}
	})
	t.Run("a server that fails is no answer", func(t *testing.T) {
		if _, err := r.Lookup(t.Context(), "+49309"); !errors.Is(err, ErrAnswer) {
			t.Fatal(err)
		}
	})
	t.Run("what is no number is not asked", func(t *testing.T) {
		for _, n := range []string{"", "+", "4930", "+49 30", "+1234567890123456", "+49.30"} {
			if _, err := r.Lookup(t.Context(), n); !errors.Is(err, ErrNumber) {
				t.Errorf("%q: %v", n, err)
			}
		}
	})
}

func FuzzRewrite(f *testing.F) {
	f.Add("!^.*$!mimi://b.example/u/x!")
	f.Add(`!^\+49(.*)$!x\1!i`)
	f.Fuzz(func(t *testing.T, text string) {
		if out, ok := rewrite(text, "+4930123"); ok && len(out) > mostRegexp {
			t.Fatal("too long")
		}
	})
}
