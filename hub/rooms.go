package hub

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"time"

	"parley/credential"
	"parley/mimi"
	"parley/mls"
	"parley/mls/wire"
	"parley/policy"
	"parley/room"
	"parley/syntax"
	"parley/uri"
)

// CreateRoom takes a new room of a local user (P-AR-02). Its group has the creator's client as only member and the state of the
// template, with the hub as external sender.
//
// One transaction. Creating the same group again after a lost answer succeeds; another group under the name is refused.
func (h *Hub) CreateRoom(ctx context.Context, creator uri.User, at uri.Room, info *wire.GroupInfo, tree *wire.RatchetTree) (acceptedAt uint64, err error) {
	if at.Provider() != h.cfg.Self || creator.Provider() != h.cfg.Self {
		return 0, mimi.Errorf(mimi.Forbidden, "a room is created at its own provider")
	}
	group, err := mls.NewPublicGroup(h.cfg.MLS, info, tree, h.cfg.Now())
	if err != nil {
		return 0, &mimi.Error{Code: mimi.BadRequest, Detail: "the group is not valid: " + describe(err), Err: err}
	}
	state, err := h.checkNew(creator, at, group, info)
	if err != nil {
		return 0, mimi.Errorf(mimi.Forbidden, "%v", err)
	}
	people, err := newPeople(state, group)
	if err != nil {
		return 0, mimi.Errorf(mimi.Forbidden, "%v", err)
	}
	saved, err := group.Save()
	if err != nil {
		return 0, &mimi.Error{Code: mimi.Internal, Err: err}
	}
	records := under(keyGroup, saved)
	octets, err := syntax.Marshal(info)
	if err != nil {
		return 0, mimi.Errorf(mimi.BadRequest, "the GroupInfo cannot be encoded")
	}
	records.Put(keyInfo, octets)
	d, err := difference(nil, people)
	if err != nil {
		return 0, &mimi.Error{Code: mimi.Internal, Err: err}
	}
	records = append(records, d...)
	err = h.cfg.Store.Update(ctx, func(tx Tx) error {
		head, exists, err := tx.Head(at)
		if err != nil {
			return err
		}
		if exists {
			acceptedAt = head.EpochAt // of epoch 0: its creation
			if bytes.Equal(head.GroupID, group.GroupID()) && head.Epoch == 0 {
				return nil
			}
			return mimi.Errorf(mimi.Forbidden, "a room of that name exists")
		}
		if err := adopt(tx, at, state); err != nil {
			return err
		}
		head = Head{Version: 1, GroupID: group.GroupID(), Destinations: destinations(people, false)}
		head.EpochAt = tick(&head, h.cfg.Now())
		acceptedAt = head.Timestamp
		if err := tx.PutRecords(at, records); err != nil {
			return err
		}
		return tx.SaveHead(at, 0, head)
	})
	return acceptedAt, storeError(err)
}

var (
	errEpochZero = errors.New("a new room starts at epoch 0 with one member")
	errOther     = errors.New("the group is that of another room")
	errCreator   = errors.New("a new room has its creator as only participant, as owner")
	errEnvelope  = errors.New("the room's policy is not one that this hub offers")
	errSender    = errors.New("the hub must be the group's external sender")
	errSuite     = errors.New("the hub has no key for the group's cipher suite")
	errInfo      = errors.New("the GroupInfo is not complete")
	errFixedName = errors.New("a room of fixed people is named by them, so that they have one")
)

func (h *Hub) checkNew(creator uri.User, at uri.Room, g *mls.PublicGroup, info *wire.GroupInfo) (*room.State, error) {
	if g.Epoch() != 0 || g.Members() != 1 {
		return nil, errEpochZero
	}
	if err := g.CheckGroupInfo(info, 0); err != nil {
		return nil, errInfo
	}
	state, err := room.Read(g)
	if err != nil {
		return nil, err
	}
	if state.Room != at {
		return nil, errOther
	}
	user, err := room.UserOf(g.Leaf(0))
	if err != nil || user != creator || !state.MayHaveLeaves(creator) {
		return nil, errCreator
	}
	if !state.Named() {
		return nil, errFixedName
	}
	key, err := h.keyFor(g.Suite())
	if err != nil {
		return nil, err
	}
	if senders := g.ExternalSenders(); len(senders) != 1 || !bytes.Equal(senders[0].SignatureKey, key.Sender.SignatureKey) {
		return nil, errSender
	}
	if err := checkCredentials(g); err != nil {
		return nil, err
	}
	if err := h.checkAgent(g); err != nil {
		return nil, err
	}
	return state, h.checkEnvelope(state, creator, key.Sender, g)
}

