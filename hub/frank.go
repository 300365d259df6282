package hub

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"errors"
	"slices"
	"sync"
	"time"

	"parley/credential"
	"parley/mimi"
	"parley/mls"
	"parley/mls/wire"
	"parley/room"
	"parley/syntax"
	"parley/uri"
)

const (
	// HubKeyLife is how long new messages are franked with one hub_key.
	HubKeyLife = 30 * 24 * time.Hour
	// HubKeyKept is how long a hub_key is kept after it was replaced: for so long messages can be reported (P-FR-20).
	HubKeyKept = 400 * 24 * time.Hour
	hubKeySize = 32

	// knownFranking is how many rooms' franking is kept at hand.
	knownFranking = 1 << 16
)

// franking is how a room franks at one version.
type franking struct {
	version uint64
	safe    bool             // authenticated data of messages is a SafeAAD
	suite   wire.CipherSuite // of the group (P-FR-09)
	signer  crypto.Signer    // of its agent; nil: the room does not frank
}

// franker makes franks. Its locks cover map work only.
type franker struct {
	mu    sync.Mutex
	rooms map[uri.Room]franking
	keys  []HubKey // nil: not read yet
}

// errStale means that the room has changed since its franking was looked up: the caller starts again.
var errStale = errors.New("hub: the room's franking is of another version")

// frankPlan is a message's frank as far as it was made before the transaction that accepts the message: signatures are too slow for
// what happens one after the other.
type frankPlan struct {
	room      franking
	malformed bool // the authenticated data is not a SafeAAD in a room that wants one (P-FR-05)
	tag       [32]byte
	context   mimi.FrankingContext
	frank     *mimi.Frank // nil: the message gets none
}

// planFrank looks at the message's authenticated data. nil means that there is nothing to frank and nothing wrong: then nothing was
// read. A plan holds for the version of the room that it names.
func (h *Hub) planFrank(ctx context.Context, at uri.Room, r *mimi.SubmitMessageRequest, now time.Time) (*frankPlan, error) {
	data := r.Message.Private.AuthenticatedData
	tag, tagged := mimi.FrankingTagOf(data)
	wellFormed := tagged || syntax.Unmarshal(data, new(wire.SafeAAD)) == nil
	if wellFormed && !tagged {
		return nil, nil
	}
	of, err := h.frankingOf(ctx, at)
	if err != nil {
		return nil, err
	}
	p := &frankPlan{room: of, malformed: !wellFormed && of.safe, tag: tag}
	if !tagged || of.signer == nil {
		return p, nil
	}
	p.context = mimi.FrankingContext{Sender: r.SendingURI, Room: at.String(), AcceptedAt: uint64(max(now.UnixMilli(), 0))}
	return p, h.sealFrank(ctx, p)
}

// frankAt gives the frank for a message that is accepted at a time (P-FR-06). It was made for the likely time; when the room's clock is
// ahead it is made again.
func (h *Hub) frankAt(p *frankPlan, version, acceptedAt uint64) (*mimi.Frank, error) {
	switch {
	case p == nil:
		return nil, nil
	case p.room.version != version:
		return nil, errStale
	case p.frank == nil || p.context.AcceptedAt == acceptedAt:
		return p.frank, nil
	}
	p.context.AcceptedAt = acceptedAt
	key, ok := h.frank.keyAt(acceptedAt)
	if !ok {
		return nil, errStale
	}
	var err error
	p.frank, err = mimi.NewFrank(p.room.suite, p.room.signer, key, p.tag, &p.context, h.cfg.MLS.Suites)
	return p.frank, err
}

func (h *Hub) sealFrank(ctx context.Context, p *frankPlan) error {
	key, err := h.hubKeyAt(ctx, p.context.AcceptedAt)
	if err != nil {
		return err
	}
	if p.frank, err = mimi.NewFrank(p.room.suite, p.room.signer, key, p.tag, &p.context, h.cfg.MLS.Suites); err != nil {
		return &mimi.Error{Code: mimi.Internal, Err: err}
	}
	return nil
}

// frankingOf tells how a room franks. What is known may be of an older version; frankAt finds that out, and forgetFranking helps.
func (h *Hub) frankingOf(ctx context.Context, at uri.Room) (franking, error) {
	h.frank.mu.Lock()
	known, ok := h.frank.rooms[at]
	h.frank.mu.Unlock()
	if ok {
		return known, nil
	}
	s, err := h.load(ctx, at, nil)
	if err != nil {
		return franking{}, err
	}
	f := h.readFranking(s.group)
	f.version = s.head.Version
	h.frank.mu.Lock()
	defer h.frank.mu.Unlock()
	if h.frank.rooms == nil || len(h.frank.rooms) >= knownFranking {
		h.frank.rooms = make(map[uri.Room]franking)
	}
	h.frank.rooms[at] = f
	return f, nil
}

