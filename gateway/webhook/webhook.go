package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"syscall"
	"time"

	"parley/gateway"
	"parley/gateway/convert"
)

// Config is how to reach the system.
type Config struct {
	URL          string // gets what MIMI users do; https, or http where private addresses are allowed
	Listen       string // host:port that takes what native users do
	Secret       string // whsec_ and base64
	AllowPrivate bool   // loopback and private addresses may be connected to
	Now          func() time.Time
}

// Webhook is a system of one's own. It implements gateway.Native.
type Webhook struct {
	cfg    Config
	key    []byte
	client *http.Client
}

const (
	mostBody   = 128 << 10
	answerIn   = 20 * time.Second
	retryAfter = 2 * time.Second
)

var errURL = errors.New("webhook: the URL must be https, or http with private addresses allowed")

// New makes a connector.
func New(cfg Config) (*Webhook, error) {
	key, err := parseSecret(cfg.Secret)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(cfg.URL, "https://") && !(cfg.AllowPrivate && strings.HasPrefix(cfg.URL, "http://")) {
		return nil, errURL
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	dialer := &net.Dialer{Timeout: answerIn}
	if !cfg.AllowPrivate {
		dialer.Control = publicOnly
	}
	return &Webhook{cfg: cfg, key: key, client: &http.Client{Timeout: answerIn, Transport: &http.Transport{DialContext: dialer.DialContext},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}, nil
}

var errPrivate = errors.New("webhook: the address is private")

// publicOnly judges the address after the name was resolved.
func publicOnly(_, address string, _ syscall.RawConn) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return errPrivate
	}
	ip := at.Addr().Unmap()
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || ip.IsLoopback() || ip.IsLinkLocalUnicast() {
		return errPrivate
	}
	return nil
}

// Person is a participant on the wire.
type Person struct {
	User   string `json:"user"`             // mimi:// URI
	Native string `json:"native,omitempty"` // name in the system
}

// Report is what became of a message.
type Report struct {
	Target string `json:"target"`
	Status string `json:"status"` // delivered, read, failed
}

// Outgoing is what the system is told.
type Outgoing struct {
	ID      string    `json:"id"`
	Again   bool      `json:"again,omitempty"` // it may have been sent before
	Verb    string    `json:"verb"`            // say, edit, delete, react, report, enter, leave, rename, failure
	From    string    `json:"from,omitempty"`  // mimi:// URI
	Group   string    `json:"group,omitempty"`
	To      string    `json:"to,omitempty"` // native user; where there is no group
	Title   string    `json:"title,omitempty"`
	People  []Person  `json:"people,omitempty"`
	Time    time.Time `json:"time"`
	Plain   string    `json:"plain,omitempty"`
	HTML    string    `json:"html,omitempty"` // if the text has form
	Target  string    `json:"target,omitempty"`
	Emoji   string    `json:"emoji,omitempty"`
	Reports []Report  `json:"reports,omitempty"`
	Reason  string    `json:"reason,omitempty"`
	Notice  string    `json:"notice"` // who can read the text
}

// Incoming is what the system tells.
type Incoming struct {
	Verb   string `json:"verb"` // say, edit, delete, react, report, enter, leave
	From   string `json:"from"` // native user
	Group  string `json:"group,omitempty"`
	To     string `json:"to,omitempty"`   // mimi:// URI; where there is no group
	ID     string `json:"id,omitempty"`   // of the message; default: that of the request
	Text   string `json:"text,omitempty"` // plain
	HTML   string `json:"html,omitempty"` // instead of text
	Target string `json:"target,omitempty"`
	Emoji  string `json:"emoji,omitempty"`
	Status string `json:"status,omitempty"` // of a report
}

const notice = "not end-to-end: the gateway and this system can read it"

// Deliver implements gateway.Native.
func (w *Webhook) Deliver(ctx context.Context, e *gateway.Envelope) gateway.Outcome {
	if e.Verb == gateway.Present {
		return gateway.Outcome{Fate: gateway.Accepted, Level: gateway.Full}
	}
	out := gateway.Outcome{Fate: gateway.Accepted, Level: gateway.Full, Native: e.ID}
	body, err := json.Marshal(w.outgoing(e, &out))
	if err != nil {
		return gateway.Outcome{Fate: gateway.Refused, Reason: "it cannot be written in JSON"}
	}
	status, err := w.post(ctx, e.ID, body)
	switch {
	case errors.Is(err, errPrivate):
		return gateway.Outcome{Fate: gateway.Refused, Reason: errPrivate.Error()}
	case err != nil:
		return gateway.Outcome{Fate: gateway.Unknown}
	case status/100 == 2:
		return out
	case status/100 == 4 && status != http.StatusRequestTimeout && status != http.StatusTooEarly && status != http.StatusTooManyRequests:
		return gateway.Outcome{Fate: gateway.Refused, Reason: "the system refused it (" + strconv.Itoa(status) + ")"}
	}
	return gateway.Outcome{Fate: gateway.Retry, After: retryAfter, Reason: "the system is busy"}
}

