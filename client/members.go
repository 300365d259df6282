package client

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"parley/credential"
	"parley/mimi"
	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/policy"
	"parley/room"
	"parley/syntax"
	"parley/uri"
)

// Add asks for a user, with all the user's devices, to be added.
func (c *Client) Add(ctx context.Context, at uri.Room, user uri.User) (intent uint64, err error) {
	r, ok := c.rooms[at]
	if !ok || r.group == nil {
		return 0, ErrNoRoom
	}
	if _, there, err := c.listed(r, user); err != nil || there {
		return 0, first(err, ErrParticipant)
	}
	return c.intend(ctx, &Intent{Kind: AddUser, Room: at.String(), User: user.String()})
}

// Remove asks for a participant, with all devices, to be removed.
func (c *Client) Remove(ctx context.Context, at uri.Room, user uri.User) (intent uint64, err error) {
	r, ok := c.rooms[at]
	if !ok || r.group == nil {
		return 0, ErrNoRoom
	}
	if _, there, err := c.listed(r, user); err != nil || !there {
		return 0, first(err, ErrStranger)
	}
	return c.intend(ctx, &Intent{Kind: RemoveUser, Room: at.String(), User: user.String()})
}

// Leave asks for the own user, with all devices, to leave. The hub acts on it at once; the next commit of somebody else completes
// it (draft-ietf-mimi-protocol-06 §3.5).
func (c *Client) Leave(ctx context.Context, at uri.Room) (intent uint64, err error) {
	r, ok := c.rooms[at]
	if !ok || r.group == nil {
		return 0, ErrNoRoom
	}
	return c.intend(ctx, &Intent{Kind: LeaveRoom, Room: at.String()})
}

func first(err, otherwise error) error {
	if err != nil {
		return err
	}
	return otherwise
}

func (c *Client) listed(r *Room, user uri.User) (index uint32, there bool, err error) {
	list, err := participants(r.group.Public())
	if err != nil {
		return 0, false, err
	}
	index, there = list.Find(user.String())
	return index, there, nil
}

// buildAdd claims the user's KeyPackages through the hub and commits them together with the list change (P-UP-10).
func (c *Client) buildAdd(ctx context.Context, r *Room, i *Intent) (bool, error) {
	user, err := uri.ParseUser(i.User)
	if err != nil {
		i.refused("not a user")
		return false, c.saveIntent(ctx, i, nil)
	}
	if _, there, err := c.listed(r, user); err != nil {
		return false, err
	} else if there {
		i.Fate = Done // somebody else was faster
		return false, c.saveIntent(ctx, i, nil)
	}
	if i.Claimed == nil {
		if claimed, err := c.claim(ctx, r, i, user); err != nil || !claimed {
			return false, err
		}
	}
	var packages claimed
	if err := syntax.Unmarshal(i.Claimed, &packages); err != nil {
		return false, fmt.Errorf("client: claimed KeyPackages: %w", err)
	}
	list, err := room.ListUpdate(mimi.ParticipantListUpdate{Added: []mimi.Participant{{User: user.String(), Role: policy.RoleMember}}})
	if err != nil {
		return false, err
	}
	proposals := []wire.Proposal{list}
	for k := range packages.KeyPackages {
		err := c.fits(user, &packages.KeyPackages[k])
		if errors.Is(err, credential.ErrUnknownCA) {
			return false, c.unanswered(ctx, i, &RetryError{Err: err}) // what was claimed waits for the authorities
		}
		if err == nil {
			proposals = append(proposals, wire.Proposal{Type: wire.AddProposal, Add: &packages.KeyPackages[k]})
		}
	}
	return c.buildCommit(ctx, r, i, proposals)
}

// claimed is the stored form of KeyPackages that wait for their commit.
type claimed struct{ KeyPackages []wire.KeyPackage }

func (v *claimed) Syntax(c *syntax.Codec) { syntax.Structs(c, &v.KeyPackages) }

// claim asks the hub, which asks the user's provider, and keeps what comes: it is never handed out twice, and judged when it is used.
func (c *Client) claim(ctx context.Context, r *Room, i *Intent, user uri.User) (bool, error) {
	request, err := c.keyMaterialRequest(r, user)
	if err != nil {
		return false, err
	}
	answer, err := c.cfg.Provider.KeyMaterial(ctx, user, request)
	if err != nil {
		return false, c.unanswered(ctx, i, err)
	}
	var packages claimed
	for _, k := range answer.Clients {
		if k.Status == mimi.ClientSuccess && k.KeyPackage != nil {
			packages.KeyPackages = append(packages.KeyPackages, *k.KeyPackage)
		}
	}
	if reason := claimRefusal(answer.Status); reason != "" {
		i.refused(reason)
		return false, c.saveIntent(ctx, i, nil)
	}
	if i.Claimed, err = syntax.Marshal(&packages); err != nil {
		return false, err
	}
	return true, c.saveIntent(ctx, i, nil)
}

