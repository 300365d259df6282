package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"parley/identity"
	"parley/uri"
)

// Operator is what an operator can do with a provider: through the socket of one that runs, or with the store of one that does not.
type Operator struct {
	// Invite makes a user, unless there is one of the name, and a one-time code for one device of it.
	Invite func(ctx context.Context, name string) (*Invitation, error)
	// Users lists at most limit users whose URI is behind after.
	Users func(ctx context.Context, after string, limit int) ([]UserEntry, error)
	// Accept puts the changed authorities of a peer in force, which raised an alarm.
	Accept func(ctx context.Context, peer uri.Provider) error
	// Peers lists what is known of other providers' authorities.
	Peers func(ctx context.Context) ([]PeerEntry, error)
}

// Invitation is a fresh enrolment code. It is shown once.
type Invitation struct {
	User    string    `json:"user"`
	Code    string    `json:"code"`
	Expires time.Time `json:"expires"`
}

// UserEntry is one user.
type UserEntry struct {
	User    string        `json:"user"`
	Created time.Time     `json:"created"`
	Devices []DeviceEntry `json:"devices"`
}

// DeviceEntry is one device of a user.
type DeviceEntry struct {
	Client  string    `json:"client"`
	Created time.Time `json:"created"`
	Revoked bool      `json:"revoked,omitempty"`
}

// PeerEntry is a provider whose authorities are pinned.
type PeerEntry struct {
	Domain       string    `json:"domain"`
	Certificates int       `json:"certificates"`
	Since        time.Time `json:"since"`
	Changed      bool      `json:"changed"` // another set waits for Accept
}

// Errors of operators.
var (
	// ErrNotRunning means that nobody answers at the socket.
	ErrNotRunning = errors.New("provider: no provider runs at the socket")
	ErrOperator   = errors.New("provider: the request is not one that operators make")
)

// Offline works on a store that no provider uses. The store's goroutines must run.
func Offline(self uri.Provider, s *Store, now func() time.Time) *Operator {
	accounts := &identity.Accounts{Provider: self, Update: s.UpdateAccounts, View: s.ViewAccounts, Now: now}
	pins := &identity.Pins{Update: s.UpdatePins, View: s.ViewPins, Now: now}
	return direct(accounts, pins.All, pins.Accept, now)
}

func direct(accounts *identity.Accounts, all func(context.Context) ([]identity.Pin, error),
	accept func(context.Context, uri.Provider) error, now func() time.Time) *Operator {
	return &Operator{
		Invite: func(ctx context.Context, name string) (*Invitation, error) {
			until := now().Add(identity.CodeLife)
			user, code, err := accounts.Invite(ctx, name)
			if err != nil {
				return nil, err
			}
			return &Invitation{User: user.String(), Code: code, Expires: until.UTC().Truncate(time.Second)}, nil
		},
		Users: func(ctx context.Context, after string, limit int) ([]UserEntry, error) {
			list, err := accounts.List(ctx, after, limit)
			if err != nil {
				return nil, err
			}
			out := make([]UserEntry, len(list))
			for i, a := range list {
				out[i] = UserEntry{User: a.User.URI.String(), Created: a.User.Created.UTC(), Devices: []DeviceEntry{}}
				for _, d := range a.Devices {
					out[i].Devices = append(out[i].Devices, DeviceEntry{Client: d.Client.String(), Created: d.Created.UTC(), Revoked: !d.Revoked.IsZero()})
				}
			}
			return out, nil
		},
		Accept: accept,
		Peers: func(ctx context.Context) ([]PeerEntry, error) {
			pins, err := all(ctx)
			if err != nil {
				return nil, err
			}
			out := make([]PeerEntry, len(pins))
			for i, pin := range pins {
				out[i] = PeerEntry{Domain: pin.Provider.Domain(), Certificates: len(pin.Set), Since: pin.Since.UTC(), Changed: len(pin.Pending) > 0}
			}
			return out, nil
		},
	}
}

