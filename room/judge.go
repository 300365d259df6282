package room

import (
	"bytes"

	"parley/mimi"
	"parley/mls"
	"parley/mls/wire"
	"parley/policy"
	"parley/syntax"
	"parley/uri"
)

// Judge decides whether the room's rules allow a staged proposal or commit. gone are users whose leave the hub has accepted and
// nobody has committed; a client passes nil.
//
// Every change is judged by the role of the one who proposed it, before the commit (P-PL-06); the result is judged as a whole. A
// proposal that comes alone must also be one that the next commit can hold.
func Judge(staged *mls.Staged, gone map[uri.User]bool) error {
	before, err := Read(staged.From())
	if err != nil {
		return err
	}
	j := &judgement{staged: staged, before: before, after: before, gone: gone}
	if staged.Kind() == wire.CommitContent {
		if j.after, err = Read(staged.Next()); err != nil {
			return err
		}
		if err := j.commit(); err != nil {
			return err
		}
	}
	for _, p := range staged.Proposals() {
		if err := j.proposal(&p); err != nil {
			return err
		}
		if staged.Kind() == wire.CommitContent {
			continue
		}
		if err := j.mayWait(&p); err != nil {
			return err
		}
	}
	if staged.Kind() == wire.CommitContent {
		return j.roles()
	}
	return nil
}

type judgement struct {
	staged        *mls.Staged
	before, after *State
	gone          map[uri.User]bool
	joiner        bool   // the committer comes from outside
	match         uint32 // preauthorised role of the proposer whose proposal is judged
}

// commit judges who commits and what the room is afterwards.
func (j *judgement) commit() error {
	_, leaf := j.staged.Committer()
	committer, err := UserOf(leaf)
	if err != nil {
		return err
	}
	j.joiner = j.staged.External() && j.before.Role(committer) == 0 && !j.gone[committer]
	if !j.joiner && (!j.before.MayHaveLeaves(committer) || j.gone[committer]) {
		return broken("the committer is not a participant who may act") // P-UP-14
	}
	if j.staged.External() {
		if err := j.external(committer, leaf); err != nil {
			return err
		}
	}
	if j.after.Room != j.before.Room {
		return broken("the room's URI cannot change") // P-RM-06
	}
	if !hasHub(j.staged.From(), j.staged.Next()) {
		return broken("external senders cannot change") // this slice; P-RS-05
	}
	if err := j.members(); err != nil {
		return err
	}
	if err := j.together(); err != nil {
		return err
	}
	if err := j.leaves(); err != nil {
		return err
	}
	return j.limits()
}

// external judges a device that joins by itself: of a user who takes part already (P-ND-02), or of one who comes in with it (P-ND-03).
func (j *judgement) external(user uri.User, leaf *wire.LeafNode) error {
	if j.before.Operational != nil && !j.before.Operational.ExternalCommits {
		return broken("nobody comes in by an external commit here") // R-OPR-04
	}
	if j.joiner {
		to := j.after.Role(user)
		if to == 0 {
			return broken("the committer is not a participant who may act")
		}
		actor := policy.Actor{Self: true, Match: j.before.Match(claimsOf(leaf))}
		return policy.Decide(&j.before.Policy, actor, policy.Move(0, to))
	}
	return j.decide(user, true, policy.Use(policy.CanAddOwnClient))
}

func hasHub(before, after *mls.PublicGroup) bool {
	a, _ := before.Context().Extensions.Find(wire.ExternalSendersExtension)
	b, ok := after.Context().Extensions.Find(wire.ExternalSendersExtension)
	return ok && bytes.Equal(a, b)
}

// members holds the leaves against the participant list: whoever comes in is in the list, and whoever left it or was banned has no
// leaf any more (P-UP-10, P-UP-11).
func (j *judgement) members() error {
	for _, added := range j.staged.Added() {
		user, err := UserOf(added.After)
		if err != nil {
			return err
		}
		if !j.after.MayHaveLeaves(user) {
			return broken("a client was added whose user is not a participant")
		}
	}
	if err := j.devices(); err != nil {
		return err
	}
	if sameList(j.staged.From(), j.staged.Next()) {
		return nil
	}
	out := make(map[uri.User]bool)
	for _, p := range j.before.Participants.Participants {
		user, err := uri.ParseUser(p.User)
		if err != nil {
			return broken("the participant list names something that is no user")
		}
		if j.before.MayHaveLeaves(user) && !j.after.MayHaveLeaves(user) {
			out[user] = true
		}
	}
	if len(out) > 0 && len(LeavesOf(j.staged.Next(), out)) > 0 {
		return broken("a participant was taken out and some of the participant's clients were not")
	}
	return nil
}

// devices lets nobody come in with a second device where the room allows one for each user (P-ND-04).
func (j *judgement) devices() error {
	if j.after.Base.MultiDevice {
		return nil
	}
	came := make(map[uri.User]bool)
	for _, added := range j.staged.Added() {
		user, err := UserOf(added.After)
		if err != nil {
			return err
		}
		came[user] = true
	}
	if j.staged.External() {
		_, leaf := j.staged.Committer()
		user, err := UserOf(leaf)
		if err != nil {
			return err
		}
		came[user] = true
	}
	if len(came) == 0 {
		return nil
	}
	for _, leaves := range LeavesOf(j.staged.Next(), came) {
		if len(leaves) > 1 {
			return broken("the room allows one device for each user")
		}
	}
	return nil
}