func (h *Hub) forgetFranking(at uri.Room) {
	h.frank.mu.Lock()
	defer h.frank.mu.Unlock()
	delete(h.frank.rooms, at)
}

// readFranking reads a group's franking: it needs an agent whose key is one of the hub's, and keys to frank with.
func (h *Hub) readFranking(g *mls.PublicGroup) franking {
	_, safe := g.Component(wire.SafeAADComponent)
	f := franking{safe: safe, suite: g.Suite().ID()}
	agent := room.FrankingAgent(g, nil, h.cfg.Now())
	if agent == nil || h.cfg.Cases.Update == nil {
		return f
	}
	for _, k := range h.cfg.Keys {
		if bytes.Equal(k.Sender.SignatureKey, agent.SignatureKey) {
			f.signer = k.Signer
		}
	}
	return f
}

var errAgent = errors.New("the group's franking agent must be the hub, with a key of the group's signature scheme")

// checkAgent requires of a new group that names a franking agent that it is this hub's, with a key of the group's signature scheme (P-FR-11,
// P-FR-13).
func (h *Hub) checkAgent(g *mls.PublicGroup) error {
	data, named := g.Component(mimi.FrankingAgentComponent)
	if !named {
		return nil
	}
	var agent mimi.FrankingAgentData
	if err := syntax.Unmarshal(data, &agent); err != nil {
		return errAgent
	}
	if _, err := g.Suite().ParseSignaturePublicKey(agent.SignatureKey); err != nil {
		return errAgent
	}
	if of, err := credential.ParseSender(agent.Credential); err != nil || of != h.cfg.Self {
		return errAgent
	}
	if !slices.ContainsFunc(h.cfg.Keys, func(k Key) bool { return bytes.Equal(k.Sender.SignatureKey, agent.SignatureKey) }) {
		return errAgent
	}
	return nil
}

// keyAt is the hub_key of an acceptance time: the newest that is not younger, or the oldest of all.
func (f *franker) keyAt(acceptedAt uint64) ([]byte, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return keyAt(f.keys, acceptedAt)
}

func keyAt(keys []HubKey, acceptedAt uint64) ([]byte, bool) {
	if len(keys) == 0 {
		return nil, false
	}
	best := keys[0]
	for _, k := range keys {
		if k.From <= acceptedAt {
			best = k
		}
	}
	return best.Secret, true
}

func (h *Hub) hubKeyAt(ctx context.Context, acceptedAt uint64) ([]byte, error) {
	if key, ok := h.frank.keyAt(acceptedAt); ok {
		return key, nil
	}
	keys, err := h.renewHubKey(ctx)
	if err != nil {
		return nil, storeError(err)
	}
	key, _ := keyAt(keys, acceptedAt)
	return key, nil
}

// renewHubKey makes a new hub_key when the newest has been in use for HubKeyLife, or when there is none, and reads all.
//
// One transaction. A message that is being franked at this moment may get the key before; reports are held against both.
func (h *Hub) renewHubKey(ctx context.Context) (keys []HubKey, err error) {
	fresh := make([]byte, hubKeySize)
	if _, err := rand.Read(fresh); err != nil {
		return nil, err
	}
	now := uint64(max(h.cfg.Now().UnixMilli(), 0))
	err = h.cfg.Cases.Update(ctx, func(tx CaseTx) error {
		if keys, err = tx.HubKeys(); err != nil {
			return err
		}
		if n := len(keys); n > 0 && now < keys[n-1].From+uint64(HubKeyLife.Milliseconds()) {
			return nil
		}
		k := HubKey{From: now, Secret: fresh}
		keys = append(keys, k)
		return tx.PutHubKey(k)
	})
	if err != nil {
		return nil, err
	}
	h.frank.mu.Lock()
	defer h.frank.mu.Unlock()
	h.frank.keys = keys
	return keys, nil
}

// SweepCases renews the hub_key when it is time, and deletes what is kept no longer. It returns how much was deleted. Two transactions.
func (h *Hub) SweepCases(ctx context.Context) (deleted int, err error) {
	if h.cfg.Cases.Update == nil {
		return 0, nil
	}
	now := h.cfg.Now()
	err = h.cfg.Cases.Update(ctx, func(tx CaseTx) error {
		deleted, err = tx.Expire(now.Add(-ResolvedKept), now.Add(-HubKeyKept))
		return err
	})
	if err == nil {
		_, err = h.renewHubKey(ctx)
	}
	return deleted, storeError(err)
}