// Paths on the socket. They are between one binary and itself.
const (
	pathUsers  = "/users"
	pathPeers  = "/peers"
	pathAccept = "/peers/accept"

	maxOperator = 4 << 20
)

type inviteRequest struct {
	Name string `json:"name"`
}

type acceptRequest struct {
	Domain string `json:"domain"`
}

// operators serves the socket.
func (p *Provider) operators() http.Handler {
	o := direct(p.accounts, p.authorities.pins.All, p.authorities.accept, p.cfg.Now)
	mux := http.NewServeMux()
	mux.HandleFunc("POST "+pathUsers, func(w http.ResponseWriter, r *http.Request) {
		var q inviteRequest
		if p.readOperator(w, r, &q) {
			answer, err := o.Invite(r.Context(), q.Name)
			p.answerOperator(w, answer, err)
		}
	})
	mux.HandleFunc("GET "+pathUsers, func(w http.ResponseWriter, r *http.Request) {
		limit, err := strconv.Atoi(r.URL.Query().Get("limit"))
		if err != nil || limit < 1 || limit > pageOfUsers {
			p.answerOperator(w, nil, ErrOperator)
			return
		}
		answer, err := o.Users(r.Context(), r.URL.Query().Get("after"), limit)
		p.answerOperator(w, answer, err)
	})
	mux.HandleFunc("GET "+pathPeers, func(w http.ResponseWriter, r *http.Request) {
		answer, err := o.Peers(r.Context())
		p.answerOperator(w, answer, err)
	})
	mux.HandleFunc("POST "+pathAccept, func(w http.ResponseWriter, r *http.Request) {
		var q acceptRequest
		if !p.readOperator(w, r, &q) {
			return
		}
		peer, err := uri.ProviderFromDomain(q.Domain)
		if err == nil {
			err = o.Accept(r.Context(), peer)
		}
		p.answerOperator(w, struct{}{}, err)
	})
	return mux
}

func (p *Provider) readOperator(w http.ResponseWriter, r *http.Request, v any) bool {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOperator)).Decode(v); err != nil {
		p.answerOperator(w, nil, ErrOperator)
		return false
	}
	return true
}

// failure carries an error over the socket; Known names one that the other side can tell apart.
type failure struct {
	Error string `json:"error"`
	Known string `json:"known,omitempty"`
}

// knownFailures are the errors that keep their identity over the socket.
func knownFailures() map[string]error {
	return map[string]error{"name": identity.ErrName, "no change": identity.ErrNoChange, "operator": ErrOperator}
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

// pageOfUsers is the most users in one answer.
const pageOfUsers = 200

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
	return &Operator{
		Invite: func(ctx context.Context, name string) (*Invitation, error) {
			return socketCall[*Invitation](ctx, c, http.MethodPost, pathUsers, inviteRequest{name})
		},
		Users: func(ctx context.Context, after string, limit int) ([]UserEntry, error) {
			q := url.Values{"after": {after}, "limit": {strconv.Itoa(limit)}}
			return socketCall[[]UserEntry](ctx, c, http.MethodGet, pathUsers+"?"+q.Encode(), nil)
		},
		Accept: func(ctx context.Context, peer uri.Provider) error {
			_, err := socketCall[struct{}](ctx, c, http.MethodPost, pathAccept, acceptRequest{peer.Domain()})
			return err
		},
		Peers: func(ctx context.Context) ([]PeerEntry, error) {
			return socketCall[[]PeerEntry](ctx, c, http.MethodGet, pathPeers, nil)
		},
	}, nil
}

func socketCall[A any](ctx context.Context, c *http.Client, method, path string, request any) (answer A, err error) {
	body, err := json.Marshal(request)
	if err != nil {
		return answer, err
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://parley"+path, bytes.NewReader(body))
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

// AllUsers reads the whole list.
func (o *Operator) AllUsers(ctx context.Context) ([]UserEntry, error) {
	all := []UserEntry{}
	after := ""
	for {
		page, err := o.Users(ctx, after, pageOfUsers)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < pageOfUsers {
			return all, nil
		}
		after = page[len(page)-1].User
	}
}
