package hub

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"errors"
	"time"

	"parley/credential"
	"parley/mimi"
	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
	"parley/uri"
)

// Config is what a hub is made of.
type Config struct {
	Self  uri.Provider
	Store Store
	MLS   *mls.Config // with the validators and components that clients use too
	// Keys are what the hub signs with. A new room gets the first one that its cipher suite can use, and keeps it for life: it stands in
	// the room's external_senders.
	Keys []Key
	Now  func() time.Time
	// Claim hands a KeyMaterialRequest to the provider of its target user and returns the answer; for the hub's own users that is its
	// own KeyPackage store.
	Claim func(ctx context.Context, target uri.User, r *mimi.KeyMaterialRequest) (*mimi.KeyMaterialResponse, error)
	// ValidateCredential judges the credential of a signed request; nil accepts all.
	ValidateCredential func(c wire.Credential, signatureKey []byte, now time.Time) error
	// Wake is called after a transaction that put something into the outbox; it must not block. nil: nobody is woken.
	Wake func()
	// Limit is asked before costly requests of one kind, by a user for whom the caller speaks, for a room; false refuses with TooMany.
	// nil allows all.
	Limit func(kind string, caller uri.Provider, user uri.User, room uri.Room) bool
	// Cases keep hub_keys and abuse reports; without them nothing is franked and no report taken.
	Cases Cases
	// ReadContent reads whose and of which room the application data of a reported message says to be. Nothing else of a hub sees
	// content, and this only when somebody who has it reports it; nil: no reports are taken.
	ReadContent func(applicationData []byte) (Authorship, error)
}

// Key is a signature key of a hub with its public side.
type Key struct {
	Signer crypto.Signer
	Sender wire.ExternalSender
}

// keyFor is the key for new rooms of a suite.
func (h *Hub) keyFor(s *suite.Suite) (Key, error) {
	for _, k := range h.cfg.Keys {
		if _, err := s.SignaturePublicKey(k.Signer.Public()); err == nil {
			return k, nil
		}
	}
	return Key{}, errSuite
}

// keyOf is the hub's key in a room, with its index among the external senders.
func (h *Hub) keyOf(g *mls.PublicGroup) (index uint32, k Key, err error) {
	for i, s := range g.ExternalSenders() {
		for _, k := range h.cfg.Keys {
			if bytes.Equal(s.SignatureKey, k.Sender.SignatureKey) {
				return uint32(i), k, nil
			}
		}
	}
	return 0, Key{}, errNotSender
}

var errNotSender = errors.New("hub: none of the keys is that of an external sender of the group")

// AnswerLife is how long the answer to a request is kept for byte-identical repetitions.
const AnswerLife = 30 * 24 * time.Hour

// Tolerance of P-SM-09: messages of the epoch before are taken for this long after the commit.
const (
	epochTolerance     = 1
	epochToleranceTime = 60 * time.Second
)

// Hub serves the rooms of one provider. It is safe for concurrent use.
type Hub struct {
	cfg   Config
	rooms *cache
	frank franker
	// offer is the GroupContext that a new room must have; nil: that of one of the ready-made policies.
	offer func(at uri.Room, name string, creator uri.User, hub wire.ExternalSender) (wire.Extensions, error)
}

// New makes a hub.
func New(cfg Config) *Hub { return &Hub{cfg: cfg, rooms: newCache(cachedRooms)} }

var errNoRoom = mimi.Errorf(mimi.NotFound, "no such room")

// requestHash identifies a request for the dedup table: the operation, who calls, which room, and the octets.
func requestHash(operation string, caller uri.Provider, room uri.Room, request syntax.Value) ([32]byte, error) {
	octets, err := syntax.Marshal(request)
	if err != nil {
		return [32]byte{}, mimi.Errorf(mimi.BadRequest, "the request cannot be encoded")
	}
	h := sha256.New()
	for _, part := range []string{operation, caller.String(), room.String()} {
		sum := sha256.Sum256([]byte(part))
		h.Write(sum[:])
	}
	h.Write(octets)
	return [32]byte(h.Sum(nil)), nil
}

// stored looks an answer up in a snapshot.
func stored[T any, P interface {
	*T
	syntax.Value
}](ctx context.Context, s Store, key [32]byte) (P, error) {
	var answer P
	err := s.View(ctx, func(tx Tx) error {
		var err error
		answer, err = storedIn[T, P](tx, key)
		return err
	})
	return answer, err
}

func storedIn[T any, P interface {
	*T
	syntax.Value
}](tx Tx, key [32]byte) (P, error) {
	octets, ok, err := tx.Answer(key)
	if err != nil || !ok || planted("forgets answers") {
		return nil, err
	}
	answer := P(new(T))
	return answer, syntax.Unmarshal(octets, answer)
}

func saveAnswer(tx Tx, key [32]byte, answer syntax.Value, now time.Time) error {
	octets, err := syntax.Marshal(answer)
	if err != nil {
		return err
	}
	return tx.SaveAnswer(key, octets, now.Add(AnswerLife))
}

// Sweep deletes the answers that are not kept any more, and returns how many. One transaction.
func (h *Hub) Sweep(ctx context.Context) (deleted int, err error) {
	now := h.cfg.Now()
	err = h.cfg.Store.Update(ctx, func(tx Tx) error {
		deleted, err = tx.Expire(now)
		return err
	})
	return deleted, storeError(err)
}

// tick gives the next timestamp of a room: the clock's, but never less than the last (D2).
func tick(h *Head, now time.Time) uint64 {
	h.Timestamp = max(h.Timestamp, uint64(max(now.UnixMilli(), 0)))
	return h.Timestamp
}

// appendItem puts one item at the end of a room's log and on its way.
func appendItem(tx Tx, room uri.Room, h *Head, item *mimi.FanoutMessage, destinations []string) error {
	body, err := syntax.Marshal(item)
	if err != nil {
		return err
	}
	h.Sequence++
	return tx.Append(room, Item{
		Sequence:     h.Sequence,
		Timestamp:    item.Timestamp,
		Handshake:    item.Message.Private == nil || item.Message.Private.Type != wire.ApplicationContent,
		Body:         body,
		Destinations: destinations,
	})
}

func (h *Hub) wake() {
	if h.cfg.Wake != nil {
		h.cfg.Wake()
	}
}

func (h *Hub) allowed(kind string, caller uri.Provider, user uri.User, room uri.Room) error {
	if h.cfg.Limit != nil && !h.cfg.Limit(kind, caller, user, room) {
		return &mimi.Error{Code: mimi.TooMany, Detail: "too many requests of this kind", RetryAfter: 5 * time.Second}
	}
	return nil
}

func (h *Hub) validate(c wire.Credential, key []byte) error {
	if h.cfg.ValidateCredential == nil {
		return nil
	}
	return h.cfg.ValidateCredential(c, key, h.cfg.Now())
}

// storeError turns what a store says into what a caller may know.
func storeError(err error) error {
	var known *mimi.Error
	if err == nil || errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &mimi.Error{Code: mimi.Internal, Err: err}
}

// providerOf is the domain that answers for a leaf.
func providerOf(leaf *wire.LeafNode) (uri.Provider, error) {
	id, err := credential.Parse(leaf.Credential)
	if err != nil {
		return uri.Provider{}, err
	}
	return id.Provider(), nil
}

func (h *Hub) packageRef(kp *wire.KeyPackage) ([]byte, error) {
	s, err := h.cfg.MLS.Suites.Lookup(kp.Suite)
	if err != nil {
		return nil, err
	}
	return s.KeyPackageRef(kp)
}