func sameList(before, after *mls.PublicGroup) bool {
	a, _ := before.Component(mimi.ParticipantListComponent)
	b, _ := after.Component(mimi.ParticipantListComponent)
	return bytes.Equal(a, b)
}

// limits applies the base policy to the result (P-UP-36).
func (j *judgement) limits() error {
	base := &j.after.Base
	users := uint32(0)
	for _, p := range j.after.Participants.Participants {
		if p.Role != policy.BannedRole {
			users++
		}
	}
	if base.MaxUsers != nil && users > *base.MaxUsers && len(j.after.Participants.Participants) > len(j.before.Participants.Participants) {
		return broken("the room has as many participants as it may have")
	}
	next := j.staged.Next().Members()
	if base.MaxClients != nil && uint32(next) > *base.MaxClients && next > j.staged.From().Members() {
		return broken("the room has as many clients as it may have")
	}
	return nil
}

// proposal judges one proposal by the one who made it.
func (j *judgement) proposal(p *mls.Proposed) error {
	actor, hub, err := j.proposer(p)
	if err != nil {
		return err
	}
	j.match = j.before.Match(claimsOf(j.leafOf(p)))
	if hub {
		return j.byHub(p)
	}
	if j.gone[actor] {
		return j.byLeaver(actor, p)
	}
	if !j.before.MayHaveLeaves(actor) && !j.joins(p) {
		return broken("the proposer is not a participant who may act")
	}
	switch p.Proposal.Type {
	case wire.AddProposal:
		return j.add(actor, p.Proposal)
	case wire.RemoveProposal:
		return j.remove(actor, p.Proposal.Remove)
	case wire.UpdateProposal, wire.ExternalInitProposal:
		return nil
	case wire.SelfRemoveProposal:
		if j.decide(actor, true, policy.Use(policy.CanRemoveOwnClient)) == nil {
			return nil // R-CAP-08: the user may stay
		}
		return j.decide(actor, true, policy.Use(policy.CanRemoveSelf))
	case wire.ReInitProposal:
		return j.reInit(actor, p.Proposal.ReInit)
	case wire.AppDataUpdateProposal:
		return j.component(actor, p.Proposal.AppDataUpdate)
	}
	return broken("this room does not use proposals of this type")
}

// proposer is the user who made a proposal; hub is true for the hub's own. A joiner by external commit is the committer.
func (j *judgement) proposer(p *mls.Proposed) (user uri.User, hub bool, err error) {
	switch p.Sender.Type {
	case wire.ExternalSenderType:
		return uri.User{}, true, nil
	case wire.NewMemberCommitSender:
		_, leaf := j.staged.Committer()
		user, err = UserOf(leaf)
		return user, false, err
	case wire.MemberSender:
		user, err = UserOf(p.SenderLeaf)
		return user, false, err
	}
	return uri.User{}, false, broken("outsiders cannot propose here")
}

// byHub is what the hub may propose as external sender: taking out whoever has left (P-LV-07, P-NT-20).
func (j *judgement) byHub(p *mls.Proposed) error {
	if j.before.Operational != nil && !j.before.Operational.ExternalProposals {
		return broken("the hub proposes nothing here") // R-OPR-04
	}
	switch p.Proposal.Type {
	case wire.RemoveProposal:
		return nil
	case wire.AppDataUpdateProposal:
		update, err := listUpdate(p.Proposal.AppDataUpdate)
		if err != nil || update == nil || len(update.Added) > 0 || len(update.Changed) > 0 {
			return broken("the hub may only take participants out")
		}
		return nil
	}
	return broken("the hub may only take participants out")
}

// byLeaver is what a user may still propose between leaving and the commit (P-UP-15).
func (j *judgement) byLeaver(actor uri.User, p *mls.Proposed) error {
	switch p.Proposal.Type {
	case wire.SelfRemoveProposal:
		return nil
	case wire.RemoveProposal:
		user, err := UserOf(j.staged.From().Leaf(mls.LeafIndex(p.Proposal.Remove)))
		if err == nil && user == actor {
			return nil
		}
	case wire.AppDataUpdateProposal:
		// The list removal of the leave itself, when a commit carries it.
		if j.staged.Kind() == wire.CommitContent && j.removesOnly(actor, p.Proposal.AppDataUpdate) {
			return nil
		}
	}
	return broken("who has left may only take own clients out")
}

func (j *judgement) removesOnly(actor uri.User, u *wire.AppDataUpdate) bool {
	update, err := listUpdate(u)
	if err != nil || update == nil || len(update.Added) > 0 || len(update.Changed) > 0 || len(update.Removed) != 1 {
		return false
	}
	own, found := j.before.Participants.Find(actor.String())
	return found && update.Removed[0] == own
}

