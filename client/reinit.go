package client

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"time"

	"parley/credential"
	"parley/mimi"
	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/room"
	"parley/syntax"
	"parley/uri"
)

// A room moves to another cipher suite in two steps (P-RS-11): a commit with a ReInit closes its group, then one of the members makes the
// successor and hands it to the hub. Every device that sees the closed group wishes to do the second step, the one that asked for the move
// at once and the others by turns, so that a device that never comes back does not leave the room closed. The hub takes one successor;
// the others drop theirs. What was not accepted before the close is encrypted again in the successor.

const (
	MoveRoom    Kind = "move"    // close the group, for one of another suite
	SucceedRoom Kind = "succeed" // make the successor of a closed group
)

// EntryMoved says that the room has another group now.
const EntryMoved EntryKind = "moved"

// succeedTurn is the time that a device leaves to the one that closed the group, and to each other device before it.
const succeedTurn = 10 * time.Second

var (
	errSuiteUnknown = errors.New("client: this device does not have that cipher suite")
	errSuiteSame    = errors.New("client: the room has that cipher suite already")
)

// Suites are the cipher suites of rooms that this device can be in: its own, and those beside RFC 9420's whose signatures its key makes.
func (c *Client) Suites() []wire.CipherSuite {
	out := []wire.CipherSuite{c.self.Suite}
	for _, id := range c.cfg.MLS.Suites.All() {
		s, err := c.cfg.MLS.Suites.Lookup(id)
		if err != nil || id == c.self.Suite || !s.PostQuantum() {
			continue
		}
		if _, err := s.SignaturePublicKey(c.self.Signer.Public()); err == nil {
			out = append(out, id)
		}
	}
	return out
}

// Move asks for the room to move to another cipher suite. What is in the room stays, and so do its people.
func (c *Client) Move(ctx context.Context, at uri.Room, id wire.CipherSuite) (intent uint64, err error) {
	r, ok := c.rooms[at]
	switch {
	case !ok || r.group == nil:
		return 0, ErrNoRoom
	case !slices.Contains(c.Suites(), id):
		return 0, errSuiteUnknown
	case r.Suite() == id:
		return 0, errSuiteSame
	}
	return c.intend(ctx, &Intent{Kind: MoveRoom, Room: at.String(), Suite: uint16(id)})
}

// Suite is the cipher suite of the room's group, 0 when the device is not a member.
func (r *Room) Suite() wire.CipherSuite {
	if r.group == nil {
		return 0
	}
	return r.group.Public().Suite().ID()
}

// frozen reports that the room's group was closed and its successor is to come.
func (r *Room) frozen() bool { return r.group != nil && !r.joining && r.group.Public().Frozen() }

// claimSuite is the suite of KeyPackages that are claimed for the room.
func (r *Room) claimSuite() wire.CipherSuite {
	if r.frozen() {
		return r.group.Public().ReInit().Suite
	}
	return r.Suite()
}

// buildMove commits the ReInit. What waits is committed before: a ReInit stands alone (RFC 9420 §12.2).
func (c *Client) buildMove(ctx context.Context, r *Room, i *Intent) (bool, error) {
	id := wire.CipherSuite(i.Suite)
	if r.Suite() == id {
		i.Fate = Done
		return false, c.saveIntent(ctx, i, nil)
	}
	if c.mustCommitFirst(r) {
		return false, c.commitPending(ctx, r, 0)
	}
	for _, leaf := range r.group.Public().All() {
		if !room.Understands(leaf, id) {
			i.refused("a device in the room does not understand that cipher suite")
			return false, c.saveIntent(ctx, i, nil)
		}
	}
	next := &wire.ReInit{GroupID: make([]byte, groupIDSize), Version: wire.MLS10, Suite: id, Extensions: r.group.Public().Context().Extensions}
	if _, err := rand.Read(next.GroupID); err != nil {
		return false, err
	}
	return c.buildCommit(ctx, r, i, []wire.Proposal{{Type: wire.ReInitProposal, ReInit: next}})
}

