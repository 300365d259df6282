package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"time"

	"parley/identity"
	"parley/outbox"
	"parley/uri"
)

// The socket is between one binary and itself: a POST of JSON for each function of Operator, with the answer or a failure.

const maxOperator = 16 << 20

// name is a request that consists of a name.
type name struct {
	Name string `json:"name"`
}

// page is a request for a part of a list.
type page struct {
	After string `json:"after"`
	Limit int    `json:"limit"`
}

// reportPage is a request for a part of the abuse reports.
type reportPage struct {
	After uint64 `json:"after"`
	Limit int    `json:"limit"`
	All   bool   `json:"all"`
}

// decision is what an operator has decided on a report.
type decision struct {
	ID      uint64 `json:"id"`
	Outcome string `json:"outcome"`
}

type nothing struct{}

// operators serves the socket.
func (p *Provider) operators() http.Handler {
	o, mux := p.desk().operator(), http.NewServeMux()
	handle(p, mux, "/users/invite", func(ctx context.Context, q name) (*Invitation, error) { return o.Invite(ctx, q.Name) })
	handle(p, mux, "/users/restore", func(ctx context.Context, q name) (*Invitation, error) { return o.Restore(ctx, q.Name) })
	handle(p, mux, "/users/list", func(ctx context.Context, q page) ([]UserEntry, error) {
		if q.Limit < 1 || q.Limit > pageOfUsers {
			return nil, ErrOperator
		}
		return o.Users(ctx, q.After, q.Limit)
	})
	handle(p, mux, "/users/remove", func(ctx context.Context, q name) ([]Revocation, error) { return o.Remove(ctx, q.Name) })
	handle(p, mux, "/users/person", func(ctx context.Context, q name) (*PersonEntry, error) { return o.Person(ctx, q.Name) })
	handle(p, mux, "/users/address", func(ctx context.Context, q AddressChange) (*PersonEntry, error) { return o.Address(ctx, q) })
	handle(p, mux, "/devices/revoke", func(ctx context.Context, q name) (*Revocation, error) { return o.Revoke(ctx, q.Name) })
	handle(p, mux, "/peers/list", func(ctx context.Context, _ nothing) ([]PeerEntry, error) { return o.Peers(ctx) })
	handle(p, mux, "/peers/accept", func(ctx context.Context, q name) (nothing, error) {
		peer, err := uri.ProviderFromDomain(q.Name)
		if err != nil {
			return nothing{}, ErrNoSuchPeer
		}
		return nothing{}, o.Accept(ctx, peer)
	})
	handle(p, mux, "/outbox/list", func(ctx context.Context, _ nothing) (*ParkedList, error) { return o.Parked(ctx) })
	handle(p, mux, "/outbox/retry", func(ctx context.Context, q name) (nothing, error) { return nothing{}, o.Retry(ctx, q.Name) })
	handle(p, mux, "/abuse/list", func(ctx context.Context, q reportPage) ([]ReportEntry, error) {
		if q.Limit < 1 || q.Limit > pageOfUsers {
			return nil, ErrOperator
		}
		return o.Reports(ctx, q.After, q.Limit, q.All)
	})
	handle(p, mux, "/abuse/resolve", func(ctx context.Context, q decision) (nothing, error) {
		return nothing{}, o.Resolve(ctx, q.ID, q.Outcome)
	})
	handle(p, mux, "/outbox/drop", func(ctx context.Context, q name) (nothing, error) { return nothing{}, o.Drop(ctx, q.Name) })
	return mux
}

func handle[Q, A any](p *Provider, mux *http.ServeMux, path string, do func(context.Context, Q) (A, error)) {
	mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
		var q Q
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOperator)).Decode(&q); err != nil {
			p.answerOperator(w, nil, ErrOperator)
			return
		}
		answer, err := do(r.Context(), q)
		p.answerOperator(w, answer, err)
	})
}

// failure carries an error over the socket; Known names one that the other side can tell apart.
type failure struct {
	Error string `json:"error"`
	Known string `json:"known,omitempty"`
}

// knownFailures are the errors that keep their identity over the socket.
func knownFailures() map[string]error {
	return map[string]error{
		"name": identity.ErrName, "user": identity.ErrUser, "device": identity.ErrUnknown, "removed": identity.ErrRemoved,
		"no change": identity.ErrNoChange, "not parked": outbox.ErrNotParked, "busy": outbox.ErrBusy,
		"operator": ErrOperator, "peer": ErrNoSuchPeer, "label": ErrLabel, "no report": ErrNoReport,
		"address": identity.ErrAddress, "field": identity.ErrField, "no entry": identity.ErrNoEntry, "reach": identity.ErrReach,
		"foreign": identity.ErrForeign,
	}
}