// claimRefusal puts a failure code into words; "" means go on. A user without material becomes an inactive participant, who joins
// later (P-RS-10).
func claimRefusal(code mimi.KeyMaterialUserCode) string {
	switch code {
	case mimi.KeyMaterialSuccess, mimi.KeyMaterialPartial:
		return ""
	case mimi.KeyMaterialUserUnknown:
		return "there is no such user"
	case mimi.KeyMaterialUserDeleted:
		return "the user's account was deleted"
	case mimi.KeyMaterialNoConsent, mimi.KeyMaterialNoConsentInThisRoom:
		return "the user has not agreed to be added, or does not exist"
	case mimi.KeyMaterialIncompatible:
		return "the user's provider does not speak this protocol"
	}
	return "none of the user's devices can take part in this room"
}

// fits applies the room's rules to a claimed KeyPackage: it must be the asked user's and valid now.
func (c *Client) fits(user uri.User, kp *wire.KeyPackage) error {
	id, err := credential.Parse(kp.Leaf.Credential)
	if err != nil {
		return err
	}
	if id.User != user {
		return errOtherUser
	}
	return mls.ValidateKeyPackage(c.cfg.MLS, kp, c.cfg.Now())
}

var errOtherUser = errors.New("client: the KeyPackage is another user's")

func (c *Client) keyMaterialRequest(r *Room, user uri.User) (*mimi.KeyMaterialRequest, error) {
	s, err := suite.Lookup(c.self.Suite)
	if err != nil {
		return nil, err
	}
	public, err := s.SignaturePublicKey(c.self.Signer.Public())
	if err != nil {
		return nil, err
	}
	request := &mimi.KeyMaterialRequest{
		Protocol:       mimi.MLS10,
		RequestingUser: c.self.User.String(),
		TargetUser:     user.String(),
		Room:           r.URI.String(),
		Suites:         freshFor(r.Epoch(), r.claimSuite()),
		SignatureKey:   public,
		Credential:     c.self.Credential,
	}
	if data, ok := r.group.Public().Context().Extensions.Find(wire.RequiredCapabilitiesExtension); ok {
		if err := syntax.Unmarshal(data, &request.Required); err != nil {
			return nil, err
		}
	}
	return request, request.Sign(c.self.Signer, c.table())
}

// freshFor is a list of suites by which the request of one epoch differs from that of another: the same request within a day gets the
// same KeyPackages, which would be used twice when somebody is added, removed and added again. The epoch stands in GREASE
// values (RFC 9420 §13.5), which no provider offers. A repetition in the same epoch stays the same.
func freshFor(epoch uint64, suites ...wire.CipherSuite) []wire.CipherSuite {
	for {
		suites = append(suites, wire.CipherSuite(0x0a0a+0x1010*(epoch%15)))
		if epoch /= 15; epoch == 0 {
			return suites
		}
	}
}

// buildRemove removes all leaves of the user and the list entry in one commit (P-UP-11).
func (c *Client) buildRemove(ctx context.Context, r *Room, i *Intent) (bool, error) {
	user, err := uri.ParseUser(i.User)
	if err != nil {
		i.refused("not a user")
		return false, c.saveIntent(ctx, i, nil)
	}
	index, there, err := c.listed(r, user)
	if err != nil {
		return false, err
	}
	if !there {
		i.Fate = Done
		return false, c.saveIntent(ctx, i, nil)
	}
	leaves := leavesOf(r.group.Public(), user)
	if r.removalWaits(leaves...) && c.mustCommitFirst(r) {
		return false, c.commitPending(ctx, r, 0) // the user leaves: a commit cannot hold both, and the hub wants the leave in it
	}
	list, err := room.ListUpdate(mimi.ParticipantListUpdate{Removed: []uint32{index}})
	if err != nil {
		return false, err
	}
	proposals := []wire.Proposal{list}
	for _, leaf := range leaves {
		proposals = append(proposals, wire.Proposal{Type: wire.RemoveProposal, Remove: uint32(leaf)})
	}
	return c.buildCommit(ctx, r, i, proposals)
}

