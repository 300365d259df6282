package hub

import (
	"context"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"parley/mimi"
	"parley/mls"
	"parley/mls/wire"
	"parley/policy"
	"parley/room"
	"parley/syntax"
	"parley/uri"
)

// Keys of a room's records. The group's are the truth; the others are derived from it and from what was accepted, so that a
// message needs to read one of them and not the group.
const (
	keyGroup  = "mls/"
	keyInfo   = "info"
	keyPerson = "person/" // user URI and a slash, so that no key is the beginning of another
	keyClaim  = "claim/"  // KeyPackageRef
	keyTimes  = "accepted/"
	keyGrant  = "grant/" // user URI and a slash: admitted with a code, not in yet
	keyLink   = "link/"  // hash of a join link: since when it is in force
	keyUsed   = "used/"  // hash of a join link for one user, who is in
	keyChild  = "child/" // URI of a room that depends on this one, and a slash
)

// person is what submitMessage needs to know of a participant.
type person struct {
	Role    uint32
	Clients uint32 // leaves in the group
	MaySend bool
	Closed  bool // the room's group was closed by a ReInit; nobody sends until its successor is there
	Gone    bool // the hub accepted this user's leave; the commit is to come (P-RS-01)
}

func (v *person) Syntax(c *syntax.Codec) {
	syntax.U32(c, &v.Role)
	syntax.U32(c, &v.Clients)
	var send uint8 // 0 no, 1 yes; 2 and 3 the same in a room whose group is closed
	if v.MaySend {
		send |= 1
	}
	if v.Closed {
		send |= 2
	}
	syntax.Closed(c, &send, 0, 3)
	v.MaySend, v.Closed = send&1 != 0, send&2 != 0
	syntax.Bool(c, &v.Gone)
}

// personName is a participant as the records name it.
func personName(user string) string {
	if u, err := uri.ParseUser(user); err == nil {
		return u.String()
	}
	return user
}

func personKey(user string) string { return keyPerson + personName(user) + "/" }

func readPerson(tx Tx, at uri.Room, user string) (*person, error) {
	records, err := tx.Records(at, personKey(user))
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		if r.Key != personKey(user) {
			continue
		}
		p := new(person)
		return p, syntax.Unmarshal(r.Value, p)
	}
	return nil, nil
}

// readPeople reads all participants' records.
func readPeople(tx Tx, at uri.Room) (map[string]*person, error) {
	records, err := tx.Records(at, keyPerson)
	if err != nil {
		return nil, err
	}
	out := make(map[string]*person, len(records))
	for _, r := range records {
		p := new(person)
		if err := syntax.Unmarshal(r.Value, p); err != nil {
			return nil, err
		}
		out[strings.TrimSuffix(strings.TrimPrefix(r.Key, keyPerson), "/")] = p
	}
	return out, nil
}

// goneUsers lists those whose accepted leave waits for its commit.
func goneUsers(all map[string]*person) map[uri.User]bool {
	out := make(map[uri.User]bool)
	for key, p := range all {
		if user, err := uri.ParseUser(key); err == nil && p.Gone {
			out[user] = true
		}
	}
	return out
}

