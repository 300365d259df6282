package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"parley/credential"
	"parley/mimi"
	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/room"
	"parley/syntax"
	"parley/uri"
)

// Join asks for this device to enter a room by external commit (draft-ietf-mimi-protocol-06 §3.6): one of which the user is a
// participant already, or one that lets the user come in.
func (c *Client) Join(ctx context.Context, at uri.Room) (intent uint64, err error) {
	return c.JoinWith(ctx, at, "")
}

// JoinWith is Join with the code of a join link; "" is none.
func (c *Client) JoinWith(ctx context.Context, at uri.Room, code string) (intent uint64, err error) {
	if r, ok := c.rooms[at]; ok && r.group != nil {
		return 0, ErrHaveRoom
	}
	return c.intend(ctx, &Intent{Kind: JoinRoom, Room: at.String(), Code: code})
}

// workJoin fetches the room's GroupInfo, makes the external commit and sends it. The group becomes usable when the commit comes
// back through the inbox.
func (c *Client) workJoin(ctx context.Context, i *Intent, at uri.Room) error {
	r := c.rooms[at]
	if r != nil && r.group != nil && !r.joining && !r.frozen() {
		i.Fate = Done // a Welcome was faster; its group stays, whatever became of the external commit
		return c.saveIntent(ctx, i, nil)
	}
	if i.Body == nil {
		var err error
		if r, err = c.buildJoin(ctx, i, at); err != nil || r == nil {
			return err
		}
	}
	return c.updateJoin(ctx, r, i)
}

// buildJoin returns nil without an error when the intent has to wait or was refused.
func (c *Client) buildJoin(ctx context.Context, i *Intent, at uri.Room) (*Room, error) {
	state, err := c.fetchGroupInfo(ctx, at, i.Code)
	if err != nil {
		return nil, c.unanswered(ctx, i, err)
	}
	if !c.rooms[at].mayFollow(&state.GroupInfo.Context) {
		i.refused("the room has another group than the one that was announced")
		return nil, c.saveIntent(ctx, i, nil)
	}
	group, result, err := c.externalCommit(at, state, i.Code)
	if errors.Is(err, credential.ErrUnknownCA) {
		return nil, c.unanswered(ctx, i, &RetryError{Err: err})
	}
	if err != nil {
		i.refused("cannot join: " + err.Error())
		return nil, c.saveIntent(ctx, i, nil)
	}
	r := c.rooms[at]
	if r == nil {
		r = &Room{URI: at}
	}
	var d mls.Delta
	r.abandon(&d)
	r.group, r.joining = group, true
	if err := c.freeze(i, commitRequest(result), result.Message); err != nil {
		return nil, err
	}
	saved, err := group.Save()
	if err != nil {
		return nil, err
	}
	r.mlsDelta(&d, saved)
	if err := r.header(&d); err != nil {
		return nil, err
	}
	if err := c.saveIntent(ctx, i, d); err != nil {
		return nil, err
	}
	c.rooms[at] = r
	return r, nil
}

var (
	errNotAuthorized = errors.New("the room's hub does not let this user in, or there is no such room")
	errHub           = errors.New("the answer is not from the room's hub")
)

// fetchGroupInfo asks the hub for the room's state, in each suite that the device has until one is the room's.
func (c *Client) fetchGroupInfo(ctx context.Context, at uri.Room, code string) (state *mimi.GroupInfoRatchetTree, err error) {
	for _, id := range c.Suites() {
		if state, err = c.groupInfoIn(ctx, at, id, code); !errors.Is(err, errNotAuthorized) {
			return state, err
		}
	}
	return nil, err
}

// groupInfoIn asks for the room's state, sealed to a key made for this request.
func (c *Client) groupInfoIn(ctx context.Context, at uri.Room, id wire.CipherSuite, code string) (*mimi.GroupInfoRatchetTree, error) {
	s, err := c.table().Lookup(id)
	if err != nil {
		return nil, err
	}
	private, public, err := s.GenerateKeyPair()
	if err != nil {
		return nil, err
	}
	defer suite.Wipe(private)
	request := &mimi.GroupInfoRequest{Protocol: mimi.MLS10, Suite: id, Credential: c.self.Credential, PublicKey: public, JoiningCode: []byte(code)}
	if request.SignatureKey, err = s.SignaturePublicKey(c.self.Signer.Public()); err != nil {
		return nil, err
	}
	if err := request.Sign(c.self.Signer, c.table()); err != nil {
		return nil, err
	}
	answer, err := c.cfg.Provider.GroupInfo(ctx, at, request)
	if err != nil {
		return nil, err
	}
	if answer.Status != mimi.GroupInfoSuccess {
		return nil, errNotAuthorized
	}
	state, err := answer.Open(at.String(), private, c.table())
	if err != nil {
		return nil, errHub
	}
	return state, checkHub(at, answer)
}

// checkHub holds the answer's signer, which is among the group's external senders, against the room's domain (P-GI-11).
func checkHub(at uri.Room, answer *mimi.GroupInfoResponse) error {
	provider, err := credential.ParseSender(answer.HubSender.Credential)
	if err != nil || provider != at.Provider() {
		return errHub
	}
	return nil
}