// buildCommit commits the proposals that wait and the given ones, and keeps the request.
func (c *Client) buildCommit(ctx context.Context, r *Room, i *Intent, proposals []wire.Proposal) (bool, error) {
	aad, err := room.EmptyAAD(r.group.Public().Context())
	if err != nil {
		return false, err
	}
	result, changes, err := r.group.Commit(mls.CommitOptions{Leaf: r.ownLeaf(), ByValue: proposals, AAD: aad}, c.cfg.Now())
	if err != nil {
		i.refused("cannot be committed: " + err.Error())
		return false, c.saveIntent(ctx, i, nil)
	}
	request := commitRequest(result)
	if err := c.freeze(i, request, result.Message); err != nil {
		return false, err
	}
	var d mls.Delta
	r.mlsDelta(&d, changes)
	return true, c.saveIntent(ctx, i, d)
}

// commitRequest is the smallest bundle: the hub rebuilds the GroupInfo and keeps the tree itself.
func commitRequest(result *mls.CommitResult) *mimi.UpdateRequest {
	return &mimi.UpdateRequest{
		Message:   *result.Message,
		Welcome:   result.Welcome,
		GroupInfo: mimi.GroupInfoOption{Form: mimi.PartialGroupInfo, Partial: mls.PartialGroupInfo(result.GroupInfo)},
		Tree:      wire.RatchetTreeOption{Representation: wire.TreeFromDeliveryService},
	}
}

// buildLeave proposes the removal of all own devices and of the list entry in one bundle (P-LV-01): SelfRemove for this device,
// Remove for the others.
func (c *Client) buildLeave(ctx context.Context, r *Room, i *Intent) (bool, error) {
	index, there, err := c.listed(r, c.self.User)
	if err != nil {
		return false, err
	}
	if !there || r.leaving() {
		i.Fate = Done // gone, or asked for already: the same octets would not come back a second time
		return false, c.saveIntent(ctx, i, nil)
	}
	list, err := room.ListUpdate(mimi.ParticipantListUpdate{Removed: []uint32{index}})
	if err != nil {
		return false, err
	}
	proposals := []wire.Proposal{{Type: wire.SelfRemoveProposal}}
	for _, leaf := range leavesOf(r.group.Public(), c.self.User) {
		if leaf != r.ownLeaf() {
			proposals = append(proposals, wire.Proposal{Type: wire.RemoveProposal, Remove: uint32(leaf)})
		}
	}
	proposals = append(proposals, list)
	aad, err := room.EmptyAAD(r.group.Public().Context())
	if err != nil {
		return false, err
	}
	var d mls.Delta
	messages := make([]wire.Message, 0, len(proposals))
	for _, p := range proposals {
		m, changes, err := r.group.Propose(r.ownLeaf(), p, aad, c.cfg.Now())
		if err != nil {
			i.refused("cannot leave now: " + err.Error())
			return false, c.saveIntent(ctx, i, nil)
		}
		r.mlsDelta(&d, changes)
		messages = append(messages, *m)
	}
	request := &mimi.UpdateRequest{Message: messages[0], MoreProposals: messages[1:]}
	if err := c.freeze(i, request, &messages[0]); err != nil {
		return false, err
	}
	return true, c.saveIntent(ctx, i, d)
}

// update sends a commit or a bundle of proposals and reads its fate. The epoch moves when it comes back through the inbox.
func (c *Client) update(ctx context.Context, r *Room, i *Intent) error {
	var request mimi.UpdateRequest
	if err := syntax.Unmarshal(i.Body, &request); err != nil {
		return err
	}
	answer, err := c.cfg.Provider.Update(ctx, r.URI, &request)
	if err != nil {
		return c.unanswered(ctx, i, err)
	}
	var d mls.Delta
	switch {
	case answer.Code == mimi.UpdateSuccess:
		i.Fate, i.Reason, i.Body, i.Claimed = Accepted, "", nil, nil
		return c.saveIntent(ctx, i, nil)
	case answer.Code == mimi.UpdateWrongEpoch:
		i.again("somebody else changed the room first; trying again")
		i.MinEpoch = answer.CurrentEpoch
	case waitsForPending(answer):
		i.again("the room waits for a change that has to come first; trying again")
		i.later(c.cfg.Now(), 0)
	default:
		i.refused(refusal(answer))
	}
	if r.Active() && request.IsCommit() {
		r.mlsDelta(&d, r.group.DropPendingCommit())
	}
	return c.saveIntent(ctx, i, d)
}

// waitsForPending reports whether a commit was refused because it leaves out what the hub has accepted since it was made.
func waitsForPending(answer *mimi.UpdateRoomResponse) bool {
	return answer.Code == mimi.UpdateNotAllowed && strings.HasPrefix(answer.Description, mimi.ReasonPendingProposals)
}

func refusal(answer *mimi.UpdateRoomResponse) string {
	if answer.Description != "" {
		return "the room's hub refused: " + policy.Explain(answer.Description)
	}
	return "the room's hub refused"
}
