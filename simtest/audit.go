package simtest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"parley/credential"
	"parley/hub"
	"parley/mimi"
	"parley/mls"
	"parley/mls/wire"
	"parley/syntax"
	"parley/uri"
)

// audit knows what has happened: it reads the log of every hub and follows each room's group by itself, from the log alone.
type audit struct {
	world    *World
	rooms    map[uri.Room]*ledger
	attempts map[string]attempt // rooms that somebody tried to create, by group ID
	written  map[string]*note   // by message ID
	sealed   map[[32]byte]string
	claimed  map[string][32]byte // KeyPackageRef -> the request that got it
	used     map[string]string   // KeyPackageRef -> the commit that added it

	lastWords bool
}

// note is a message that somebody wrote.
type note struct {
	by     *device
	room   uri.Room
	text   string
	wished bool // the device has noted the wish: it did not fail while the person wrote
}

// attempt is what a device handed in to make a room.
type attempt struct {
	info *wire.GroupInfo
	tree *wire.RatchetTree
}

// ledger is one room as its hub's log tells it.
type ledger struct {
	room   uri.Room
	hub    *provider
	group  *mls.PublicGroup
	items  []logged
	sums   map[[32]byte]int // SHA-256 of the MLSMessage -> place in items
	ids    map[string]int   // message ID -> place in items
	spans  map[string][]*span
	epochs map[uint64]*epoch
	thefts []theft
	left   map[string]bool // users whose leave was accepted, until a commit takes them out of the list
}

// logged is one entry of a hub's log.
type logged struct {
	sequence uint64
	message  wire.Message
	body     []byte
	time     uint64
	id       string // message ID of an application message
	epoch    uint64 // of an application message
}

// span is a time in which a device was a member, from the entry that let it in to the one that took it out, both not included.
type span struct {
	from, to int
	epoch    uint64 // the first one
	leaving  int    // from this entry on the user counts as gone
}

const open = int(^uint(0) >> 1)

// epoch is what all members of an epoch must agree on.
type epoch struct {
	tree          []byte
	participants  []string
	clients       []string
	authenticator []byte // as the first member showed it
}

// theft is a copy of a device's store from when the hub took its removal.
type theft struct {
	device  *device
	records map[string][]byte
	from    int // entry of the removal
}

func newAudit(w *World) *audit {
	return &audit{
		world: w, rooms: make(map[uri.Room]*ledger), attempts: make(map[string]attempt), written: make(map[string]*note),
		sealed: make(map[[32]byte]string), claimed: make(map[string][32]byte), used: make(map[string]string),
	}
}

// attempt notes the group of a room that may come to be.
func (a *audit) attempt(at uri.Room, info *wire.GroupInfo, tree *wire.RatchetTree) {
	a.attempts[string(info.Context.GroupID)] = attempt{info, tree}
}

// writes notes that a person wrote a message.
func (a *audit) writes(d *device, at uri.Room, id, text string) {
	a.written[id] = &note{by: d, room: at, text: text}
}

// sends notes which message is in a ciphertext that leaves a device.
func (a *audit) sends(d *device, m *wire.Message) {
	sum, err := sumOf(m)
	if err != nil {
		a.world.fail("form", "a message cannot be encoded: %v", err)
		return
	}
	for _, i := range d.client.Intents() {
		if bytes.Equal(i.Sum, sum[:]) {
			a.sealed[sum] = string(i.MessageID)
			return
		}
	}
	a.world.fail("outbox", "%s sends a message that is not in its outbox", d.name)
}

func sumOf(m *wire.Message) ([32]byte, error) {
	octets, err := syntax.Marshal(m)
	return sha256.Sum256(octets), err
}