// newPeople derives the participants' records of a room that is new here. It reads every leaf.
func newPeople(state *room.State, g *mls.PublicGroup) (map[string]*person, error) {
	out := listed(state, nil)
	for _, leaf := range g.All() {
		if err := count(out, leaf, 1); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// nextPeople derives them after a commit from those before, reading only the leaves that it changed.
func nextPeople(before map[string]*person, staged *mls.Staged, state *room.State) (map[string]*person, error) {
	out := listed(state, before)
	for _, change := range staged.Added() {
		if err := count(out, change.After, 1); err != nil {
			return nil, err
		}
	}
	for _, change := range staged.Removed() {
		if err := count(out, change.Before, -1); err != nil {
			return nil, err
		}
	}
	if staged.External() {
		_, leaf := staged.Committer()
		if err := count(out, leaf, 1); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// listed makes the records of the participant list, with the counts and marks of those who were in it before.
func listed(state *room.State, before map[string]*person) map[string]*person {
	out := make(map[string]*person, len(state.Participants.Participants))
	for _, p := range state.Participants.Participants {
		key := personName(p.User)
		next := &person{Role: p.Role}
		if old, was := before[key]; was {
			next.Clients, next.Gone = old.Clients, old.Gone
		}
		next.MaySend = policy.Decide(&state.Policy, policy.Actor{Role: p.Role}, policy.Use(policy.CanSendMessage)) == nil
		out[key] = next
	}
	return out
}

// count changes the number of leaves of a leaf's user, if that is a participant.
func count(all map[string]*person, leaf *wire.LeafNode, by int) error {
	user, err := room.UserOf(leaf)
	if err != nil {
		return err
	}
	if p, ok := all[user.String()]; ok {
		p.Clients = uint32(int(p.Clients) + by)
	}
	return nil
}

// difference is the change from one set of participants' records to another.
func difference(before, after map[string]*person) (mls.Delta, error) {
	var d mls.Delta
	for key := range before {
		if _, stays := after[key]; !stays {
			d.Delete(personKey(key))
		}
	}
	for key, p := range after {
		if old, ok := before[key]; ok && *old == *p {
			continue
		}
		octets, err := syntax.Marshal(p)
		if err != nil {
			return nil, err
		}
		d.Put(personKey(key), octets)
	}
	slices.SortFunc(d, func(a, b mls.Record) int { return strings.Compare(a.Key, b.Key) })
	return d, nil
}

// destinations are the providers with active participants. For what is new a user who has left counts no longer (P-UP-13); the
// commit that completes the leave still goes there (P-LV-04).
func destinations(all map[string]*person, withGone bool) []string {
	set := make(map[string]bool)
	for key, p := range all {
		if user, err := uri.ParseUser(key); err == nil && p.Clients > 0 && (withGone || !p.Gone) {
			set[user.Domain()] = true
		}
	}
	return sortedKeys(set)
}

func sortedKeys(set map[string]bool) []string {
	out := make([]string, 0, len(set))
	for k := range set {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}

func union(lists ...[]string) []string {
	set := make(map[string]bool)
	for _, list := range lists {
		for _, x := range list {
			set[x] = true
		}
	}
	return sortedKeys(set)
}

func under(prefix string, d mls.Delta) mls.Delta {
	out := make(mls.Delta, len(d))
	for i, r := range d {
		out[i] = mls.Record{Key: prefix + r.Key, Value: r.Value}
	}
	return out
}

// snapshot is a room as it was read for staging.
type snapshot struct {
	head   Head
	group  *mls.PublicGroup
	now    time.Time // at which it is judged: a timestamp of the room, so whole milliseconds
	people map[string]*person
	before *before           // the group before this one; nil: none
	claims map[string]*claim // by KeyPackageRef in hexadecimal
	times  map[string]uint64 // ProposalRef in hexadecimal -> acceptance time
	admissions
}

// claim is a KeyPackage that was handed out for the room and not used yet.
type claim struct {
	Domain string // that of its owner's provider
	Until  uint64 // s since 1970: the end of its lifetime
}

func (v *claim) Syntax(c *syntax.Codec) {
	syntax.Text(c, &v.Domain)
	syntax.U64(c, &v.Until)
}

// load reads a room and, in the same snapshot, what also reads; it may be nil. The decoded group comes from the cache when the
// version is the same.
func (h *Hub) load(ctx context.Context, at uri.Room, also func(Tx) error) (*snapshot, error) {
	s := new(snapshot)
	var group []mls.Record
	err := h.cfg.Store.View(ctx, func(tx Tx) error {
		var ok bool
		var err error
		if s.head, ok, err = tx.Head(at); err != nil {
			return err
		}
		if !ok {
			return errNoRoom
		}
		if s.people, err = readPeople(tx, at); err != nil {
			return err
		}
		head := s.head
		s.now = time.UnixMilli(int64(tick(&head, h.cfg.Now())))
		if s.claims, err = claims(tx, at); err != nil {
			return err
		}
		if s.before, err = readBefore(tx, at); err != nil {
			return err
		}
		if s.times, err = numbers(tx, at, keyTimes); err != nil {
			return err
		}
		if also != nil {
			if err := also(tx); err != nil {
				return err
			}
		}
		if s.group, ok = h.rooms.get(at, s.head.Version); ok {
			return nil
		}
		group, err = tx.Records(at, keyGroup)
		return err
	})
	if err != nil {
		return nil, storeError(err)
	}
	if s.group != nil {
		return s, nil
	}
	for i := range group {
		group[i].Key = strings.TrimPrefix(group[i].Key, keyGroup)
	}
	if s.group, err = mls.LoadPublicGroup(h.cfg.MLS, group); err != nil {
		return nil, &mimi.Error{Code: mimi.Internal, Err: err}
	}
	h.rooms.put(at, s.head.Version, s.group)
	return s, nil
}

func claims(tx Tx, at uri.Room) (map[string]*claim, error) {
	records, err := tx.Records(at, keyClaim)
	if err != nil {
		return nil, err
	}
	out := make(map[string]*claim, len(records))
	for _, r := range records {
		v := new(claim)
		if err := syntax.Unmarshal(r.Value, v); err != nil {
			return nil, err
		}
		out[strings.TrimPrefix(r.Key, keyClaim)] = v
	}
	return out, nil
}

type stamp struct{ at uint64 }

func (v *stamp) Syntax(c *syntax.Codec) { syntax.U64(c, &v.at) }

func numbers(tx Tx, at uri.Room, prefix string) (map[string]uint64, error) {
	records, err := tx.Records(at, prefix)
	if err != nil {
		return nil, err
	}
	out := make(map[string]uint64, len(records))
	for _, r := range records {
		var v stamp
		if err := syntax.Unmarshal(r.Value, &v); err != nil {
			return nil, err
		}
		out[strings.TrimPrefix(r.Key, prefix)] = v.at
	}
	return out, nil
}

func timeRecord(d *mls.Delta, ref []byte, at uint64) error {
	octets, err := syntax.Marshal(&stamp{at})
	if err != nil {
		return err
	}
	d.Put(keyTimes+hex.EncodeToString(ref), octets)
	return nil
}

// readInfo reads the GroupInfo of the current epoch.
func readInfo(tx Tx, at uri.Room) (*wire.GroupInfo, error) {
	records, err := tx.Records(at, keyInfo)
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		if r.Key == keyInfo {
			info := new(wire.GroupInfo)
			return info, syntax.Unmarshal(r.Value, info)
		}
	}
	return nil, errNoRoom
}