func (w *Webhook) outgoing(e *gateway.Envelope, out *gateway.Outcome) *Outgoing {
	o := &Outgoing{ID: e.ID, Again: e.Again, Verb: string(e.Verb), Group: e.Place.Group, To: string(e.Place.With), Title: convert.Line(e.Title),
		Time: e.Time.UTC(), Target: e.Target.Native, Emoji: convert.Line(e.Emoji), Reason: convert.Line(e.Reason), Notice: notice}
	if !e.From.IsZero() {
		o.From = e.From.String()
	}
	for _, p := range e.Crowd {
		o.People = append(o.People, Person{p.User.String(), string(p.Native)})
	}
	for _, r := range e.Report {
		o.Reports = append(o.Reports, Report{r.Target.Native, string(r.Status)})
	}
	if e.Doc != nil {
		o.Plain, out.Losses = convert.Plain(e.Doc, nil)
		if convert.HasForm(e.Doc) {
			o.HTML, out.Losses = convert.Matrix(e.Doc, nil)
		}
	}
	return o
}

func (w *Webhook) post(ctx context.Context, id string, body []byte) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/json")
	sign(r.Header, w.key, id, w.cfg.Now(), body)
	answer, err := w.client.Do(r)
	if err != nil {
		return 0, err
	}
	_, err = io.Copy(io.Discard, io.LimitReader(answer.Body, mostBody))
	return answer.StatusCode, errors.Join(err, answer.Body.Close())
}

// Run implements gateway.Native: it serves what the system posts.
func (w *Webhook) Run(ctx context.Context, h *gateway.Host) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", w.cfg.Listen)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /events", func(rw http.ResponseWriter, r *http.Request) { w.take(rw, r, h) })
	server := &http.Server{Handler: mux, ReadTimeout: answerIn, WriteTimeout: answerIn, MaxHeaderBytes: 16 << 10}
	closed := make(chan error, 1) // Serve says the same
	stop := context.AfterFunc(ctx, func() { closed <- server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// take answers 204 only after the event is stored.
func (w *Webhook) take(rw http.ResponseWriter, r *http.Request, h *gateway.Host) {
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, mostBody))
	if err != nil {
		rw.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	id, err := verify(r.Header, w.key, w.cfg.Now(), body)
	if err != nil {
		rw.WriteHeader(http.StatusUnauthorized)
		return
	}
	var in Incoming
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if decoder.Decode(&in) != nil || decoder.More() {
		rw.WriteHeader(http.StatusBadRequest)
		return
	}
	switch err := h.Ingest(r.Context(), in.event(id)); {
	case errors.Is(err, gateway.ErrFlood):
		rw.Header().Set("Retry-After", "2")
		rw.WriteHeader(http.StatusTooManyRequests)
	case errors.Is(err, gateway.ErrEvent):
		rw.WriteHeader(http.StatusBadRequest)
	case err != nil:
		rw.WriteHeader(http.StatusServiceUnavailable)
	default:
		rw.WriteHeader(http.StatusNoContent)
	}
}

// event is what an incoming request says. What it says wrong is for Ingest to find.
func (in *Incoming) event(id string) *gateway.Event {
	e := &gateway.Event{ID: id, Native: in.ID, Verb: gateway.Verb(in.Verb), From: gateway.Address(strings.ToLower(convert.Line(in.From))), Group: in.Group, To: in.To,
		Target: in.Target, Emoji: convert.Line(in.Emoji), Status: gateway.Status(in.Status)}
	switch e.Verb {
	case gateway.Say, gateway.Edit, gateway.Delete, gateway.React, gateway.Report, gateway.Enter, gateway.Leave:
	default:
		e.ID = "" // no event
	}
	if in.HTML != "" {
		e.Text, _ = convert.FromMatrix(in.HTML, nil)
	} else {
		e.Text, _ = convert.FromPlain(in.Text)
	}
	if e.Verb == gateway.Say && strings.TrimSpace(e.Text.Text) == "" {
		e.ID = ""
	}
	return e
}

// Peer implements gateway.Native.
func (w *Webhook) Peer(context.Context, gateway.Address) (gateway.Capabilities, bool) {
	return gateway.Capabilities{}, false
}

// Ephemeral implements gateway.Native.
func (w *Webhook) Ephemeral(context.Context, gateway.Signal) {}

// Resolve implements gateway.Native: every name is one.
func (w *Webhook) Resolve(_ context.Context, identifier string) (gateway.Address, error) {
	if name := strings.ToLower(convert.Line(strings.TrimSpace(identifier))); name != "" {
		return gateway.Address(name), nil
	}
	return "", gateway.ErrNoAddress
}

// Probe implements gateway.Native.
func (w *Webhook) Probe(ctx context.Context) error {
	body, err := json.Marshal(Outgoing{ID: "probe", Verb: "probe", Time: w.cfg.Now().UTC(), Notice: notice})
	if err != nil {
		return err
	}
	status, err := w.post(ctx, "probe-"+strconv.FormatInt(w.cfg.Now().UnixNano(), 10), body)
	if err == nil && status/100 == 5 {
		err = gateway.ErrOffline
	}
	return err
}
