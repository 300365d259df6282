package client

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sort"
	"time"

	"parley/content"
	"parley/content/timeline"
	"parley/credential"
	"parley/mimi"
	"parley/mls"
	"parley/mls/wire"
	"parley/room"
	"parley/syntax"
	"parley/uri"
)

// Receive takes what the inbox holds, waiting up to wait for the first event, and returns how many events it worked off. Each
// event changes keys, timeline and cursor in one write set, so that a crash anywhere repeats it whole or not at all.
func (c *Client) Receive(ctx context.Context, wait time.Duration) (int, error) {
	if c.broken != nil {
		return 0, c.broken
	}
	events, err := c.cfg.Provider.Events(ctx, c.cursor, wait)
	if err != nil {
		return 0, err
	}
	for n, e := range events {
		if err := c.Handle(ctx, e); err != nil {
			return n, err
		}
	}
	if len(events) == 0 {
		return 0, nil
	}
	return len(events), c.cfg.Provider.Ack(ctx, c.cursor)
}

// Cursor is the place up to which the inbox is worked off and stored.
func (c *Client) Cursor() Cursor { return c.cursor }

// Handle works one event off. Streams call it in the order of cursors; one that was handled before does nothing. ErrAuthorities means
// that nothing was done: the caller gets what is missing and calls again, or gives up with HandleAnyway. Any other error is that of
// the store: whatever others sent ends as a timeline entry, at worst as a gap.
func (c *Client) Handle(ctx context.Context, e Event) error { return c.handle(ctx, e, true) }

// HandleAnyway is Handle with the authorities that there are: a change of a room that cannot be verified becomes a gap.
func (c *Client) HandleAnyway(ctx context.Context, e Event) error { return c.handle(ctx, e, false) }

func (c *Client) handle(ctx context.Context, e Event, patient bool) error {
	if c.broken != nil {
		return c.broken
	}
	if e.Cursor <= c.cursor {
		return nil
	}
	step := &step{client: c, event: e, patient: patient, now: time.UnixMilli(int64(e.Timestamp))}
	if e.Consent {
		step.news()
		return step.finish(ctx)
	}
	var item mimi.FanoutMessage
	if err := syntax.Unmarshal(e.Body, &item); err != nil {
		step.gap("not a message")
	} else if err := step.item(ctx, &item); err != nil {
		return err
	}
	return step.finish(ctx)
}

// step is the working off of one event.
type step struct {
	client *Client
	event  Event
	now    time.Time // the hub's acceptance time, at which lifetimes are judged (design decision 7a)
	// patient leaves the event when an authority is missing that would tell whether it is valid.
	patient bool
	delta   mls.Delta
	room    *Room
	// closed says that the event was a ReInit, closedHere that it was this device's own.
	closed, closedHere bool
	ended              []*Intent // intents whose echo this was
	readTo             uint64    // another device has read the room's log up to there; 0: no news
	used               string    // reference of the KeyPackage that a Welcome used up
	err                error     // a failure to encode a record
}

// finish writes everything that the event changed.
func (s *step) finish(ctx context.Context) error {
	c := s.client
	for _, i := range s.ended {
		rec, err := i.record()
		s.keep(err)
		s.delta = append(s.delta, rec)
	}
	if s.room != nil {
		s.keep(s.room.header(&s.delta))
		if s.room.talk.changed {
			rec, err := s.room.talkRecord()
			s.keep(err)
			s.delta, s.room.talk.changed = append(s.delta, rec), false
		}
	}
	s.delta.Put(keyCursor, binary.BigEndian.AppendUint64(nil, uint64(s.event.Cursor)))
	if s.err != nil {
		c.broken = s.err
		return s.err
	}
	if err := c.commit(ctx, s.delta); err != nil {
		return err
	}
	c.cursor = s.event.Cursor
	delete(c.stock, s.used)
	for _, i := range s.ended {
		if i.Fate == Done {
			c.drop(i)
		}
	}
	if s.room != nil && s.readTo > s.room.talk.ReadTo {
		if err := c.moveRead(ctx, s.room, s.readTo, nil); err != nil {
			return err
		}
	}
	return s.after(ctx)
}

