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
	"parley/room"
	"parley/syntax"
	"parley/uri"
)

// conflictRetries is how often an update is staged again because another one was faster. The loser of a race normally learns at its
// second staging that the epoch has moved.
const conflictRetries = 8

// Update takes a commit or a bundle of proposals for a room (§5.3).
//
// Transactions: a snapshot for the answer of an earlier identical request and the room; then, after staging and judging outside, one
// write that compares the version and holds state, log, lanes, head and answer. A crash between them leaves nothing. The error is an
// *mimi.Error; a verdict is in the answer.
func (h *Hub) Update(ctx context.Context, caller uri.Provider, at uri.Room, r *mimi.UpdateRequest) (*mimi.UpdateRoomResponse, error) {
	key, err := requestHash("update", caller, at, r)
	if err != nil {
		return nil, err
	}
	for range conflictRetries {
		answer, err := h.tryUpdate(ctx, caller, at, r, key)
		if errors.Is(err, ErrConflict) {
			continue
		}
		return answer, storeError(err)
	}
	return nil, &mimi.Error{Code: mimi.Unavailable, Detail: "the room is busy", RetryAfter: time.Second, Err: ErrConflict}
}

func (h *Hub) tryUpdate(ctx context.Context, caller uri.Provider, at uri.Room, r *mimi.UpdateRequest, key [32]byte) (*mimi.UpdateRoomResponse, error) {
	answer, err := stored[mimi.UpdateRoomResponse](ctx, h.cfg.Store, key)
	if err != nil || answer != nil {
		return answer, err
	}
	var admitted admissions
	s, err := h.load(ctx, at, func(tx Tx) (err error) {
		if comesIn(r) {
			admitted, err = readAdmissions(tx, at)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	s.admissions = admitted
	change, refusal := h.stage(s, caller, r)
	if refusal != nil {
		// The same request may have been accepted between the two reads: then the room is against it because of it.
		if answer, err = stored[mimi.UpdateRoomResponse](ctx, h.cfg.Store, key); err != nil || answer != nil {
			return answer, err
		}
		if s.hides(caller) {
			return nil, errNoRoom // P-UP-34
		}
		return refusal, nil
	}
	written := false
	err = h.cfg.Store.Update(ctx, func(tx Tx) error {
		written = false
		if answer, err = storedIn[mimi.UpdateRoomResponse](tx, key); err != nil || answer != nil {
			return err
		}
		answer, err = h.write(tx, at, s, change, key)
		written = answer != nil && answer.Code == mimi.UpdateSuccess
		return err
	})
	if err != nil {
		return nil, err
	}
	if !written {
		return answer, nil
	}
	h.rooms.put(at, s.head.Version+1, change.group)
	h.wake()
	if left := change.left(s); len(left) > 0 {
		if err := h.expelBelow(ctx, at, left); err != nil {
			return answer, err
		}
	}
	return answer, nil
}

// change is a staged and judged update.
type change struct {
	group        *mls.PublicGroup
	records      mls.Delta
	people       map[string]*person
	destinations []string // of what comes after it
	items        []pendingItem
	commit       bool
	refs         [][]byte // proposals whose acceptance time is kept
	links        []string // keys of join links that are new
	parent       uri.Room // on which the room depends; zero: none
}

// pendingItem is a log entry that has no timestamp yet.
type pendingItem struct {
	message      mimi.FanoutMessage
	destinations []string
}

// grace is how much later than judged an update may be stamped: receivers judge lifetimes at its timestamp (design decision 7a), and
// messages that were accepted in the meantime move the room's clock on.
const grace = time.Second

// write stores an accepted change if the room is as it was staged on. It touches as many rows as the update changes.
func (h *Hub) write(tx Tx, at uri.Room, s *snapshot, c *change, key [32]byte) (*mimi.UpdateRoomResponse, error) {
	head, ok, err := tx.Head(at)
	if err != nil {
		return nil, err
	}
	if !ok || head.Version != s.head.Version && !planted("ignores the version") {
		return nil, ErrConflict
	}
	answer := &mimi.UpdateRoomResponse{Code: mimi.UpdateSuccess, AcceptedAt: tick(&head, s.now)}
	if answer.AcceptedAt > uint64(s.now.Add(grace).UnixMilli()) {
		return nil, ErrConflict
	}
	if refusal, err := c.within(tx, s); err != nil || refusal != nil {
		return refusal, err
	}
	if c.commit {
		head.GroupID, head.Epoch, head.EpochAt = c.group.GroupID(), c.group.Epoch(), answer.AcceptedAt
	}
	records := slices.Clone(c.records)
	for _, ref := range c.refs {
		if err := timeRecord(&records, ref, answer.AcceptedAt); err != nil {
			return nil, err
		}
	}
	for _, link := range c.links {
		octets, err := syntax.Marshal(&stamp{answer.AcceptedAt})
		if err != nil {
			return nil, err
		}
		records.Put(link, octets)
	}
	if err := tx.PutRecords(at, records); err != nil {
		return nil, err
	}
	for i := range c.items {
		item := c.items[i].message
		item.Timestamp = answer.AcceptedAt
		if err := appendItem(tx, at, &head, &item, c.items[i].destinations); err != nil {
			return nil, err
		}
	}
	old := head.Version
	head.Version++
	head.Destinations = c.destinations
	if err := tx.SaveHead(at, old, head); err != nil {
		return nil, err
	}
	return answer, saveAnswer(tx, key, answer, s.now)
}

// Verdicts.
func notAllowed(description string) *mimi.UpdateRoomResponse {
	return &mimi.UpdateRoomResponse{Code: mimi.UpdateNotAllowed, Description: clip(description)}
}

func wrongEpoch(current uint64) *mimi.UpdateRoomResponse {
	return &mimi.UpdateRoomResponse{Code: mimi.UpdateWrongEpoch, CurrentEpoch: current}
}

// maxDescription bounds errorDescription (P-UP-35).
const maxDescription = 1024

func clip(s string) string {
	if len(s) > maxDescription {
		return s[:maxDescription]
	}
	return s
}

// onlyPublic is the reason for which SemiPrivateMessages are refused, too: nothing that is agreed says how a hub gets its key.
const onlyPublic = "handshakes are PublicMessages here; SemiPrivateMessages are not served"

// stage judges an update on a snapshot. Exactly one result is not nil.
func (h *Hub) stage(s *snapshot, caller uri.Provider, r *mimi.UpdateRequest) (*change, *mimi.UpdateRoomResponse) {
	public := r.Message.Public
	if public == nil || public.Content.Type == wire.ApplicationContent {
		return nil, notAllowed(onlyPublic) // P-UP-02, P-UP-03
	}
	switch {
	case bytes.Equal(public.Content.GroupID, s.head.GroupID):
	case announced(s.group, &public.Content):
		return h.stageSuccessor(s, caller, r)
	case s.before != nil && bytes.Equal(public.Content.GroupID, s.before.GroupID):
		return nil, wrongEpoch(s.before.Epoch)
	default:
		return nil, notAllowed("the message is of another group")
	}
	if public.Content.Epoch != s.head.Epoch {
		return nil, wrongEpoch(s.head.Epoch) // P-UP-05
	}
	if !r.IsCommit() {
		return h.stageProposals(s, caller, r)
	}
	return h.stageCommit(s, caller, r)
}

// senderProvider is the domain that may hand in a message: that of whoever signed it (P-UP-27).
func senderProvider(g *mls.PublicGroup, content *wire.FramedContent) (uri.Provider, error) {
	switch content.Sender.Type {
	case wire.MemberSender:
		if leaf := g.Leaf(mls.LeafIndex(content.Sender.Index)); leaf != nil {
			return providerOf(leaf)
		}
	case wire.ExternalSenderType:
		if senders := g.ExternalSenders(); uint64(content.Sender.Index) < uint64(len(senders)) {
			return credential.ParseSender(senders[content.Sender.Index].Credential)
		}
	case wire.NewMemberCommitSender:
		if content.Commit != nil && content.Commit.Path != nil {
			return providerOf(&content.Commit.Path.Leaf)
		}
	}
	return uri.Provider{}, errors.New("hub: the sender cannot be found")
}

func checkCaller(g *mls.PublicGroup, caller uri.Provider, m *wire.Message) *mimi.UpdateRoomResponse {
	provider, err := senderProvider(g, &m.Public.Content)
	if err != nil || provider != caller {
		return notAllowed("the sender is not a client of the provider that handed it in")
	}
	return nil
}

// stageProposals takes a bundle whole or not at all (P-UP-09).
func (h *Hub) stageProposals(s *snapshot, caller uri.Provider, r *mimi.UpdateRequest) (*change, *mimi.UpdateRoomResponse) {
	gone := goneUsers(s.people)
	c := &change{group: s.group}
	leaving := make(map[uri.User]bool)
	for _, m := range append([]wire.Message{r.Message}, r.MoreProposals...) {
		if m.Public == nil || m.Public.Content.Type != wire.ProposalContent {
			return nil, notAllowed("a bundle holds proposals only")
		}
		if m.Public.Content.Epoch != s.head.Epoch {
			return nil, wrongEpoch(s.head.Epoch)
		}
		if refusal := checkCaller(c.group, caller, &m); refusal != nil {
			return nil, refusal
		}
		staged, err := c.group.Process(&m, s.now)
		if err != nil {
			return nil, badProposal(c.group, &m, err)
		}
		if err := room.Judge(staged, gone); err != nil {
			return nil, notAllowed(err.Error())
		}
		if !h.lasts(staged, s.now.Add(grace)) {
			return nil, notAllowed(expiresNow)
		}
		c.records = append(c.records, under(keyGroup, staged.Delta())...)
		c.refs = append(c.refs, staged.Proposals()[0].Ref)
		c.group = staged.Next()
		if err := leaver(staged, leaving); err != nil {
			return nil, notAllowed(err.Error())
		}
	}
	return h.acceptProposals(s, r, c, leaving)
}

// leaver notes who takes the own user out of the list: of list updates, room.Judge lets only these wait.
func leaver(staged *mls.Staged, leaving map[uri.User]bool) error {
	u := staged.Proposals()[0].Proposal.AppDataUpdate
	if u == nil || u.Component != mimi.ParticipantListComponent {
		return nil
	}
	user, err := room.UserOf(staged.SenderLeaf())
	if err != nil {
		return err
	}
	leaving[user] = true
	return nil
}

const expiresNow = "a credential or KeyPackage ends now"

// lasts reports whether the leaves that a handshake brings will be valid at a time, too.
func (h *Hub) lasts(staged *mls.Staged, at time.Time) bool {
	var leaves []*wire.LeafNode
	for _, change := range slices.Concat(staged.Added(), staged.Updated()) {
		leaves = append(leaves, change.After)
	}
	if staged.HasPath() {
		_, leaf := staged.Committer()
		leaves = append(leaves, leaf)
	}
	if staged.Kind() == wire.ProposalContent && staged.Proposals()[0].Proposal.Update != nil {
		leaves = append(leaves, staged.Proposals()[0].Proposal.Update)
	}
	for _, leaf := range leaves {
		if leaf.Source == wire.KeyPackageSource && uint64(at.Unix()) > leaf.Lifetime.NotAfter {
			return false
		}
		check := mls.LeafCheck{Use: mls.UseKeyPackage, Leaf: leaf, Now: at}
		if h.cfg.MLS.ValidateLeaf != nil && h.cfg.MLS.ValidateLeaf(check) != nil {
			return false
		}
	}
	return true
}

// acceptProposals makes the change of an accepted bundle. A leave takes all of the user's clients along (P-LV-01) and takes effect at
// once (P-RS-01).
func (h *Hub) acceptProposals(s *snapshot, r *mimi.UpdateRequest, c *change, leaving map[uri.User]bool) (*change, *mimi.UpdateRoomResponse) {
	if len(leaving) > 0 {
		for _, leaves := range room.LeavesOf(c.group, leaving) {
			for _, leaf := range leaves {
				if !removalWaits(c.group, leaf) {
					return nil, notAllowed("a leave takes all clients of the user along")
				}
			}
		}
	}
	c.people = make(map[string]*person, len(s.people))
	for key, p := range s.people {
		next := *p
		if user, err := uri.ParseUser(key); err == nil && leaving[user] {
			next.Gone = true
		}
		c.people[key] = &next
	}
	d, err := difference(s.people, c.people)
	if err != nil {
		return nil, notAllowed("the room's state cannot be kept")
	}
	c.records = append(c.records, d...)
	c.destinations = destinations(c.people, false)
	c.items = []pendingItem{{
		message:      mimi.FanoutMessage{Message: r.Message, MoreProposals: r.MoreProposals},
		destinations: destinations(s.people, true),
	}}
	return c, nil
}

func removalWaits(g *mls.PublicGroup, leaf mls.LeafIndex) bool {
	for _, p := range g.Pending() {
		if p.Proposal.Type == wire.RemoveProposal && p.Proposal.Remove == uint32(leaf) ||
			p.Proposal.Type == wire.SelfRemoveProposal && p.Sender.Index == uint32(leaf) {
			return true
		}
	}
	return false
}

// badProposal names the proposal that is no good (P-UP-08).
func badProposal(g *mls.PublicGroup, m *wire.Message, err error) *mimi.UpdateRoomResponse {
	var rule *mls.Error
	if !errors.As(err, &rule) || !aboutProposals[rule.Rule] {
		return notAllowed(describe(err))
	}
	answer := &mimi.UpdateRoomResponse{Code: mimi.UpdateInvalidProposal, Description: describe(err)}
	content := &wire.AuthenticatedContent{Format: m.Format, Content: m.Public.Content, Auth: m.Public.Auth}
	if ref, err := g.Suite().ProposalRef(content); err == nil {
		answer.InvalidProposals = [][]byte{ref}
	}
	return answer
}

func describe(err error) string {
	var rule *mls.Error
	if errors.As(err, &rule) {
		return clip(rule.Rule)
	}
	return "the message is not valid"
}

// aboutProposals are the engine's rules that a proposal breaks, as opposed to the message around it.
var aboutProposals = rules( // constant
	mls.RuleProposalUnknown, mls.RuleProposalSender, mls.RuleUpdateInline, mls.RuleUpdateOwn, mls.RuleRemoveCommitter,
	mls.RuleRemoveBlank, mls.RuleLeafTwice, mls.RuleAddTwice, mls.RulePSKTwice, mls.RulePSKForm, mls.RuleExtensionsTwice,
	mls.RuleExtensionsSupport, mls.RuleReInitAlone, mls.RuleReInitVersion, mls.RuleExternalInit, mls.RuleExternalCommit, mls.RuleResync,
	mls.RuleDictionaryLocked, mls.RuleDictionary, mls.RuleComponentUnknown, mls.RuleComponentAbsent, mls.RuleComponentMixed,
	mls.RuleComponentRefused, mls.RuleSelfRemoveForm, mls.RuleSelfRemoveSupport, mls.RuleSelfRemoveTwice, mls.RuleKeyReuse,
	mls.RuleLeafSource, mls.RuleLeafSignature, mls.RuleLeafLifetime, mls.RuleLeafCapabilities, mls.RuleLeafCredential,
	mls.RuleCredentialType, mls.RuleComponents, mls.RuleKeyPackage,
)

func rules(list ...string) map[string]bool {
	out := make(map[string]bool, len(list))
	for _, r := range list {
		out[r] = true
	}
	return out
}

// stageCommit judges a commit with everything that comes with it.
func (h *Hub) stageCommit(s *snapshot, caller uri.Provider, r *mimi.UpdateRequest) (*change, *mimi.UpdateRoomResponse) {
	if refusal := checkCaller(s.group, caller, &r.Message); refusal != nil {
		return nil, refusal
	}
	staged, err := s.group.Process(&r.Message, s.now)
	if err != nil {
		var rule *mls.Error
		if errors.As(err, &rule) && aboutProposals[rule.Rule] {
			return nil, &mimi.UpdateRoomResponse{Code: mimi.UpdateInvalidProposal, Description: describe(err)}
		}
		return nil, notAllowed(describe(err))
	}
	if !room.CommitsPending(staged) {
		return nil, notAllowed(mimi.ReasonPendingProposals + ": the commit leaves out what the hub has accepted") // P-LV-03
	}
	if err := room.Judge(staged, goneUsers(s.people)); err != nil {
		return nil, notAllowed(err.Error())
	}
	if !h.lasts(staged, s.now.Add(grace)) {
		return nil, notAllowed(expiresNow)
	}
	if err := s.mayComeIn(staged); err != nil {
		return nil, notAllowed(err.Error())
	}
	if refusal := h.checkReInit(staged); refusal != nil {
		return nil, refusal
	}
	welcomes, refusal := checkWelcome(s, staged, r)
	if refusal != nil {
		return nil, refusal
	}
	info, refusal := checkBundle(staged, r)
	if refusal != nil {
		return nil, refusal
	}
	return h.acceptCommit(s, staged, r, info, welcomes)
}

// checkWelcome holds the Welcome against the added KeyPackages and against what was claimed for this room (P-UP-23, P-KM-26, P-KM-27),
// and returns the providers to which it goes.
func checkWelcome(s *snapshot, staged *mls.Staged, r *mimi.UpdateRequest) ([]string, *mimi.UpdateRoomResponse) {
	unroutable := notAllowed(mimi.ReasonUnroutableWelcome + ": the Welcome does not fit the KeyPackages that were added")
	added := staged.Added()
	if r.Welcome == nil {
		if len(added) > 0 {
			return nil, unroutable
		}
		return nil, nil
	}
	if len(added) == 0 || len(r.Welcome.Secrets) != len(added) {
		return nil, unroutable
	}
	set := make(map[string]bool)
	for _, change := range added {
		claim, claimed := s.claims[hex.EncodeToString(change.KeyPackageRef)]
		named := slices.ContainsFunc(r.Welcome.Secrets, func(e wire.EncryptedGroupSecrets) bool {
			return bytes.Equal(e.NewMember, change.KeyPackageRef)
		})
		if !claimed || !named {
			return nil, unroutable
		}
		set[claim.Domain] = true
	}
	return sortedKeys(set), nil
}

// checkBundle checks GroupInfo and tree of the next epoch and returns the whole GroupInfo (P-UP-16 to P-UP-22).
func checkBundle(staged *mls.Staged, r *mimi.UpdateRequest) (*wire.GroupInfo, *mimi.UpdateRoomResponse) {
	committer, _ := staged.Committer()
	next := staged.Next()
	bad := notAllowed(mimi.ReasonBadGroupInfo + ": the GroupInfo does not describe the room after the commit")
	var info *wire.GroupInfo
	var err error
	switch {
	case r.GroupInfo.Form == mimi.FullGroupInfo && r.GroupInfo.Full != nil:
		info = r.GroupInfo.Full
		err = next.CheckGroupInfo(info, committer)
	case r.GroupInfo.Form == mimi.PartialGroupInfo && r.GroupInfo.Partial != nil:
		info, err = next.CompleteGroupInfo(r.GroupInfo.Partial, committer)
	default:
		return nil, bad
	}
	if err != nil {
		return nil, bad
	}
	switch r.Tree.Representation {
	case wire.TreeFromDeliveryService:
		return info, nil
	case wire.FullTree:
		tree := next.Tree()
		want, err := syntax.Marshal(&tree)
		if err != nil {
			return nil, bad
		}
		got, err := syntax.Marshal(&r.Tree.Tree)
		if err == nil && bytes.Equal(want, got) {
			return info, nil
		}
	}
	return nil, notAllowed("the ratchet tree is not given in a form this hub takes, or is another one")
}

// acceptCommit makes the change of an accepted commit.
func (h *Hub) acceptCommit(s *snapshot, staged *mls.Staged, r *mimi.UpdateRequest, info *wire.GroupInfo, welcomes []string) (*change, *mimi.UpdateRoomResponse) {
	fail := func() (*change, *mimi.UpdateRoomResponse) { return nil, notAllowed("the room's state cannot be kept") }
	c := &change{group: staged.Next(), commit: true, records: under(keyGroup, staged.Delta())}
	state, err := room.Read(c.group)
	if err != nil {
		return fail()
	}
	if c.people, err = nextPeople(s.people, staged, state); err != nil {
		return fail()
	}
	if c.parent, err = parentOf(state); err != nil {
		return fail()
	}
	if c.group.Frozen() {
		closed(c.people)
	}
	octets, err := syntax.Marshal(info)
	if err != nil {
		return fail()
	}
	c.records.Put(keyInfo, octets)
	for _, change := range staged.Added() {
		c.records.Delete(keyClaim + hex.EncodeToString(change.KeyPackageRef))
	}
	for _, ref := range slices.Sorted(maps.Keys(s.times)) {
		c.records.Delete(keyTimes + ref)
	}
	if err := c.keepLinks(s, staged, state); err != nil {
		return fail()
	}
	reissued, err := h.reissue(c, state, s.now)
	if err != nil {
		return fail()
	}
	d, err := difference(s.people, c.people)
	if err != nil {
		return fail()
	}
	c.records = append(c.records, d...)
	c.destinations = destinations(c.people, false)
	c.items = append(c.items, pendingItem{
		message:      mimi.FanoutMessage{Message: r.Message, ExternalProposals: reissued},
		destinations: union(destinations(s.people, true), destinations(c.people, true)),
	})
	if r.Welcome != nil {
		tree := wire.RatchetTreeOption{Representation: wire.FullTree, Tree: staged.Next().Tree()}
		c.items = append(c.items, pendingItem{
			message: mimi.FanoutMessage{Tree: tree, Message: wire.Message{
				Version: wire.MLS10, Format: wire.WelcomeFormat, Welcome: r.Welcome}},
			destinations: welcomes,
		})
	}
	return c, nil
}

// reissue proposes again, for the new epoch and as external sender, what an external commit has left over of accepted leaves
// (P-LV-07, P-NT-20). The proposals are staged into the change.
func (h *Hub) reissue(c *change, state *room.State, now time.Time) ([]wire.Message, error) {
	gone := goneUsers(c.people)
	if len(gone) == 0 || state.Operational != nil && !state.Operational.ExternalProposals {
		return nil, nil
	}
	var proposals []wire.Proposal
	var indices []uint32
	for i, p := range state.Participants.Participants {
		if user, err := uri.ParseUser(p.User); err == nil && gone[user] {
			indices = append(indices, uint32(i))
		}
	}
	leaves := room.LeavesOf(c.group, gone)
	for _, list := range leaves {
		for _, leaf := range list {
			proposals = append(proposals, wire.Proposal{Type: wire.RemoveProposal, Remove: uint32(leaf)})
		}
	}
	slices.SortFunc(proposals, func(a, b wire.Proposal) int { return int(int64(a.Remove) - int64(b.Remove)) })
	list, err := room.RemoveFromList(indices...)
	if err != nil {
		return nil, err
	}
	return h.propose(c, append(proposals, list), now)
}

// propose signs proposals as the group's external sender and takes them in.
func (h *Hub) propose(c *change, proposals []wire.Proposal, now time.Time) ([]wire.Message, error) {
	index, key, err := h.keyOf(c.group)
	if err != nil {
		return nil, err
	}
	aad, err := room.EmptyAAD(c.group.Context())
	if err != nil {
		return nil, err
	}
	var out []wire.Message
	for _, p := range proposals {
		m, err := c.group.ProposeExternal(index, key.Signer, p, aad)
		if err != nil {
			return nil, err
		}
		staged, err := c.group.Process(m, now)
		if err != nil {
			return nil, err
		}
		c.records = append(c.records, under(keyGroup, staged.Delta())...)
		c.refs = append(c.refs, staged.Proposals()[0].Ref)
		c.group = staged.Next()
		out = append(out, *m)
	}
	return out, nil
}
