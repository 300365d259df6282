package hub

import (
	"bytes"
	"encoding/hex"
	"slices"

	"parley/mimi"
	"parley/mls"
	"parley/mls/wire"
	"parley/room"
	"parley/syntax"
	"parley/uri"
)

// A room moves to another cipher suite in two steps, each of which is one update (P-RS-11). A commit with a ReInit closes the room's group:
// nothing can be said or changed in it any more. Then one of its members hands in the successor, which is served under the same URI.
// Between the two the room waits; whoever is first with the successor that the ReInit announced is taken, and a repetition gets the
// same answer. The log goes on over the change.

// keyBefore is the record of the group that the room had before its present one.
const keyBefore = "before"

// before is what is known of it, so that who is late is told to catch up and not that there is no such group.
type before struct {
	GroupID []byte
	Epoch   uint64 // in which it was closed
}

func (v *before) Syntax(c *syntax.Codec) {
	syntax.Opaque(c, &v.GroupID)
	syntax.U64(c, &v.Epoch)
}

// readBefore reads it; nil when the room has its first group.
func readBefore(tx Tx, at uri.Room) (*before, error) {
	records, err := tx.Records(at, keyBefore)
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		if r.Key == keyBefore {
			v := new(before)
			return v, syntax.Unmarshal(r.Value, v)
		}
	}
	return nil, nil
}

// closed marks everybody as one who cannot send until the successor is there.
func closed(people map[string]*person) {
	for _, p := range people {
		p.Closed = true
	}
}

// checkReInit requires of a ReInit that the hub can serve the successor: a suite that it offers, with signatures by the key that the
// room knows it by.
func (h *Hub) checkReInit(staged *mls.Staged) *mimi.UpdateRoomResponse {
	r := staged.ReInit()
	if r == nil {
		return nil
	}
	s, err := h.cfg.MLS.Suites.Lookup(r.Suite)
	if err != nil {
		return notAllowed("the hub does not offer that cipher suite")
	}
	_, key, err := h.keyOf(staged.From())
	if err != nil {
		return notAllowed("the room has no hub")
	}
	if _, err := s.SignaturePublicKey(key.Signer.Public()); err != nil {
		return notAllowed("the hub's key in this room is not one of that cipher suite")
	}
	return nil
}

// announced reports whether a message begins the group that a ReInit of the room has announced.
func announced(g *mls.PublicGroup, content *wire.FramedContent) bool {
	r := g.ReInit()
	return r != nil && bytes.Equal(content.GroupID, r.GroupID) && !bytes.Equal(r.GroupID, g.GroupID())
}

// stageSuccessor judges the successor of a closed group: the first commit of the new group, its Welcome, its GroupInfo and its tree. The
// commit itself needs a group that only its maker has had; what it leads to is checked as a joiner checks it (RFC 9420 §12.4.3.1).
func (h *Hub) stageSuccessor(s *snapshot, caller uri.Provider, r *mimi.UpdateRequest) (*change, *mimi.UpdateRoomResponse) {
	bad := notAllowed(mimi.ReasonBadGroupInfo + ": not the group that the ReInit announced")
	content := &r.Message.Public.Content
	if content.Sender != (wire.Sender{Type: wire.MemberSender}) || content.Commit == nil || content.Commit.Path == nil || r.Welcome == nil ||
		r.GroupInfo.Form != mimi.FullGroupInfo || r.GroupInfo.Full == nil || r.Tree.Representation != wire.FullTree {
		return nil, bad
	}
	info := r.GroupInfo.Full
	next, err := mls.NewPublicGroup(h.cfg.MLS, info, &r.Tree.Tree, s.now)
	if err != nil || next.Epoch() != 1 || content.Epoch != 0 || next.CheckGroupInfo(info, 0) != nil || !room.Succeeds(s.group, next) {
		return nil, bad
	}
	if !sameLeaf(next.Leaf(0), &content.Commit.Path.Leaf) {
		return nil, bad
	}
	if provider, err := providerOf(next.Leaf(0)); err != nil || provider != caller {
		return nil, notAllowed("the sender is not a client of the provider that handed it in")
	}
	if err := room.JudgeSuccessor(s.group, next, goneUsers(s.people)); err != nil {
		return nil, notAllowed(err.Error())
	}
	welcomes, refs, refusal := h.successorWelcome(s, next, r)
	if refusal != nil {
		return nil, refusal
	}
	c, err := h.acceptSuccessor(s, next, r, welcomes, refs)
	if err != nil {
		return nil, notAllowed("the room's state cannot be kept")
	}
	return c, nil
}