// externalCommit makes the commit by which the device enters. Pending SelfRemoves are in it (P-GI-15).
func (c *Client) externalCommit(at uri.Room, state *mimi.GroupInfoRatchetTree, code string) (*mls.Group, *mls.CommitResult, error) {
	if err := checkRoom(at, &state.GroupInfo.Context); err != nil {
		return nil, nil, err
	}
	bundle, _, err := c.newBundle(state.GroupInfo.Context.Suite)
	if err != nil {
		return nil, nil, err
	}
	var pending []*wire.Message
	for k := range state.Pending {
		pending = append(pending, &state.Pending[k].Proposal)
	}
	aad, err := room.EmptyAAD(&state.GroupInfo.Context)
	if err != nil {
		return nil, nil, err
	}
	own, err := c.ownPlace(&state.GroupInfo.Context, code)
	if err != nil {
		return nil, nil, err
	}
	return mls.ExternalJoin(c.cfg.MLS, mls.ExternalJoinParams{
		ByValue: own, GroupInfo: &state.GroupInfo, Tree: &state.Tree.Tree, Bundle: bundle, Signer: c.self.Signer, Pending: pending, AAD: aad,
	}, c.cfg.Now())
}

// checkRoom holds the group's state against the room for which it was given.
func checkRoom(at uri.Room, context *wire.GroupContext) error {
	data, ok := context.Extensions.Find(wire.AppDataDictionaryExtension)
	if !ok {
		return fmt.Errorf("client: the group has no room state")
	}
	var entries wire.AppDataDictionary
	if err := syntax.Unmarshal(data, &entries); err != nil {
		return err
	}
	var meta mimi.RoomMetadata
	text, ok := entries.Find(mimi.RoomMetadataComponent)
	if !ok {
		return errors.New("client: the group has no room metadata")
	}
	if err := syntax.Unmarshal(text, &meta); err != nil {
		return err
	}
	if !uri.Equal(meta.Room, at.String()) {
		return errors.New("client: the group is that of another room")
	}
	return nil
}

// updateJoin sends the external commit. After a wrong epoch everything is made anew: the GroupInfo is old.
func (c *Client) updateJoin(ctx context.Context, r *Room, i *Intent) error {
	var request mimi.UpdateRequest
	if err := syntax.Unmarshal(i.Body, &request); err != nil {
		return err
	}
	answer, err := c.cfg.Provider.Update(ctx, r.URI, &request)
	var retry *RetryError
	if err != nil && (ctx.Err() != nil || errors.As(err, &retry)) {
		return c.unanswered(ctx, i, err)
	}
	if err == nil && answer.Code == mimi.UpdateSuccess {
		i.Fate, i.Reason, i.Body = Accepted, "", nil
		return c.saveIntent(ctx, i, nil)
	}
	var d mls.Delta
	r.mlsDelta(&d, r.group.Forget()) // also when the provider refuses for good: nothing may stay of a group that nobody is in
	r.group, r.joining = nil, false
	switch {
	case err != nil:
		i.refused(err.Error())
	case answer.Code == mimi.UpdateWrongEpoch:
		i.again("somebody else changed the room first; trying again")
		i.later(c.cfg.Now(), 0)
	case waitsForPending(answer):
		i.again("somebody leaves just now; trying again")
		i.later(c.cfg.Now(), 0)
	default:
		i.refused(refusal(answer))
	}
	if err := r.header(&d); err != nil {
		return err
	}
	return c.saveIntent(ctx, i, d)
}

// welcome lets the device into a room to which somebody added it.
func (s *step) welcome(ctx context.Context, item *mimi.FanoutMessage) error {
	c := s.client
	ref, bundle, err := c.bundleFor(ctx, item.Message.Welcome)
	if err != nil {
		return err
	}
	if bundle == nil {
		return nil // for another device, or for a package that is gone
	}
	closed := s.room != nil && s.room.frozen()
	if s.room != nil && s.room.Active() && !closed {
		return nil // in the room already
	}
	params := mls.JoinParams{Welcome: item.Message.Welcome, Own: []mls.OwnLeaf{{Bundle: bundle, Signer: c.self.Signer}}}
	if item.Tree.Representation == wire.FullTree {
		params.Tree = &item.Tree.Tree
	}
	bound := false
	params.Predecessor = func(groupID []byte, _ uint64) *mls.Group {
		if !closed || !bytes.Equal(groupID, s.room.group.Public().GroupID()) {
			return nil
		}
		bound = true
		return s.room.group
	}
	group, _, err := mls.Join(c.cfg.MLS, params, s.now)
	if s.undecided(err) {
		return ErrAuthorities
	}
	if err == nil {
		err = checkRoom(s.event.Room, group.Public().Context())
	}
	if err == nil {
		err = hubSends(s.event.Room, group.Public())
	}
	if err == nil && closed {
		err = s.room.follows(group, bound)
	}
	s.used = ref
	s.delta.Delete(keyPackages + ref)
	if err != nil {
		s.gap("an invitation could not be taken: " + readable(err))
		return nil
	}
	if closed {
		s.moveTo(group)
		return nil
	}
	if s.room == nil {
		s.room = &Room{URI: s.event.Room}
		c.rooms[s.event.Room] = s.room
	}
	if s.room.group != nil {
		s.room.mlsDelta(&s.delta, s.room.group.Forget()) // of an external commit that the Welcome has overtaken
	}
	s.room.group, s.room.joining = group, false
	saved, err := group.Save()
	s.keep(err)
	s.room.mlsDelta(&s.delta, saved)
	s.add(Entry{Kind: EntryJoined, User: c.self.User.String(), Client: c.self.Client.String(), Own: true})
	return nil
}

// hubSends requires the room's hub among the external senders (P-RS-05).
func hubSends(at uri.Room, g *mls.PublicGroup) error {
	for _, sender := range g.ExternalSenders() {
		if provider, err := credential.ParseSender(sender.Credential); err == nil && provider == at.Provider() {
			return nil
		}
	}
	return errHub
}