// after asks for the commit of proposals that now wait. Members take turns by their place in the tree, so that normally one
// commits and the others find it done.
func (s *step) after(ctx context.Context) error {
	r := s.room
	if r != nil && s.closed {
		wait := time.Duration(0)
		if !s.closedHere {
			wait = succeedTurn * time.Duration(1+s.client.turnOf(r))
		}
		return s.client.succeedPending(ctx, r, wait)
	}
	if r == nil || !r.Active() || !s.client.mustCommitFirst(r) {
		return nil
	}
	return s.client.commitPending(ctx, r, turn*time.Duration(s.client.turnOf(r)))
}

// turn is the time that a member leaves to each member before it.
const turn = 400 * time.Millisecond

func (c *Client) turnOf(r *Room) int {
	n := 0
	for i := range r.group.Public().All() {
		if i >= r.ownLeaf() {
			break
		}
		n++
	}
	return min(n, 50)
}

func (s *step) keep(err error) {
	if s.err == nil {
		s.err = err
	}
}

// add puts an entry into the room's timeline.
func (s *step) add(e Entry) {
	if s.room == nil {
		return
	}
	e.Time = s.event.Timestamp
	if e.Epoch == 0 {
		e.Epoch = s.room.Epoch()
	}
	s.keep(s.room.add(&s.delta, e))
}

func (s *step) gap(reason string) {
	if s.room == nil {
		s.room = s.client.rooms[s.event.Room]
	}
	s.add(Entry{Kind: EntryGap, Reason: reason})
}

// item works off one fan-out item.
func (s *step) item(ctx context.Context, item *mimi.FanoutMessage) error {
	s.room = s.client.rooms[s.event.Room]
	if item.Message.Welcome != nil {
		before := s.room != nil && s.room.Active()
		err := s.welcome(ctx, item)
		if err == nil && !before {
			s.strange()
		}
		return err
	}
	if s.room == nil || s.room.group == nil {
		return nil // the device is out of the room, or has not joined yet
	}
	switch {
	case item.Message.Private != nil && item.Message.Private.Type == wire.ApplicationContent:
		s.application(ctx, item)
	case item.Message.ContentType() == wire.ProposalContent:
		s.proposals(append([]wire.Message{item.Message}, item.MoreProposals...))
	case s.room.announces(&item.Message):
		s.successor(&item.Message)
	case item.Message.ContentType() == wire.CommitContent:
		if err := s.commit(&item.Message); err != nil {
			return err
		}
		s.proposals(item.ExternalProposals)
	default:
		s.gap("not a message that a room has")
	}
	return nil
}

// echoOf finds the intent whose request came back.
func (s *step) echoOf(m *wire.Message) *Intent {
	sum, err := sumOf(m)
	if err != nil {
		return nil
	}
	for _, i := range s.client.intents {
		if i.Fate != Failed && i.Sum != nil && bytes.Equal(i.Sum, sum) {
			return i
		}
	}
	return nil
}

// echoed ends an intent: its request stands in the room's order.
func (s *step) echoed(i *Intent) {
	i.Fate, i.Reason = Done, ""
	s.ended = append(s.ended, i)
}

// application opens a message, or recognises an own one.
func (s *step) application(ctx context.Context, item *mimi.FanoutMessage) {
	m := &item.Message
	if own := s.echoOf(m); own != nil {
		s.ownMessage(ctx, item, own)
		return
	}
	if s.room.joining {
		return // sent before this device is a member
	}
	received, changes, err := s.room.group.Open(m.Private)
	if err != nil {
		s.gap(readable(err))
		return
	}
	s.room.mlsDelta(&s.delta, changes)
	id, err := credential.Parse(received.Leaf.Credential)
	if err != nil {
		s.gap("the sender's credential cannot be read")
		return
	}
	e := Entry{Kind: EntryMessage, Epoch: received.Epoch, User: userText(id.User), Client: id.Client.String(), Leaf: uint32(received.Index)}
	s.content(ctx, &e, &arrival{item: item, leaf: received.Index, epoch: received.Epoch, generation: received.Generation}, received.Data,
		timeline.Event{Sender: id.User, Client: id.Client})
}

// ownMessage puts an own message into its place of the room's order. Its key was used up by sending it.
func (s *step) ownMessage(ctx context.Context, item *mimi.FanoutMessage, i *Intent) {
	self, epoch := s.client.self, item.Message.Private.Epoch
	e := Entry{Kind: EntryMessage, Epoch: epoch, User: self.User.String(), Client: self.Client.String(), Leaf: uint32(s.room.ownLeaf()), Own: true}
	s.content(ctx, &e, &arrival{item: item, own: true, leaf: s.room.ownLeaf(), epoch: epoch}, wrap(s.room.group.Public(), i.Content),
		timeline.Event{Sender: self.User, Client: self.Client})
	s.echoed(i)
}