// succeedPending puts the making of the successor in front of the room's intents, unless it is there.
func (c *Client) succeedPending(ctx context.Context, r *Room, wait time.Duration) error {
	for _, i := range c.intents {
		if (i.Kind == SucceedRoom || i.Kind == JoinRoom) && i.Room == r.URI.String() && !i.over() {
			c.first(i) // a wish to join: the successor is there already, without this device
			return nil
		}
	}
	i := &Intent{Kind: SucceedRoom, Room: r.URI.String(), Next: c.cfg.Now().Add(wait)}
	if _, err := c.intend(ctx, i); err != nil {
		return err
	}
	c.first(i)
	return nil
}

// buildSucceed claims a KeyPackage of each device of the closed group and makes the group that the ReInit announced, with them in it. A
// device without one stays out; it joins by itself later, as one that was offline does (P-RS-10). Each claim is stored, so that none is
// asked for twice; the group is stored with the request.
func (c *Client) buildSucceed(ctx context.Context, r *Room, i *Intent) (bool, error) {
	if !r.frozen() {
		i.Fate = Done // somebody else was faster
		return false, c.saveIntent(ctx, i, nil)
	}
	if r.claimSuite() == 0 || !slices.Contains(c.Suites(), r.claimSuite()) {
		i.refused("this device does not have the room's next cipher suite")
		return false, c.saveIntent(ctx, i, nil)
	}
	packages, done, err := c.claimAll(ctx, r, i)
	if err != nil || !done {
		return false, err
	}
	return c.found(ctx, r, i, packages)
}

// claimAll claims from one user after the other, in the order of the list; User is the last one.
func (c *Client) claimAll(ctx context.Context, r *Room, i *Intent) (packages *claimed, done bool, err error) {
	packages = new(claimed)
	if i.Claimed != nil {
		if err := syntax.Unmarshal(i.Claimed, packages); err != nil {
			return nil, false, fmt.Errorf("client: claimed KeyPackages: %w", err)
		}
	}
	for _, user := range usersIn(r.group.Public()) {
		if user.String() <= i.User {
			continue
		}
		if !c.othersOf(r, user) {
			continue // only this device
		}
		request, err := c.keyMaterialRequest(r, user)
		if err != nil {
			return nil, false, err
		}
		answer, err := c.cfg.Provider.KeyMaterial(ctx, user, request)
		if err != nil {
			return nil, false, c.unanswered(ctx, i, err)
		}
		for _, k := range answer.Clients {
			if k.Status == mimi.ClientSuccess && k.KeyPackage != nil {
				packages.KeyPackages = append(packages.KeyPackages, *k.KeyPackage)
			}
		}
		i.User = user.String()
		if i.Claimed, err = syntax.Marshal(packages); err != nil {
			return nil, false, err
		}
		if err := c.saveIntent(ctx, i, nil); err != nil {
			return nil, false, err
		}
	}
	return packages, true, nil
}

// usersIn lists the users who have a leaf, ascending.
func usersIn(g *mls.PublicGroup) []uri.User {
	seen := make(map[uri.User]bool)
	var out []uri.User
	for _, leaf := range g.All() {
		if user := userOf(leaf); !user.IsZero() && !seen[user] {
			seen[user] = true
			out = append(out, user)
		}
	}
	slices.SortFunc(out, func(a, b uri.User) int { return bytes.Compare([]byte(a.String()), []byte(b.String())) })
	return out
}

// othersOf reports whether a user has a device in the room besides this one.
func (c *Client) othersOf(r *Room, user uri.User) bool {
	return slices.ContainsFunc(leavesOf(r.group.Public(), user), func(leaf mls.LeafIndex) bool { return leaf != r.ownLeaf() })
}