func sameLeaf(a, b *wire.LeafNode) bool {
	x, err := syntax.Marshal(a)
	if err != nil {
		return false
	}
	y, err := syntax.Marshal(b)
	return err == nil && bytes.Equal(x, y)
}

// successorWelcome holds the Welcome against the KeyPackages of the commit, which were claimed for this room, and those against the tree.
func (h *Hub) successorWelcome(s *snapshot, next *mls.PublicGroup, r *mimi.UpdateRequest) (providers []string, refs [][]byte, refusal *mimi.UpdateRoomResponse) {
	unroutable := notAllowed(mimi.ReasonUnroutableWelcome + ": the Welcome does not fit the KeyPackages that were added")
	set := make(map[string]bool)
	for _, p := range r.Message.Public.Content.Commit.Proposals {
		if p.Proposal == nil || p.Proposal.Type != wire.AddProposal {
			continue // the pre-shared key that binds the groups
		}
		ref, err := h.packageRef(p.Proposal.Add)
		if err != nil {
			return nil, nil, unroutable
		}
		claim, claimed := s.claims[hex.EncodeToString(ref)]
		_, in := next.Find(p.Proposal.Add.Leaf.SignatureKey)
		named := slices.ContainsFunc(r.Welcome.Secrets, func(e wire.EncryptedGroupSecrets) bool { return bytes.Equal(e.NewMember, ref) })
		if !claimed || !named || !in {
			return nil, nil, unroutable
		}
		set[claim.Domain] = true
		refs = append(refs, ref)
	}
	if len(refs) != next.Members()-1 || len(refs) != len(r.Welcome.Secrets) {
		return nil, nil, unroutable
	}
	return sortedKeys(set), refs, nil
}

// acceptSuccessor replaces the room's group.
func (h *Hub) acceptSuccessor(s *snapshot, next *mls.PublicGroup, r *mimi.UpdateRequest, welcomes []string, refs [][]byte) (*change, error) {
	state, err := room.Read(next)
	if err != nil {
		return nil, err
	}
	c := &change{group: next, commit: true}
	if c.people, err = newPeople(state, next); err != nil {
		return nil, err
	}
	if c.records, err = replaceGroup(s.group, next); err != nil {
		return nil, err
	}
	for key, v := range map[string]syntax.Value{keyInfo: r.GroupInfo.Full, keyBefore: &before{s.group.GroupID(), s.head.Epoch}} {
		octets, err := syntax.Marshal(v)
		if err != nil {
			return nil, err
		}
		c.records.Put(key, octets)
	}
	for _, ref := range refs {
		c.records.Delete(keyClaim + hex.EncodeToString(ref))
	}
	for ref := range s.times {
		c.records.Delete(keyTimes + ref)
	}
	d, err := difference(s.people, c.people)
	if err != nil {
		return nil, err
	}
	c.records = append(c.records, d...)
	c.destinations = destinations(c.people, false)
	c.items = []pendingItem{
		{message: mimi.FanoutMessage{Message: r.Message}, destinations: union(destinations(s.people, true), c.destinations)},
		{message: mimi.FanoutMessage{Tree: r.Tree, Message: wire.Message{Version: wire.MLS10, Format: wire.WelcomeFormat, Welcome: r.Welcome}},
			destinations: welcomes},
	}
	return c, nil
}

// replaceGroup is the change from one group's records to another's.
func replaceGroup(old, next *mls.PublicGroup) (mls.Delta, error) {
	was, err := old.Save()
	if err != nil {
		return nil, err
	}
	is, err := next.Save()
	if err != nil {
		return nil, err
	}
	stays := make(map[string]bool, len(is))
	for _, r := range is {
		stays[r.Key] = true
	}
	var d mls.Delta
	for _, r := range was {
		if !stays[r.Key] {
			d.Delete(keyGroup + r.Key)
		}
	}
	return append(d, under(keyGroup, is)...), nil
}