// content takes application data into the room's log and shows what it does to the conversation. Whose and of which room it is, the
// content and MLS must agree on, or it is discarded (P-FR-17, C-EXT-09).
func (s *step) content(ctx context.Context, e *Entry, a *arrival, data []byte, from timeline.Event) {
	kind, encoded, err := mediaOf(s.room.group.Public(), data)
	if err != nil {
		s.discard(e, "the message's content is malformed")
		return
	}
	if kind == content.StatusMediaType {
		s.report(ctx, e, encoded, from.Sender)
		return
	}
	message, err := content.Decode(encoded)
	switch {
	case kind != content.MediaType:
		s.discard(e, "a message of a kind that this client does not know")
		return
	case err != nil:
		s.discard(e, "the message's content is malformed")
		return
	}
	if err := s.client.openFor(ctx, s.room, &message); err != nil {
		s.keep(err)
		return
	}
	t := &s.room.talk
	from.Encoded, from.Accepted, from.Leaf, from.Rights = encoded, s.event.Timestamp, e.Leaf, t.rights[from.Sender]
	change, err := t.view.Receive(from, s.client.cfg.Now())
	if errors.Is(err, content.ErrFuture) {
		// It may as well be this device's clock that is wrong, and then every message would be lost: shown, with a remark (A-C15).
		e.Reason = "its time is ahead of this device's clock"
		change, err = t.view.Add(from)
	}
	if err != nil {
		s.discard(e, "discarded: "+err.Error())
		return
	}
	e.MessageID, e.Content, e.Text, e.Rights = change.ID[:], encoded, s.client.cfg.Receiver.Text(message), uint16(from.Rights)
	e.Seq = s.room.entries
	e.Franked = s.franked(a, data, encoded, &message)
	s.effects(e, &change)
	s.room.index(&s.delta, e, &message)
	t.seqs[change.ID] = e.Seq
	s.erase(ctx, e, change.Erase)
	s.received(e, &message)
	s.add(*e)
}

// effects notes what a message does.
func (s *step) effects(e *Entry, change *timeline.Change) {
	root := func(n int) []byte { return change.Roots[n][:] }
	switch change.Kind {
	case timeline.KindEdit:
		e.Act, e.About = ActEdit, root(0)
	case timeline.KindDeletion:
		e.Act, e.About = ActDelete, root(0)
	case timeline.KindReaction:
		e.Act = ActReact
		if len(change.Roots) > 1 {
			e.About = root(1)
		}
	case timeline.KindReport:
		e.Act = ActReport
	}
	if change.Refused != nil {
		e.Refused = change.Refused.Error()
	}
}

// erase removes content from the log: of this entry, or of earlier ones.
func (s *step) erase(ctx context.Context, e *Entry, list []timeline.Erasure) {
	for _, x := range list {
		if bytes.Equal(x.ID[:], e.MessageID) {
			e.erase()
			continue
		}
		s.keep(s.client.erase(ctx, s.room, &s.delta, x.ID))
	}
}

// discard puts a gap in the place of what is not shown.
func (s *step) discard(e *Entry, reason string) {
	e.Kind, e.Reason = EntryGap, reason
	s.add(*e)
}

// readable says why a message could not be opened, without anything from it.
func readable(err error) string {
	var rule *mls.Error
	if errors.As(err, &rule) {
		return rule.Rule
	}
	return "the message could not be opened"
}

// proposals takes in a bundle that waits for the next commit.
func (s *step) proposals(messages []wire.Message) {
	if s.room.joining || s.room.group == nil { // not in yet, or out by the commit that they were stapled to
		return
	}
	for k := range messages {
		if own := s.echoOf(&messages[k]); own != nil {
			s.echoed(own)
		}
		staged, err := s.room.group.Process(&messages[k], s.now)
		if err != nil {
			s.gap(readable(err))
			continue
		}
		for _, p := range staged.Proposals() {
			if p.Proposal.Type == wire.SelfRemoveProposal {
				s.add(Entry{Kind: EntryLeaving, User: userText(userOf(p.SenderLeaf))})
			}
		}
		s.apply(staged)
	}
}

