package roletest

import (
	"context"
	"crypto"
	"time"

	"parley/credential"
	"parley/follower"
	"parley/hub"
	"parley/inbox"
	"parley/keypkg"
	"parley/mimi"
	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/outbox"
	"parley/store/memory"
	"parley/uri"
)

// Provider is one provider's roles on one store.
type Provider struct {
	URI    uri.Provider
	CA     *credential.CA
	Store  *memory.Store
	Sender wire.ExternalSender

	// The configurations may be changed before Restart.
	HubConfig      hub.Config
	FollowerConfig follower.Config
	PackagesConfig keypkg.Config
	OutboxConfig   outbox.Config
	InboxConfig    inbox.Config

	Hub      *hub.Hub
	Follower *follower.Follower
	Packages *keypkg.Packages
	Outbox   *outbox.Outbox
	Inboxes  *inbox.Inboxes

	// Alarms is what the outbox raised, Dropped how many items the follower had nobody for.
	Alarms  []outbox.Alarm
	Dropped int

	world *World
}

func must[T any](w *World, v T, err error) T {
	w.T.Helper()
	if err != nil {
		w.T.Fatal(err)
	}
	return v
}

const life = 365 * 24 * time.Hour

func (w *World) newProvider(domain string) *Provider {
	w.T.Helper()
	p := &Provider{world: w, Store: memory.New()}
	var err error
	p.URI, err = uri.ProviderFromDomain(domain)
	must(w, p.URI, err)
	p.CA, err = credential.NewCA(p.URI, Start, 10*life)
	must(w, p.CA, err)
	key, public := w.newKey()
	cred, err := p.CA.IssueProvider(key.Public(), Start, life)
	must(w, cred, err)
	p.Sender = wire.ExternalSender{SignatureKey: public, Credential: cred}
	p.HubConfig = hub.Config{
		Self: p.URI, Store: p.Store.Hub(), MLS: w.MLS(), Keys: []hub.Key{{Signer: key, Sender: p.Sender}}, Now: w.Now, Claim: p.claim,
		ValidateCredential: w.validate, Cases: p.Store.Cases(), ReadContent: ReadContent,
	}
	p.FollowerConfig = follower.Config{
		Self: p.URI, Store: p.Store.Follower(), Now: w.Now, Peers: p.peer, Dropped: func(n int) { p.Dropped += n },
	}
	p.PackagesConfig = keypkg.Config{
		Self: p.URI, Store: p.Store.KeyPackages(), Now: w.Now, ValidateCredential: w.validate,
		Validate: func(kp *wire.KeyPackage, now time.Time) error { return mls.ValidateKeyPackage(w.MLS(), kp, now) },
	}
	p.OutboxConfig = outbox.Config{
		Store: p.Store.Outbox(), Now: w.Now, Alarm: func(a outbox.Alarm) { p.Alarms = append(p.Alarms, a) },
	}
	p.InboxConfig = inbox.Config{Store: p.Store.Inbox(), Now: w.Now}
	p.Restart()
	return p
}

// Restart makes the roles anew on what the store holds.
func (p *Provider) Restart() {
	p.Hub = hub.New(p.HubConfig)
	p.Follower = follower.New(p.FollowerConfig)
	p.Packages = keypkg.New(p.PackagesConfig)
	p.Outbox = outbox.New(p.OutboxConfig)
	p.Inboxes = inbox.New(p.InboxConfig)
}

func (w *World) newKey() (crypto.Signer, []byte) {
	w.T.Helper()
	s, err := suite.Lookup(Suite)
	must(w, s, err)
	key, err := s.GenerateSignatureKey()
	must(w, key, err)
	public, err := s.SignaturePublicKey(key.Public())
	return key, must(w, public, err)
}

func (p *Provider) peer(to uri.Provider) (mimi.Service, error) { return p.world.Peer(p.URI, to) }

// claim is the hub's way to a target's KeyPackages: the own store for own users, else their provider.
func (p *Provider) claim(ctx context.Context, target uri.User, r *mimi.KeyMaterialRequest) (*mimi.KeyMaterialResponse, error) {
	if target.Provider() == p.URI {
		return p.Packages.Claim(ctx, p.URI, target, r)
	}
	peer, err := p.peer(target.Provider())
	if err != nil {
		return nil, err
	}
	return peer.KeyMaterial(ctx, target, r)
}

// As is the provider as it serves a caller.
func (p *Provider) As(caller uri.Provider) mimi.Service { return &service{p, caller} }

type service struct {
	*Provider
	caller uri.Provider
}

func (s *service) KeyMaterial(ctx context.Context, target uri.User, r *mimi.KeyMaterialRequest) (*mimi.KeyMaterialResponse, error) {
	if at, err := uri.ParseRoom(r.Room); err == nil && at.Provider() == s.URI {
		return s.Hub.KeyMaterial(ctx, s.caller, target, r)
	}
	return s.Packages.Claim(ctx, s.caller, target, r)
}

func (s *service) Update(ctx context.Context, at uri.Room, r *mimi.UpdateRequest) (*mimi.UpdateRoomResponse, error) {
	return s.Hub.Update(ctx, s.caller, at, r)
}

func (s *service) SubmitMessage(ctx context.Context, at uri.Room, r *mimi.SubmitMessageRequest) (*mimi.SubmitMessageResponse, error) {
	return s.Hub.SubmitMessage(ctx, s.caller, at, r)
}

func (s *service) Notify(ctx context.Context, at uri.Room, r *mimi.NotifyBody) error {
	return s.Follower.Notify(ctx, s.caller, at, r)
}

func (s *service) GroupInfo(ctx context.Context, at uri.Room, r *mimi.GroupInfoRequest) (*mimi.GroupInfoResponse, error) {
	return s.Hub.GroupInfo(ctx, s.caller, at, r)
}
