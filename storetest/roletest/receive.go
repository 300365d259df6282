package roletest

import (
	"encoding/hex"
	"slices"
	"time"

	"parley/mimi"
	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
	"parley/uri"
)

// Sync sends what waits in all outboxes and lets every device take in what came.
func (w *World) Sync() {
	w.T.Helper()
	w.Settle()
	for _, d := range w.devices {
		d.Receive()
	}
}

// Receive takes in what waits in the device's inbox, at the time at which the hub accepted it.
func (d *Device) Receive() {
	w := d.world()
	w.T.Helper()
	for more := true; more; {
		entries, rest, err := d.Home.Inboxes.Read(w.T.Context(), d.Client.Client, &d.cursor, 100)
		must(w, entries, err)
		more = rest
		for _, e := range entries {
			d.cursor = e.Cursor
			a := Arrival{Room: e.Room}
			must(w, e, mimi.Limits(len(e.Body)).Unmarshal(e.Body, &a.FanoutMessage))
			d.Got = append(d.Got, a)
			if err := d.take(&a); err != nil {
				d.Refused = append(d.Refused, err)
				if !d.Lax {
					w.T.Errorf("%s cannot take an item: %v", d.Client.Client, err)
				}
			}
		}
	}
}

func (d *Device) take(a *Arrival) error {
	now := time.UnixMilli(int64(a.Timestamp))
	m := &a.Message
	group := d.Groups[a.Room]
	switch {
	case m.Welcome != nil:
		return d.join(a, now)
	case group == nil || group.Removed():
		return nil
	case group.Joining() && (m.ContentType() != wire.CommitContent || m.Public.Content.Sender.Type != wire.NewMemberCommitSender):
		return nil // of before the device is in
	case m.Private != nil:
		return d.open(group, m.Private)
	}
	for _, h := range slices.Concat([]wire.Message{*m}, a.MoreProposals, a.ExternalProposals) {
		staged, err := group.Process(&h, now)
		if err != nil {
			return err
		}
		if _, err := staged.Apply(); err != nil {
			return err
		}
		if group.Removed() {
			return nil
		}
	}
	return nil
}

func (d *Device) open(group *mls.Group, m *wire.PrivateMessage) error {
	got, _, err := group.Open(m)
	if err != nil {
		if own, ok := err.(*mls.Error); ok && own.Rule == mls.RuleOwnMessage {
			return nil
		}
		return err
	}
	framed, err := got.Framing()
	if err != nil {
		return err
	}
	if framed == nil {
		framed = &wire.ApplicationFraming{Content: got.Data}
	}
	d.Texts = append(d.Texts, string(framed.Content))
	return nil
}

func (d *Device) join(a *Arrival, now time.Time) error {
	for _, s := range a.Message.Welcome.Secrets {
		bundle, ok := d.bundles[hex.EncodeToString(s.NewMember)]
		if !ok {
			continue
		}
		params := mls.JoinParams{Welcome: a.Message.Welcome, Own: []mls.OwnLeaf{{Bundle: bundle, Signer: d.Key}}}
		if a.Tree.Representation == wire.FullTree {
			params.Tree = &a.Tree.Tree
		}
		group, _, err := mls.Join(d.mls(), params, now)
		if err == nil {
			d.Groups[a.Room] = group
		}
		return err
	}
	return nil
}

// InfoRequest asks for a room's GroupInfo; private opens the answer.
func (d *Device) InfoRequest() (r *mimi.GroupInfoRequest, private []byte) {
	w := d.world()
	w.T.Helper()
	s, err := suite.Lookup(Suite)
	must(w, s, err)
	private, public, err := s.GenerateKeyPair()
	must(w, public, err)
	r = &mimi.GroupInfoRequest{Protocol: mimi.MLS10, Suite: Suite, Credential: d.Credential, PublicKey: public}
	must(w, r, r.Sign(d.Key))
	return r, private
}

// Info fetches a room's GroupInfo through the device's provider.
func (d *Device) Info(at uri.Room) *mimi.GroupInfoRatchetTree {
	w := d.world()
	w.T.Helper()
	r, private := d.InfoRequest()
	answer, err := d.Home.Follower.GroupInfo(w.T.Context(), d.Client, at, r)
	must(w, answer, err)
	if answer.Status != mimi.GroupInfoSuccess {
		w.T.Fatalf("no GroupInfo: %d", answer.Status)
	}
	inside, err := answer.Open(at.String(), private)
	return must(w, inside, err)
}

// Join makes the external commit by which the device enters a room of its user, and is in the room once that came back. change may
// be nil.
func (d *Device) Join(at uri.Room, change func(*mls.ExternalJoinParams)) *mimi.UpdateRequest {
	w := d.world()
	w.T.Helper()
	return d.JoinWith(at, d.Info(at), change)
}

// JoinWith is Join with what the hub gave before.
func (d *Device) JoinWith(at uri.Room, state *mimi.GroupInfoRatchetTree, change func(*mls.ExternalJoinParams)) *mimi.UpdateRequest {
	w := d.world()
	w.T.Helper()
	p := mls.ExternalJoinParams{GroupInfo: &state.GroupInfo, Tree: &state.Tree.Tree, Bundle: d.Package(nil), Signer: d.Key, AAD: emptyAAD(w)}
	for i := range state.Pending {
		p.Pending = append(p.Pending, &state.Pending[i].Proposal)
	}
	if change != nil {
		change(&p)
	}
	group, result, err := mls.ExternalJoin(d.mls(), p, w.Now())
	must(w, result, err)
	d.Groups[at] = group
	return Request(result)
}

func emptyAAD(w *World) []byte {
	aad, err := syntax.Marshal(&wire.SafeAAD{})
	return must(w, aad, err)
}

// Resign signs a handshake of the device anew after it was changed, as a member or a joiner.
func (d *Device) Resign(at uri.Room, m *wire.Message) {
	w := d.world()
	w.T.Helper()
	s, err := suite.Lookup(Suite)
	must(w, s, err)
	tbs, err := syntax.Marshal(&wire.FramedContentTBS{
		Format: m.Format, Content: &m.Public.Content, Context: d.Groups[at].Public().Context()})
	must(w, tbs, err)
	m.Public.Auth.Signature, err = s.SignWithLabel(d.Key, "FramedContentTBS", tbs)
	must(w, m, err)
}

// ResignInfo signs a GroupInfo of the device anew after it was changed.
func (d *Device) ResignInfo(info *wire.GroupInfo) {
	w := d.world()
	w.T.Helper()
	s, err := suite.Lookup(Suite)
	must(w, s, err)
	tbs, err := syntax.Marshal(&wire.GroupInfoTBS{GroupInfo: info})
	must(w, tbs, err)
	info.Signature, err = s.SignWithLabel(d.Key, "GroupInfoTBS", tbs)
	must(w, info, err)
}

// Raw makes a commit out of an empty one of the device by putting proposals into it that its own engine may refuse, signed anew. Path and
// tags do not fit them.
func (d *Device) Raw(at uri.Room, proposals ...wire.Proposal) *mimi.UpdateRequest {
	r := d.Commit(at)
	commit := r.Message.Public.Content.Commit
	commit.Proposals = nil
	for i := range proposals {
		commit.Proposals = append(commit.Proposals, wire.ProposalOrRef{Proposal: &proposals[i]})
	}
	d.Resign(at, &r.Message)
	return r
}