// found makes the successor and keeps it beside the closed group until it comes back.
func (c *Client) found(ctx context.Context, r *Room, i *Intent, packages *claimed) (bool, error) {
	next := r.group.Public().ReInit()
	bundle, _, err := c.newBundle(next.Suite)
	if err != nil {
		return false, err
	}
	refuse := func(err error) (bool, error) {
		i.refused("the successor cannot be made: " + readable(err))
		return false, c.saveIntent(ctx, i, nil)
	}
	group, err := mls.Create(c.cfg.MLS, mls.CreateParams{
		GroupID: next.GroupID, Bundle: bundle, Signer: c.self.Signer, Extensions: next.Extensions,
		From: &mls.Predecessor{Group: r.group, Usage: wire.ReInitUsage},
	}, c.cfg.Now())
	if err != nil {
		return refuse(err)
	}
	aad, err := room.EmptyAAD(group.Public().Context())
	if err != nil {
		return false, err
	}
	adds, err := c.returning(r, packages)
	if errors.Is(err, credential.ErrUnknownCA) {
		return false, c.unanswered(ctx, i, &RetryError{Err: err})
	}
	if err != nil {
		return false, err
	}
	if len(adds) == 0 {
		return refuse(errNobody)
	}
	result, _, err := group.Commit(mls.CommitOptions{ByValue: adds, AAD: aad}, c.cfg.Now())
	if err != nil {
		return refuse(err)
	}
	staged, err := group.Process(result.Message, c.cfg.Now())
	if err != nil {
		return refuse(err)
	}
	tree := staged.Next().Tree()
	staged.Discard()
	request := &mimi.UpdateRequest{
		Message: *result.Message, Welcome: result.Welcome,
		GroupInfo: mimi.GroupInfoOption{Form: mimi.FullGroupInfo, Full: result.GroupInfo},
		Tree:      wire.RatchetTreeOption{Representation: wire.FullTree, Tree: tree},
	}
	if err := c.freeze(i, request, result.Message); err != nil {
		return false, err
	}
	saved, err := group.Save()
	if err != nil {
		return false, err
	}
	var d mls.Delta
	r.nextDelta(&d, saved)
	if err := c.saveIntent(ctx, i, d); err != nil {
		return false, err
	}
	r.next = group
	return true, nil
}

var errNobody = errors.New("client: nobody else can come along")

// returning makes Adds of the claimed KeyPackages whose devices were in the closed group.
func (c *Client) returning(r *Room, packages *claimed) ([]wire.Proposal, error) {
	was := make(map[uri.Client]bool)
	for i, leaf := range r.group.Public().All() {
		if id, err := credential.Parse(leaf.Credential); err == nil && i != r.ownLeaf() {
			was[id.Client] = true
		}
	}
	var adds []wire.Proposal
	for k := range packages.KeyPackages {
		kp := &packages.KeyPackages[k]
		id, err := credential.Parse(kp.Leaf.Credential)
		if err != nil || !was[id.Client] || kp.Suite != r.claimSuite() {
			continue
		}
		err = c.fits(id.User, kp)
		if errors.Is(err, credential.ErrUnknownCA) {
			return nil, err
		}
		if err == nil {
			was[id.Client] = false
			adds = append(adds, wire.Proposal{Type: wire.AddProposal, Add: kp})
		}
	}
	return adds, nil
}

// nextDelta moves the successor's records under the room's keys.
func (r *Room) nextDelta(d *mls.Delta, changes mls.Delta) {
	for _, c := range changes {
		*d = append(*d, mls.Record{Key: r.key(partNext + c.Key), Value: c.Value})
	}
}

const partNext = "next/"

// dropNext forgets a successor that was not taken, or that has become the room's group.
func (r *Room) dropNext(d *mls.Delta) {
	if r.next != nil {
		r.nextDelta(d, r.next.Forget())
		r.next = nil
	}
}

// succeed sends the request that hands the successor in, and reads its fate.
func (c *Client) succeed(ctx context.Context, r *Room, i *Intent) error {
	var request mimi.UpdateRequest
	if err := syntax.Unmarshal(i.Body, &request); err != nil {
		return err
	}
	answer, err := c.cfg.Provider.Update(ctx, r.URI, &request)
	if err != nil {
		return c.unanswered(ctx, i, err)
	}
	var d mls.Delta
	if answer.Code == mimi.UpdateSuccess {
		i.Fate, i.Reason, i.Body, i.Claimed = Accepted, "", nil, nil
	} else {
		// Another one was taken, or a KeyPackage was no good: the inbox tells which. Until then this device keeps out of the way.
		r.dropNext(&d)
		i.again(refusal(answer))
		i.Claimed, i.User = nil, ""
		i.later(c.cfg.Now(), succeedTurn)
	}
	return c.saveIntent(ctx, i, d)
}

