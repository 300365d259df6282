package hub

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"strings"

	"parley/mimi"
	"parley/mls"
	"parley/mls/wire"
	"parley/policy"
	"parley/room"
	"parley/syntax"
	"parley/uri"
)

// Expel takes users out of a room in the hub's own name: their account is gone, or they left the room on which this one depends. It
// takes effect here at once; the next commit of a member completes it (P-RS-01). Users who do not take part are passed over.
//
// A snapshot, then one write that compares the version. A crash between leaves nothing; the caller repeats.
func (h *Hub) Expel(ctx context.Context, at uri.Room, users ...uri.User) error {
	for range conflictRetries {
		err := h.tryExpel(ctx, at, users)
		if errors.Is(err, ErrConflict) {
			continue
		}
		return storeError(err)
	}
	return storeError(ErrConflict)
}

func (h *Hub) tryExpel(ctx context.Context, at uri.Room, users []uri.User) error {
	s, err := h.load(ctx, at, nil)
	if err != nil {
		return err
	}
	out := make(map[uri.User]bool)
	for _, u := range users {
		if p := s.people[u.String()]; p != nil && !p.Gone && p.Role != policy.BannedRole {
			out[u] = true
		}
	}
	if len(out) == 0 {
		return nil
	}
	c, key, err := h.expulsion(s, out)
	if err != nil {
		return err
	}
	written := false
	err = h.cfg.Store.Update(ctx, func(tx Tx) error {
		answer, err := h.write(tx, at, s, c, key)
		written = answer != nil && answer.Code == mimi.UpdateSuccess
		return err
	})
	if err != nil || !written {
		return err
	}
	h.rooms.put(at, s.head.Version+1, c.group)
	h.wake()
	return h.expelBelow(ctx, at, users)
}

// expulsion makes the change: the hub's proposals, where the room lets it propose, and the mark that keeps the users from acting.
func (h *Hub) expulsion(s *snapshot, out map[uri.User]bool) (*change, [32]byte, error) {
	var key [32]byte
	state, err := room.Read(s.group)
	if err != nil {
		return nil, key, err
	}
	c := &change{group: s.group, people: make(map[string]*person, len(s.people))}
	for name, p := range s.people {
		next := *p
		if user, err := uri.ParseUser(name); err == nil && out[user] {
			next.Gone = true
		}
		c.people[name] = &next
	}
	d, err := difference(s.people, c.people)
	if err != nil {
		return nil, key, err
	}
	if state.Operational == nil || state.Operational.ExternalProposals {
		proposals, err := removalsOf(s.group, state, out)
		if err != nil {
			return nil, key, err
		}
		messages, err := h.propose(c, proposals, s.now)
		if err != nil {
			return nil, key, err
		}
		c.items = []pendingItem{{
			message:      mimi.FanoutMessage{Message: messages[0], MoreProposals: messages[1:]},
			destinations: destinations(s.people, true),
		}}
		octets, err := syntax.Marshal(&messages[0])
		if err != nil {
			return nil, key, err
		}
		key = sha256.Sum256(append([]byte("expel"), octets...))
	}
	c.records = append(c.records, d...)
	c.destinations = destinations(c.people, false)
	return c, key, nil
}

// removalsOf are the proposals that take users out: their leaves, but those whose removal waits already, and their list entries.
func removalsOf(g *mls.PublicGroup, state *room.State, out map[uri.User]bool) ([]wire.Proposal, error) {
	var leaves []mls.LeafIndex
	for _, of := range room.LeavesOf(g, out) {
		leaves = append(leaves, of...)
	}
	slices.Sort(leaves)
	var proposals []wire.Proposal
	for _, leaf := range leaves {
		if !removalWaits(g, leaf) {
			proposals = append(proposals, wire.Proposal{Type: wire.RemoveProposal, Remove: uint32(leaf)})
		}
	}
	var indices []uint32
	for i, p := range state.Participants.Participants {
		if user, err := uri.ParseUser(p.User); err == nil && out[user] {
			indices = append(indices, uint32(i))
		}
	}
	list, err := room.RemoveFromList(indices...)
	return append(proposals, list), err
}