// checkEnvelope compares the new group's extensions with those of the ready-made policies: a room's name, who its fixed people or its
// loggers are and on which room it depends are free.
func (h *Hub) checkEnvelope(state *room.State, creator uri.User, sender wire.ExternalSender, g *mls.PublicGroup) error {
	if h.offer != nil {
		want, err := h.offer(state.Room, state.Metadata.Name, creator, sender)
		if err != nil {
			return err
		}
		return sameExtensions(g.Context().Extensions, want)
	}
	for _, k := range policy.Kinds() {
		f, err := state.Founding(k.Kind, creator)
		if err != nil {
			return err
		}
		want, err := room.New(f, sender)
		if err != nil {
			return err
		}
		if sameExtensions(g.Context().Extensions, want) == nil {
			return nil
		}
	}
	return errEnvelope
}

func sameExtensions(have, want wire.Extensions) error {
	if len(have) != len(want) {
		return errEnvelope
	}
	for _, x := range want {
		if data, ok := have.Find(x.Type); !ok || !bytes.Equal(data, x.Data) {
			return errEnvelope
		}
	}
	return nil
}

// GroupInfo gives a participant's new device, or somebody who may come in, what it needs to join (§5.6), sealed to its key. Whether a
// room exists is told to them only (P-GI-08).
//
// One snapshot; for who comes with a code, one write of the admission before the answer. A crash between leaves nothing of use. The error is an *mimi.Error.
func (h *Hub) GroupInfo(ctx context.Context, caller uri.Provider, at uri.Room, r *mimi.GroupInfoRequest) (*mimi.GroupInfoResponse, error) {
	refused := &mimi.GroupInfoResponse{Protocol: mimi.MLS10, Room: at.String(), Status: mimi.GroupInfoNotAuthorized}
	id, err := credential.Parse(r.Credential)
	if err != nil || id.Provider() != caller {
		return refused, nil // P-GI-04
	}
	if err := h.allowed("groupInfo", caller, id.User, at); err != nil {
		return nil, err
	}
	if err := r.Verify(h.cfg.MLS.Suites); err != nil {
		return nil, mimi.Errorf(mimi.BadRequest, "the request's signature does not verify")
	}
	if h.validate(r.Credential, r.SignatureKey) != nil {
		return refused, nil
	}
	var info *wire.GroupInfo
	s, err := h.load(ctx, at, func(tx Tx) (err error) {
		info, err = readInfo(tx, at)
		return err
	})
	if errors.Is(err, errNoRoom) {
		return refused, nil
	}
	if err != nil {
		return nil, err
	}
	if r.Suite != s.group.Suite().ID() {
		return refused, nil // P-GI-07
	}
	if p := s.people[id.User.String()]; p == nil {
		if admitted, err := h.admit(ctx, at, s, id.User, r); err != nil || !admitted {
			return refused, storeError(err)
		}
	} else if p.Gone || p.Role == policy.BannedRole {
		return refused, nil // P-GI-03
	}
	if s.group.Frozen() {
		return nil, &mimi.Error{Code: mimi.Unavailable, Detail: "the room moves to another group", RetryAfter: time.Second}
	}
	answer, err := h.sealGroupInfo(at, s, info, r)
	if err != nil {
		return nil, storeError(err)
	}
	return answer, nil
}

func (h *Hub) sealGroupInfo(at uri.Room, s *snapshot, info *wire.GroupInfo, r *mimi.GroupInfoRequest) (*mimi.GroupInfoResponse, error) {
	_, key, err := h.keyOf(s.group)
	if err != nil {
		return nil, err
	}
	content := &mimi.GroupInfoRatchetTree{
		GroupInfo: *info,
		Tree:      wire.RatchetTreeOption{Representation: wire.FullTree, Tree: s.group.Tree()},
	}
	for _, p := range s.group.Pending() {
		content.Pending = append(content.Pending, mimi.PendingProposal{
			Proposal: *p.Message, AcceptedAt: s.times[hex.EncodeToString(p.Ref)]})
	}
	return mimi.SealGroupInfoResponse(r, at.String(), key.Sender, key.Signer, content, h.cfg.MLS.Suites)
}