// successor takes the first commit of the group that follows a closed one: this device's own becomes the room's group, another's comes
// by its Welcome.
func (s *step) successor(m *wire.Message) {
	own := s.echoOf(m)
	if own == nil || s.room.next == nil {
		s.lateComer()
		return
	}
	staged, err := s.room.next.Process(m, s.now)
	if err != nil {
		s.gap("the room's successor could not be taken: " + readable(err))
		return
	}
	changes, err := staged.Apply()
	if err != nil {
		s.keep(fmt.Errorf("client: successor: %w", err))
		return
	}
	for _, rec := range changes {
		s.delta.Delete(s.room.key(partNext + rec.Key))
	}
	s.echoed(own)
	s.moveTo(s.room.next)
}

// lateComer makes a device that another's successor leaves out come in by itself: normally the Welcome follows at once, and the wish ends
// with it. Without one this device had no KeyPackage there, or its user did not agree to be brought along by that person.
func (s *step) lateComer() {
	for _, i := range s.client.intents {
		if i.Kind == SucceedRoom && i.Room == s.room.URI.String() && !i.over() {
			i.again("")
			i.Kind, i.Claimed, i.User, i.Next = JoinRoom, nil, "", s.client.cfg.Now().Add(succeedTurn)
			s.ended = append(s.ended, i)
		}
	}
}

// mayFollow reports whether a group may become the room's: any when the device is not in one, the announced one when that was closed.
func (r *Room) mayFollow(next *wire.GroupContext) bool {
	if r == nil || !r.frozen() {
		return true
	}
	announced := r.group.Public().ReInit()
	return bytes.Equal(announced.GroupID, next.GroupID) && announced.Suite == next.Suite
}

// abandon forgets a closed group whose successor the device enters by itself.
func (r *Room) abandon(d *mls.Delta) {
	if r.frozen() {
		r.mlsDelta(d, r.group.Forget())
		r.dropNext(d)
	}
}

// announces reports whether a commit is the first one of the group that a ReInit announced.
func (r *Room) announces(m *wire.Message) bool {
	return r.frozen() && m.Public != nil && bytes.Equal(m.Public.Content.GroupID, r.group.Public().ReInit().GroupID)
}

// moveTo makes a group the room's in place of the closed one. What was not accepted there is made anew here.
func (s *step) moveTo(next *mls.Group) {
	r := s.room
	r.mlsDelta(&s.delta, r.group.Forget())
	saved, err := next.Save()
	s.keep(err)
	if r.next == next {
		for _, rec := range saved {
			s.delta.Delete(r.key(partNext + rec.Key))
		}
	} else {
		r.dropNext(&s.delta)
	}
	r.group, r.next = next, nil
	r.mlsDelta(&s.delta, saved)
	for _, i := range s.client.intents {
		if i.Room != r.URI.String() || i.over() || slices.Contains(s.ended, i) {
			continue
		}
		if i.Kind == SucceedRoom || i.Kind == JoinRoom {
			i.Fate = Done
		} else if i.Fate == Waiting {
			i.again("")
		}
		i.MinEpoch = 0
		s.ended = append(s.ended, i)
	}
	s.add(Entry{Kind: EntryMoved})
}

// follows judges a group that a Welcome brings to a device whose room has a closed one: it must be what the ReInit announced, tied to the
// old group by its resumption secret.
func (r *Room) follows(next *mls.Group, bound bool) error {
	if !bound || !room.Succeeds(r.group.Public(), next.Public()) {
		return errSuccessor
	}
	return room.JudgeSuccessor(r.group.Public(), next.Public(), nil)
}

var errSuccessor = errors.New("client: not the group that the ReInit announced")

// table is for lookups of suites.
func (c *Client) table() *suite.Table { return c.cfg.MLS.Suites }
