package provider

import (
	"encoding/json"
	"io"
	"log/slog"
	"sync"
	"time"

	"parley/mimihttp"
)

// TraceLine is one federation request as this provider's end of the TLS connection saw it: one line of JSON in the trace file.
type TraceLine struct {
	Time     time.Time `json:"time"`           // when the request began
	Side     string    `json:"side"`           // "server": we were called; "client": we called
	From     string    `json:"from,omitempty"` // domain of the caller; absent when it is not authenticated
	To       string    `json:"to,omitempty"`   // domain of the called
	Endpoint string    `json:"endpoint,omitempty"`
	Epoch    *uint64   `json:"epoch,omitempty"`  // server side: of the MLS message, where it stands in the clear
	Request  int64     `json:"request_octets"`   // of the body
	Answer   int64     `json:"answer_octets"`    // of the body
	Status   int       `json:"status,omitempty"` // HTTP; absent when no answer came
	Micros   int64     `json:"micros"`           // duration
	Reason   string    `json:"reason,omitempty"` // why it was refused or failed
}

// tracer writes trace lines. It is safe for concurrent use; each line is one write.
type tracer struct {
	log *slog.Logger

	mu     sync.Mutex
	out    io.Writer
	failed bool
}

func (t *tracer) write(e *mimihttp.TraceEvent) {
	l := TraceLine{Time: e.Time, Side: e.Side.String(), Endpoint: e.Endpoint, Epoch: e.Epoch, Status: e.Status,
		Micros: e.Duration.Microseconds(), Reason: e.Reason}
	if e.Side == mimihttp.ServerSide {
		l.From, l.To, l.Request, l.Answer = e.Peer.Domain(), e.Self.Domain(), e.BytesIn, e.BytesOut
	} else {
		l.From, l.To, l.Request, l.Answer = e.Self.Domain(), e.Peer.Domain(), e.BytesOut, e.BytesIn
	}
	text, err := json.Marshal(l)
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		_, err = t.out.Write(append(text, '\n'))
	}
	if err != nil && !t.failed {
		t.failed = true
		t.log.Error("trace file cannot be written", "error", err.Error())
	}
}