// handedOut notes the KeyPackages of an answer: none is in answers to two requests (P-KM-11, promise D8).
func (w *World) handedOut(r *mimi.KeyMaterialRequest, answer *mimi.KeyMaterialResponse) {
	octets, err := syntax.Marshal(r)
	if err != nil {
		w.fail("form", "a request cannot be encoded: %v", err)
		return
	}
	request := sha256.Sum256(octets)
	for _, c := range answer.Clients {
		if c.KeyPackage == nil {
			continue
		}
		ref, err := syntax.Marshal(c.KeyPackage)
		if err != nil {
			w.fail("form", "a KeyPackage cannot be encoded: %v", err)
			return
		}
		if before, was := w.audit.claimed[string(ref)]; was && before != request {
			w.fail("KeyPackage once", "a KeyPackage of %s was handed out to two requests", w.deviceOf(c.Client).name)
		}
		w.audit.claimed[string(ref)] = request
		w.count("KeyPackages claimed")
	}
}

// read takes in what hubs have committed since the last time.
func (a *audit) read() {
	for _, p := range a.world.providers {
		if !p.dirty {
			continue
		}
		p.dirty = false
		heads := p.store.Rooms()
		for _, at := range sortedRooms(heads) {
			a.readRoom(p, at, heads[at])
		}
		a.bounds(p, heads)
	}
}

func sortedRooms[V any](m map[uri.Room]V) []uri.Room {
	out := make([]uri.Room, 0, len(m))
	for at := range m {
		out = append(out, at)
	}
	slices.SortFunc(out, func(a, b uri.Room) int { return bytes.Compare([]byte(a.String()), []byte(b.String())) })
	return out
}

func (a *audit) readRoom(p *provider, at uri.Room, head hub.Head) {
	l := a.rooms[at]
	if l == nil {
		if l = a.found(p, at, head); l == nil {
			return
		}
		a.rooms[at] = l
	}
	if head.Sequence < uint64(len(l.items)) {
		a.world.fail("log", "the log of %s became shorter", a.world.short(at))
		return
	}
	if head.Sequence > uint64(len(l.items)) {
		for _, item := range p.store.Log(at)[len(l.items):] {
			if err := a.append(l, item); err != nil {
				a.world.fail("log", "entry %d of %s: %v", item.Sequence, a.world.short(at), err)
				return
			}
		}
	}
	if head.Epoch != l.group.Epoch() || head.Sequence != uint64(len(l.items)) {
		a.world.fail("log", "%s is at epoch %d, entry %d; its log leads to epoch %d, entry %d",
			a.world.short(at), head.Epoch, head.Sequence, l.group.Epoch(), len(l.items))
	}
}

// found starts to follow a room.
func (a *audit) found(p *provider, at uri.Room, head hub.Head) *ledger {
	made, ok := a.attempts[string(head.GroupID)]
	if !ok {
		a.world.fail("log", "%s has a room that nobody created", p.name)
		return nil
	}
	group, err := mls.NewPublicGroup(a.world.fixture.mls(), made.info, made.tree, time.UnixMilli(int64(head.EpochAt)))
	if err != nil {
		a.world.fail("log", "the group of a new room is not valid: %v", err)
		return nil
	}
	l := &ledger{
		room: at, hub: p, group: group, sums: make(map[[32]byte]int), ids: make(map[string]int),
		spans: make(map[string][]*span), epochs: make(map[uint64]*epoch), left: make(map[string]bool),
	}
	if err := a.membership(l, -1); err != nil {
		a.world.fail("log", "%v", err)
	}
	return l
}

// append follows one entry of the log.
func (a *audit) append(l *ledger, item hub.Item) error {
	var m mimi.FanoutMessage
	if err := mimi.Limits(len(item.Body)).Unmarshal(item.Body, &m); err != nil {
		return err
	}
	e := logged{sequence: item.Sequence, message: m.Message, body: item.Body, time: item.Timestamp}
	place := len(l.items)
	switch {
	case item.Sequence != uint64(place)+1:
		return errors.New("the sequence has a gap")
	case m.Timestamp != item.Timestamp:
		return errors.New("two timestamps")
	case place > 0 && e.time < l.items[place-1].time:
		return errors.New("the timestamp is before that of the entry before")
	}
	sum, err := sumOf(&m.Message)
	if err != nil {
		return err
	}
	if before, twice := l.sums[sum]; twice {
		return fmt.Errorf("the same as entry %d", l.items[before].sequence)
	}
	l.sums[sum] = place
	l.items = append(l.items, e)
	now := time.UnixMilli(int64(e.time))
	switch {
	case m.Message.Private != nil:
		return a.message(l, place, sum)
	case m.Message.Welcome != nil:
		return nil
	case m.Message.ContentType() == wire.CommitContent:
		a.world.count("commits")
		if m.Message.Public.Content.Sender.Type == wire.NewMemberCommitSender {
			a.world.count("external joins")
		}
		if err := l.process(&m.Message, now); err != nil {
			return err
		}
		if err := a.membership(l, place); err != nil {
			return err
		}
		return l.proposals(m.ExternalProposals, now, place)
	}
	a.world.count("proposals")
	return l.proposals(append([]wire.Message{m.Message}, m.MoreProposals...), now, place)
}