// KeyMaterial claims KeyPackages for a user who is to be added to a room of this hub (§5.2): the request goes on to the target's
// provider as it came, and the references that come back are kept, so that the Welcome finds its way (P-KM-24).
//
// A snapshot, the call to the peer, one write. A crash before the write costs the packages: the requester's repetition gets the same
// answer from the target, and the references are kept then.
func (h *Hub) KeyMaterial(ctx context.Context, caller uri.Provider, target uri.User, r *mimi.KeyMaterialRequest) (*mimi.KeyMaterialResponse, error) {
	at, err := uri.ParseRoom(r.Room)
	if err != nil || at.Provider() != h.cfg.Self {
		return nil, mimi.Errorf(mimi.BadRequest, "the request is for no room of this hub")
	}
	requester, err := uri.ParseUser(r.RequestingUser)
	if err != nil || requester.Provider() != caller {
		return nil, mimi.Errorf(mimi.Forbidden, "the requesting user is not one of the caller")
	}
	if err := h.allowed("keyMaterial", caller, requester, at); err != nil {
		return nil, err
	}
	s, err := h.load(ctx, at, nil)
	if err != nil {
		return nil, err
	}
	if err := mayAdd(s, requester, target); err != nil {
		return nil, err
	}
	answer, err := h.cfg.Claim(ctx, target, r)
	if err != nil {
		return nil, err
	}
	records, err := h.claimRecords(s, target, answer)
	if err != nil || len(records) == 0 {
		return answer, err
	}
	err = h.cfg.Store.Update(ctx, func(tx Tx) error { return tx.PutRecords(at, records) })
	if err != nil {
		return nil, storeError(err)
	}
	return answer, nil
}

// mayAdd requires a participant who may add others; a stranger learns nothing about the room.
func mayAdd(s *snapshot, requester, target uri.User) error {
	p := s.people[requester.String()]
	if p == nil || p.Gone {
		return errNoRoom
	}
	state, err := room.Read(s.group)
	if err != nil {
		return &mimi.Error{Code: mimi.Internal, Err: err}
	}
	if state.Base.FixedMembership && state.MayHaveLeaves(requester) && state.MayHaveLeaves(target) {
		return nil
	}
	refused := policy.Decide(&state.Policy, policy.Actor{Role: p.Role}, policy.Use(policy.CanAddParticipant))
	if refused != nil && requester == target {
		refused = policy.Decide(&state.Policy, policy.Actor{Role: p.Role, Self: true}, policy.Use(policy.CanAddOwnClient))
	}
	if refused != nil {
		return mimi.Errorf(mimi.Forbidden, "%v", refused)
	}
	return nil
}

// claimRecords are the references that came back, and the end of those whose KeyPackages have expired (P-KM-25).
func (h *Hub) claimRecords(s *snapshot, target uri.User, answer *mimi.KeyMaterialResponse) (mls.Delta, error) {
	var d mls.Delta
	for _, c := range answer.Clients {
		if c.Status != mimi.ClientSuccess || c.KeyPackage == nil {
			continue
		}
		ref, err := h.packageRef(c.KeyPackage)
		if err != nil {
			return nil, &mimi.Error{Code: mimi.Unavailable, Detail: "the target's provider sent an unusable KeyPackage", Err: err}
		}
		octets, err := syntax.Marshal(&claim{Domain: target.Domain(), Until: c.KeyPackage.Leaf.Lifetime.NotAfter})
		if err != nil {
			return nil, &mimi.Error{Code: mimi.Internal, Err: err}
		}
		d.Put(keyClaim+hex.EncodeToString(ref), octets)
	}
	for _, ref := range slices.Sorted(maps.Keys(s.claims)) {
		if s.claims[ref].Until < uint64(s.now.Unix()) {
			d.Delete(keyClaim + ref)
		}
	}
	return d, nil
}
