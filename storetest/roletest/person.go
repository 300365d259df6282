package roletest

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"parley/client"
	"parley/follower"
	"parley/inbox"
	"parley/mimi"
	"parley/mls"
	"parley/mls/wire"
	"parley/uri"
)

// Person is a device with the real client. It reaches its provider directly; what the provider gives away it counts as a RetryError when
// it is temporary.
type Person struct {
	*client.Client
	Device *Device // its enrolment; the device itself does nothing
	Disk   Disk
	// Asked are the requests that the client made of its provider, in order.
	Asked []Asked
	// Tamper may change what comes as an answer to a request for a GroupInfo; nil leaves it.
	Tamper func(r *mimi.GroupInfoRequest, answer *mimi.GroupInfoResponse)
	// Between stands between the client and its provider from the next Reopen on; nil: nothing does.
	Between func(client.Provider) client.Provider
	// Receipts are what the person reports from the next Reopen on.
	Receipts client.Receipts
	// HoldStrangers is client.Config.HoldStrangers, from the next Reopen on.
	HoldStrangers bool
}

// Asked is a request of a client.
type Asked struct {
	What    mimi.Endpoint
	Room    uri.Room
	Claim   *mimi.KeyMaterialRequest
	Update  *mimi.UpdateRequest
	Message *mimi.SubmitMessageRequest
}

// Disk is a client's store in memory.
type Disk map[string][]byte

// Load returns records by ascending key.
func (d Disk) Load(_ context.Context, prefix string) ([]mls.Record, error) {
	var out []mls.Record
	for key, value := range d {
		if strings.HasPrefix(key, prefix) {
			out = append(out, mls.Record{Key: key, Value: bytes.Clone(value)})
		}
	}
	slices.SortFunc(out, func(a, b mls.Record) int { return strings.Compare(a.Key, b.Key) })
	return out, nil
}

// Commit writes a change set.
func (d Disk) Commit(_ context.Context, changes mls.Delta) error {
	for _, c := range changes {
		if c.Value == nil {
			delete(d, c.Key)
		} else {
			d[c.Key] = bytes.Clone(c.Value)
		}
	}
	return nil
}

// Person enrols a device with the real client, and publishes its KeyPackages.
func (w *World) Person(domain, user, name string) *Person {
	w.T.Helper()
	d := w.enrol(domain, user, name)
	p := &Person{Device: d, Disk: make(Disk)}
	account := &client.Account{
		User: d.User, Client: d.Client.Client, Suite: Suite, Signer: d.Key, Credential: d.Credential, HubSender: d.Home.Sender}
	must(w, p, client.SaveAccount(w.T.Context(), p.Disk, account))
	p.Reopen()
	must(w, p, p.Stock(w.T.Context(), 1))
	w.people = append(w.people, p)
	return p
}

// Reopen starts the client anew on what its disk holds.
func (p *Person) Reopen() {
	w := p.Device.world()
	w.T.Helper()
	var provider client.Provider = &home{p}
	if p.Between != nil {
		provider = p.Between(provider)
	}
	c, err := client.Open(w.T.Context(), client.Config{Store: p.Disk, Provider: provider, MLS: w.MLS(), Now: w.Now, Wanted: 3, Receipts: p.Receipts, HoldStrangers: p.HoldStrangers})
	p.Client = must(w, c, err)
}

// Work lets all clients take in what came and work off what they want, and everything be delivered, until nothing happens any more.
// Waits of clients pass at once.
func (w *World) Work() {
	w.T.Helper()
	for moved := true; moved; {
		w.Sync()
		moved = false
		for _, p := range w.people {
			n, err := p.Receive(w.T.Context(), 0)
			must(w, n, err)
			before := len(p.Asked)
			next, err := p.Flush(w.T.Context())
			must(w, next, err)
			if wait := next.Sub(w.Now()); wait > 0 && wait < time.Minute {
				w.Pass(wait)
				moved = true
			}
			moved = moved || n > 0 || len(p.Asked) > before
		}
	}
}

// home is a client's provider.
type home struct{ *Person }

func (h *home) self() follower.Client { return h.Device.Client }

func (h *home) ask(a Asked) *Provider {
	h.Asked = append(h.Asked, a)
	return h.Device.Home
}

func retry[A any](answer A, err error) (A, error) {
	var known *mimi.Error
	if errors.As(err, &known) && known.Temporary() {
		return answer, &client.RetryError{After: known.RetryAfter, Err: err}
	}
	return answer, err
}

func (h *home) PublishKeyPackages(ctx context.Context, list []wire.KeyPackage) (int, error) {
	if len(list) == 0 {
		return h.Device.Home.Packages.Count(ctx, h.self().Client)
	}
	return retry(h.Device.Home.Packages.Publish(ctx, h.self().User, h.self().Client, list))
}

func (h *home) CreateRoom(ctx context.Context, at uri.Room, info *wire.GroupInfo, tree *wire.RatchetTree) error {
	if _, err := retry(h.Device.Home.Hub.CreateRoom(ctx, h.self().User, at, info, tree)); err != nil {
		return err
	}
	return h.Device.Home.Follower.Joined(ctx, at, h.self().Client)
}

func (h *home) KeyMaterial(ctx context.Context, target uri.User, r *mimi.KeyMaterialRequest) (*mimi.KeyMaterialResponse, error) {
	return retry(h.ask(Asked{What: mimi.KeyMaterial, Claim: r}).Follower.KeyMaterial(ctx, h.self(), target, r))
}

func (h *home) Update(ctx context.Context, at uri.Room, r *mimi.UpdateRequest) (*mimi.UpdateRoomResponse, error) {
	return retry(h.ask(Asked{What: mimi.Update, Room: at, Update: r}).Follower.Update(ctx, h.self(), at, r))
}

func (h *home) SubmitMessages(ctx context.Context, at uri.Room, list []*mimi.SubmitMessageRequest) ([]*mimi.SubmitMessageResponse, error) {
	var home *Provider
	for _, r := range list {
		home = h.ask(Asked{What: mimi.SubmitMessage, Room: at, Message: r})
	}
	return retry(home.Follower.SubmitMessages(ctx, h.self(), at, list))
}

func (h *home) GroupInfo(ctx context.Context, at uri.Room, r *mimi.GroupInfoRequest) (*mimi.GroupInfoResponse, error) {
	answer, err := h.ask(Asked{What: mimi.GroupInfo, Room: at}).Follower.GroupInfo(ctx, h.self(), at, r)
	if err == nil && h.Tamper != nil {
		h.Tamper(r, answer)
	}
	return retry(answer, err)
}

func (h *home) Events(ctx context.Context, after client.Cursor, _ time.Duration) ([]client.Event, error) {
	from := inbox.Cursor(after)
	entries, _, err := h.Device.Home.Inboxes.Read(ctx, h.self().Client, &from, inbox.MaxRead)
	out := make([]client.Event, len(entries))
	for i, e := range entries {
		out[i] = client.Event{Cursor: client.Cursor(e.Cursor), Room: e.Room, Timestamp: e.Timestamp, Body: e.Body}
	}
	return out, err
}

func (h *home) Ack(ctx context.Context, at client.Cursor) error {
	return h.Device.Home.Inboxes.Ack(ctx, h.self().Client, inbox.Cursor(at))
}