func (l *ledger) process(m *wire.Message, now time.Time) error {
	staged, err := l.group.Process(m, now)
	if err != nil {
		return fmt.Errorf("does not follow from the log: %w", err)
	}
	l.group = staged.Next()
	return nil
}

// proposals follows a bundle and notes whose removal waits now.
func (l *ledger) proposals(list []wire.Message, now time.Time, place int) error {
	for i := range list {
		if err := l.process(&list[i], now); err != nil {
			return err
		}
	}
	for leaf := range l.going() {
		id, err := identityOf(l.group.Leaf(leaf))
		if err != nil {
			return err
		}
		l.left[id.User.String()] = true
		if s := l.current(id.Client.String()); s != nil && s.leaving == open {
			s.leaving = place
		}
	}
	return nil
}

// going lists the leaves whose removal waits for a commit.
func (l *ledger) going() map[mls.LeafIndex]bool {
	out := make(map[mls.LeafIndex]bool)
	for _, p := range l.group.Pending() {
		switch p.Proposal.Type {
		case wire.SelfRemoveProposal:
			out[mls.LeafIndex(p.Sender.Index)] = true
		case wire.RemoveProposal:
			out[mls.LeafIndex(p.Proposal.Remove)] = true
		}
	}
	return out
}

// message follows an application message: it was written once, is there once, and is of the epoch or the one before.
func (a *audit) message(l *ledger, place int, sum [32]byte) error {
	e := &l.items[place]
	e.epoch = e.message.Private.Epoch
	id, known := a.sealed[sum]
	if !known {
		return errors.New("a message that no device sent")
	}
	if before, twice := l.ids[id]; twice {
		return fmt.Errorf("the message is entry %d as well", l.items[before].sequence)
	}
	if now := l.group.Epoch(); e.epoch > now || e.epoch+1 < now {
		return fmt.Errorf("a message of epoch %d in epoch %d", e.epoch, now)
	}
	if by := l.current(a.written[id].by.account.Client.String()); by == nil || by.leaving != open {
		return errors.New("a message of somebody who was out or about to leave") // P-UP-12
	}
	e.id = id
	l.ids[id] = place
	a.world.count("messages accepted")
	return nil
}

// membership compares the members before and after an entry. Members are clients of participants (P-RS-09).
func (a *audit) membership(l *ledger, place int) error {
	list, err := participantsOf(l.group)
	if err != nil {
		return err
	}
	now := make(map[string]bool)
	e := &epoch{tree: l.group.TreeHash(), participants: list}
	for _, leaf := range l.group.All() {
		id, err := credential.Parse(leaf.Credential)
		if err != nil {
			return err
		}
		if !slices.Contains(list, id.User.String()) {
			return errors.New("a member is not a client of a participant")
		}
		now[id.Client.String()] = true
		e.clients = append(e.clients, id.Client.String())
	}
	slices.Sort(e.clients)
	maps.DeleteFunc(l.left, func(user string, _ bool) bool { return !slices.Contains(list, user) })
	if l.epochs[l.group.Epoch()] != nil {
		return errors.New("an epoch came twice")
	}
	l.epochs[l.group.Epoch()] = e
	for _, c := range e.clients {
		if l.current(c) == nil {
			l.spans[c] = append(l.spans[c], &span{from: place, to: open, epoch: l.group.Epoch(), leaving: open})
		}
	}
	for c, spans := range l.spans {
		if s := spans[len(spans)-1]; s.to == open && !now[c] {
			s.to = place
			a.steal(l, c, place)
		}
	}
	return a.packages(l, place)
}