// left lists who no longer takes part after a change.
func (c *change) left(s *snapshot) (out []uri.User) {
	for name, was := range s.people {
		if was.Gone || was.Role == policy.BannedRole {
			continue
		}
		if is := c.people[name]; is != nil && !is.Gone && is.Role != policy.BannedRole {
			continue
		}
		if user, err := uri.ParseUser(name); err == nil {
			out = append(out, user)
		}
	}
	slices.SortFunc(out, func(a, b uri.User) int { return strings.Compare(a.String(), b.String()) })
	return out
}

// expelBelow takes who left a room out of the rooms that depend on it (R-BAS-06). After a crash before it, the next change of either room
// does it: the child then has somebody whom the parent lacks, which within refuses.
func (h *Hub) expelBelow(ctx context.Context, at uri.Room, users []uri.User) error {
	var children []uri.Room
	err := h.cfg.Store.View(ctx, func(tx Tx) error {
		children = nil
		records, err := tx.Records(at, keyChild)
		if err != nil {
			return err
		}
		for _, r := range records {
			child, err := uri.ParseRoom(strings.TrimSuffix(strings.TrimPrefix(r.Key, keyChild), "/"))
			if err != nil {
				return err
			}
			children = append(children, child)
		}
		return nil
	})
	if err != nil {
		return storeError(err)
	}
	for _, child := range children {
		if err := h.Expel(ctx, child, users...); err != nil {
			return err
		}
	}
	return nil
}

// parentOf is the room on which a room depends; zero: none.
func parentOf(state *room.State) (uri.Room, error) {
	if !state.Base.ParentDependent {
		return uri.Room{}, nil
	}
	return uri.ParseRoom(state.Base.ParentRoom[0])
}

const notInParent = "the room is for people of the room on which it depends, and not for all of them"

// strictSubset reports whether some people are among the active people of a room of this hub, and not all of them (R-BAS-05).
func strictSubset(tx Tx, parent uri.Room, people map[string]*person) (bool, error) {
	above, err := readPeople(tx, parent)
	if err != nil {
		return false, err
	}
	takesPart := func(p *person) bool { return p != nil && !p.Gone && p.Role != policy.BannedRole }
	many := 0
	for _, p := range above {
		if takesPart(p) {
			many++
		}
	}
	few := 0
	for name, p := range people {
		if !takesPart(p) {
			continue
		}
		if few++; !takesPart(above[name]) {
			return false, nil
		}
	}
	return few < many, nil
}

// within refuses a change by which somebody comes into a room who is not in the room on which it depends.
func (c *change) within(tx Tx, s *snapshot) (*mimi.UpdateRoomResponse, error) {
	if c.parent == (uri.Room{}) {
		return nil, nil
	}
	came := false
	for name := range c.people {
		came = came || s.people[name] == nil
	}
	if !came {
		return nil, nil
	}
	ok, err := strictSubset(tx, c.parent, c.people)
	if err != nil || ok {
		return nil, err
	}
	return notAllowed(notInParent), nil
}

// adopt checks a new room that depends on another one, which must be of this hub (R-BAS-07), and notes it there.
func adopt(tx Tx, at uri.Room, state *room.State) error {
	parent, err := parentOf(state)
	if err != nil || parent == (uri.Room{}) {
		return err
	}
	refused := mimi.Errorf(mimi.Forbidden, "%s", notInParent)
	if parent.Provider() != at.Provider() {
		return refused
	}
	if _, exists, err := tx.Head(parent); err != nil || !exists {
		return errors.Join(err, refused)
	}
	people := listed(state, nil)
	ok, err := strictSubset(tx, parent, people)
	if err != nil {
		return err
	}
	if !ok {
		return refused
	}
	return tx.PutRecords(parent, mls.Delta{{Key: keyChild + at.String() + "/", Value: []byte{1}}})
}