func (j *judgement) decide(actor uri.User, self bool, action policy.Action) error {
	return policy.Decide(&j.before.Policy, policy.Actor{Role: j.before.Role(actor), Self: self, Match: j.match}, action)
}

// add judges a client that is added: an own one, or one of somebody who is a participant or becomes one.
func (j *judgement) add(actor uri.User, p *wire.Proposal) error {
	user, err := UserOf(&p.Add.Leaf)
	if err != nil {
		return err
	}
	if user == actor {
		return j.decide(actor, true, policy.Use(policy.CanAddOwnClient))
	}
	if j.before.Base.FixedMembership && j.before.MayHaveLeaves(user) {
		return nil // R-BAS-03: nobody can add people here, and their clients have to come in
	}
	return j.decide(actor, false, policy.Use(policy.CanAddParticipant))
}

// remove judges a client that is removed. Whose user stays a participant keeps its clients, but for those that the user removes.
func (j *judgement) remove(actor uri.User, leaf uint32) error {
	user, err := UserOf(j.staged.From().Leaf(mls.LeafIndex(leaf)))
	if err != nil {
		return err
	}
	if user == actor {
		return j.decide(actor, true, policy.Use(policy.CanRemoveOwnClient))
	}
	if j.staged.Kind() == wire.CommitContent && j.after.MayHaveLeaves(user) && !j.gone[user] {
		return j.decide(actor, false, policy.Use(policy.CanKick))
	}
	return j.decide(actor, false, policy.Use(policy.CanRemoveParticipant))
}

// component judges an update of the room's state.
func (j *judgement) component(actor uri.User, u *wire.AppDataUpdate) error {
	switch u.Component {
	case mimi.ParticipantListComponent:
		update, err := listUpdate(u)
		if err != nil {
			return err
		}
		return j.list(actor, update)
	case mimi.RoomMetadataComponent:
		return j.metadata(actor, u)
	}
	return j.policy(actor, u)
}

func listUpdate(u *wire.AppDataUpdate) (*mimi.ParticipantListUpdate, error) {
	if u.Component != mimi.ParticipantListComponent || u.Operation != wire.UpdateAppData {
		return nil, nil
	}
	update := new(mimi.ParticipantListUpdate)
	if err := syntax.Unmarshal(u.Update, update); err != nil {
		return nil, broken("an update of the participant list is malformed")
	}
	return update, nil
}

// list judges each action of a list update for itself; all must be allowed (P-PL-06).
func (j *judgement) list(actor uri.User, u *mimi.ParticipantListUpdate) error {
	if u == nil {
		return broken("the participant list cannot be removed")
	}
	for _, c := range u.Changed {
		if err := j.move(actor, c.User, func(from uint32) policy.Action { return policy.Move(from, c.Role) }); err != nil {
			return err
		}
		if _, known := j.before.Roles.Find(c.Role); !known || c.Role == 0 {
			return broken("the room has no such role") // P-PL-07
		}
	}
	for _, index := range u.Removed {
		if err := j.move(actor, index, func(from uint32) policy.Action { return policy.Move(from, 0) }); err != nil {
			return err
		}
	}
	for _, added := range u.Added {
		if _, known := j.before.Roles.Find(added.Role); !known || added.Role == 0 {
			return broken("the room has no such role")
		}
		if err := j.decide(actor, uri.Equal(added.User, actor.String()), policy.Move(0, added.Role)); err != nil {
			return err
		}
	}
	return nil
}

// move judges a change of the role of the participant with an index in the list before the commit.
func (j *judgement) move(actor uri.User, index uint32, action func(from uint32) policy.Action) error {
	list := j.before.Participants.Participants
	if uint64(index) >= uint64(len(list)) {
		return broken("an index is outside of the participant list") // P-PL-04
	}
	return j.decide(actor, uri.Equal(list[index].User, actor.String()), action(list[index].Role))
}

// metadata judges each field that changes (P-RM-05).
func (j *judgement) metadata(actor uri.User, u *wire.AppDataUpdate) error {
	var next mimi.RoomMetadata
	if u.Operation != wire.UpdateAppData || syntax.Unmarshal(u.Update, &next) != nil {
		return broken("an update of the room's metadata is malformed")
	}
	old := &j.before.Metadata
	if !uri.Equal(next.Room, old.Room) {
		return broken("the room's URI cannot change")
	}
	fields := []struct {
		changed bool
		need    policy.Capability
	}{
		{next.Name != old.Name, policy.CanChangeRoomName},
		{!sameDescriptions(next.Descriptions, old.Descriptions), policy.CanChangeRoomDescription},
		{next.Avatar != old.Avatar, policy.CanChangeRoomAvatar},
		{next.Subject != old.Subject, policy.CanChangeRoomSubject},
		{next.Mood != old.Mood, policy.CanChangeRoomMood},
	}
	for _, f := range fields {
		if !f.changed {
			continue
		}
		if err := j.decide(actor, false, policy.Use(f.need)); err != nil {
			return err
		}
	}
	return nil
}

func sameDescriptions(a, b []mimi.RoomDescription) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}