// apply swaps the staged state in.
func (s *step) apply(staged *mls.GroupStaged) {
	changes, err := staged.Apply()
	if err != nil {
		s.keep(fmt.Errorf("client: apply: %w", err))
		return
	}
	s.room.mlsDelta(&s.delta, changes)
}

func userOf(leaf *wire.LeafNode) uri.User {
	if leaf == nil {
		return uri.User{}
	}
	id, err := credential.Parse(leaf.Credential)
	if err != nil {
		return uri.User{}
	}
	return id.User
}

// commit moves the room to its next epoch. What the engine and the room's rules refuse leaves the room as it is: this client then
// stands alone and says so (P-AR-03).
func (s *step) commit(m *wire.Message) error {
	r := s.room
	own := s.echoOf(m)
	if r.joining && own == nil {
		return nil // it has overtaken this device's own; the answer to that will be a wrong epoch
	}
	before, err := participants(r.group.Public())
	s.keep(err)
	staged, err := r.group.Process(m, s.now)
	if s.undecided(err) {
		return ErrAuthorities
	}
	if err != nil {
		s.gap("a change of the room could not be taken: " + readable(err))
		return nil
	}
	if err := room.Judge(staged.Staged, nil); err != nil {
		staged.Discard()
		s.gap("a change of the room breaks its rules: " + err.Error())
		return nil
	}
	_, committer := staged.Committer()
	s.apply(staged)
	if own != nil {
		s.echoed(own)
	}
	r.joining = false
	s.notices(before, staged.Staged, userOf(committer), own != nil)
	s.closed, s.closedHere = r.frozen(), own != nil
	if r.group.Removed() {
		s.close()
	}
	return nil
}

// undecided reports that an error may only mean that this device has not seen a provider's authorities yet.
func (s *step) undecided(err error) bool { return s.patient && errors.Is(err, credential.ErrUnknownCA) }

// notices tells what a commit changed for people.
func (s *step) notices(before *mimi.ParticipantList, staged *mls.Staged, actor uri.User, own bool) {
	after, err := participants(staged.Next())
	if err != nil || before == nil {
		s.keep(err)
		return
	}
	changed := make(map[string]bool)
	for _, user := range missing(after, before) {
		changed[user] = true
		s.add(Entry{Kind: EntryJoined, User: user, Actor: userText(actor), Own: own})
	}
	for _, user := range missing(before, after) {
		changed[user] = true
		s.add(Entry{Kind: EntryLeft, User: user, Actor: userText(actor), Own: own})
	}
	for _, leaf := range staged.Added() {
		s.device(leaf.After, changed, Entry{Actor: userText(actor), Own: own})
	}
	if _, joiner := staged.Committer(); staged.External() {
		s.device(joiner, changed, Entry{Actor: userText(actor), Own: own})
	}
	for _, leaf := range staged.Removed() {
		s.device(leaf.Before, changed, Entry{Actor: userText(actor), Own: own, Gone: true})
	}
}

// device tells of a device that came or went, unless its user did.
func (s *step) device(leaf *wire.LeafNode, changed map[string]bool, e Entry) {
	if leaf == nil {
		return
	}
	id, err := credential.Parse(leaf.Credential)
	if err != nil || changed[id.User.String()] {
		return
	}
	e.Kind, e.User, e.Client = EntryDevice, id.User.String(), id.Client.String()
	s.add(e)
}

// missing lists the users of a that b lacks.
func missing(a, b *mimi.ParticipantList) []string {
	var out []string
	known := make(map[string]bool, len(b.Participants)) // nearly all are written alike: a large room is not searched for each
	for _, p := range b.Participants {
		known[p.User] = true
	}
	for _, p := range a.Participants {
		if known[p.User] {
			continue
		}
		if _, there := b.Find(p.User); !there {
			out = append(out, p.User)
		}
	}
	sort.Strings(out)
	return out
}

// close forgets the keys of a room that the device is out of. The timeline stays.
func (s *step) close() {
	s.room.mlsDelta(&s.delta, s.room.group.Forget())
	s.room.group = nil
	for _, i := range s.client.intents {
		if i.Room != s.room.URI.String() || i.over() {
			continue
		}
		if i.Kind == LeaveRoom {
			i.Fate = Done
		} else {
			i.refused("no longer in the room")
		}
		s.ended = append(s.ended, i)
	}
}