// steal copies the store of a device when its removal was accepted.
func (a *audit) steal(l *ledger, c string, place int) {
	if d := a.world.deviceOf(c); d != nil {
		l.thefts = append(l.thefts, theft{d, d.disk.copy(), place})
		a.world.count("devices removed")
	}
}

// packages notes the KeyPackages that a commit added: each is used once in the world.
func (a *audit) packages(l *ledger, place int) error {
	if place < 0 {
		return nil
	}
	for _, p := range l.items[place].message.Public.Content.Commit.Proposals {
		if p.Proposal == nil || p.Proposal.Add == nil {
			continue
		}
		octets, err := syntax.Marshal(p.Proposal.Add)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(octets)
		key := hex.EncodeToString(sum[:])
		where := fmt.Sprintf("entry %d of %s", place+1, a.world.short(l.room))
		if before, twice := a.used[key]; twice {
			return fmt.Errorf("adds a KeyPackage that %s added already", before)
		}
		a.used[key] = where
	}
	return nil
}

// current is the span in which a device is a member now.
func (l *ledger) current(c string) *span {
	spans := l.spans[c]
	if n := len(spans); n > 0 && spans[n-1].to == open {
		return spans[n-1]
	}
	return nil
}

// leaving reports whether the device's leave or removal waits for its commit.
func (a *audit) leaving(at uri.Room, d *device) bool {
	l := a.rooms[at]
	if l == nil {
		return false
	}
	s := l.current(d.account.Client.String())
	return s == nil || s.leaving != open
}

func participantsOf(g *mls.PublicGroup) ([]string, error) {
	data, ok := g.Component(mimi.ParticipantListComponent)
	if !ok {
		return nil, errors.New("the group has no participant list")
	}
	var list mimi.ParticipantList
	if err := syntax.Unmarshal(data, &list); err != nil {
		return nil, err
	}
	var out []string
	for _, p := range list.Participants {
		out = append(out, p.User)
	}
	return out, nil
}

func identityOf(leaf *wire.LeafNode) (credential.Identity, error) {
	if leaf == nil {
		return credential.Identity{}, errors.New("a blank leaf is to be removed")
	}
	return credential.Parse(leaf.Credential)
}

// bounds holds a provider's store against the logs: nothing is stored that no hub has sent, and nothing twice.
func (a *audit) bounds(p *provider, heads map[uri.Room]hub.Head) {
	items := 0
	for _, l := range a.rooms {
		items += len(l.items)
	}
	if n := p.store.Bodies(); n > items {
		a.world.fail("bounds", "%s stores %d bodies, all logs have %d entries", p.name, n, items)
	}
}

// expected lists what a device should show of a room's messages, in order.
func (l *ledger) expected(c string) []expectation {
	var out []expectation
	for _, s := range l.spans[c] {
		for place := s.from + 1; place < len(l.items) && place < s.to; place++ {
			e := &l.items[place]
			if e.id == "" {
				continue
			}
			out = append(out, expectation{
				id: e.id,
				// Written before the device came in: it has no key for it.
				unreadable: e.epoch < s.epoch,
				// From the leave on the device's provider need not get anything (P-LV-09).
				optional: place > s.leaving,
			})
		}
	}
	return out
}

// expectation is a message that should be in a timeline.
type expectation struct {
	id                   string
	unreadable, optional bool
}

// seal takes where everything ended into the history's sum.
func (a *audit) seal() {
	for _, at := range sortedRooms(a.rooms) {
		l := a.rooms[at]
		a.world.trace.add(line{from: at.String(), text: fmt.Sprintf("%d entries, epoch %d, tree %x", len(l.items), l.group.Epoch(), l.group.TreeHash())})
	}
}