func (p *Provider) answerOperator(w http.ResponseWriter, answer any, err error) {
	status := http.StatusOK
	if err != nil {
		status = http.StatusUnprocessableEntity
		f := failure{Error: err.Error()}
		for name, known := range knownFailures() {
			if errors.Is(err, known) {
				f.Known = name
			}
		}
		answer = f
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(answer); err != nil {
		p.log.Warn("an operator went away", "error", err.Error())
	}
}

// Dial returns the operator's side of a provider that runs; ErrNotRunning when nobody is at the socket.
func Dial(ctx context.Context, socket string) (*Operator, error) {
	dial := func(ctx context.Context) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	probe, err := dial(ctx)
	if err != nil {
		return nil, errors.Join(ErrNotRunning, err)
	}
	if err := probe.Close(); err != nil {
		return nil, err
	}
	c := &http.Client{Timeout: time.Minute, Transport: &http.Transport{
		DialContext:       func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		DisableKeepAlives: true,
	}}
	named := func(path string) func(context.Context, string) error {
		return func(ctx context.Context, s string) error {
			_, err := socketCall[nothing](ctx, c, path, name{s})
			return err
		}
	}
	accept := named("/peers/accept")
	return &Operator{
		Invite: func(ctx context.Context, s string) (*Invitation, error) {
			return socketCall[*Invitation](ctx, c, "/users/invite", name{s})
		},
		Restore: func(ctx context.Context, s string) (*Invitation, error) {
			return socketCall[*Invitation](ctx, c, "/users/restore", name{s})
		},
		Users: func(ctx context.Context, after string, limit int) ([]UserEntry, error) {
			return socketCall[[]UserEntry](ctx, c, "/users/list", page{after, limit})
		},
		Person: func(ctx context.Context, s string) (*PersonEntry, error) {
			return socketCall[*PersonEntry](ctx, c, "/users/person", name{s})
		},
		Address: func(ctx context.Context, q AddressChange) (*PersonEntry, error) {
			return socketCall[*PersonEntry](ctx, c, "/users/address", q)
		},
		Revoke: func(ctx context.Context, s string) (*Revocation, error) {
			return socketCall[*Revocation](ctx, c, "/devices/revoke", name{s})
		},
		Remove: func(ctx context.Context, s string) ([]Revocation, error) {
			return socketCall[[]Revocation](ctx, c, "/users/remove", name{s})
		},
		Accept: func(ctx context.Context, peer uri.Provider) error { return accept(ctx, peer.Domain()) },
		Peers: func(ctx context.Context) ([]PeerEntry, error) {
			return socketCall[[]PeerEntry](ctx, c, "/peers/list", nothing{})
		},
		Parked: func(ctx context.Context) (*ParkedList, error) {
			return socketCall[*ParkedList](ctx, c, "/outbox/list", nothing{})
		},
		Reports: func(ctx context.Context, after uint64, limit int, all bool) ([]ReportEntry, error) {
			return socketCall[[]ReportEntry](ctx, c, "/abuse/list", reportPage{after, limit, all})
		},
		Resolve: func(ctx context.Context, id uint64, outcome string) error {
			_, err := socketCall[nothing](ctx, c, "/abuse/resolve", decision{id, outcome})
			return err
		},
		Retry: named("/outbox/retry"),
		Drop:  named("/outbox/drop"),
	}, nil
}

func socketCall[A any](ctx context.Context, c *http.Client, path string, request any) (answer A, err error) {
	body, err := json.Marshal(request)
	if err != nil {
		return answer, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://parley"+path, bytes.NewReader(body))
	if err != nil {
		return answer, err
	}
	resp, err := c.Do(r)
	if err != nil {
		return answer, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxOperator))
	if err != nil {
		return answer, err
	}
	if resp.StatusCode == http.StatusOK {
		return answer, json.Unmarshal(text, &answer)
	}
	var f failure
	if err := json.Unmarshal(text, &f); err != nil {
		return answer, ErrOperator
	}
	if known, ok := knownFailures()[f.Known]; ok {
		return answer, known
	}
	return answer, errors.New(f.Error)
}
