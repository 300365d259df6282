package client

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"sort"
	"strings"

	"parley/content"
	"parley/credential"
	"parley/mimi"
	"parley/mls"
	"parley/mls/wire"
	"parley/syntax"
	"parley/uri"
)

// Room is a room as this device knows it.
type Room struct {
	URI     uri.Room
	group   *mls.Group // nil once the device is out of it
	next    *mls.Group // the successor that this device has made of a closed group and that was not taken yet
	joining bool       // an external commit is on its way; the group is not usable yet
	entries uint64     // number of timeline entries
	fresh   []Entry    // entries since the last time they were taken
	talk    talk       // what the timeline shows
}

// savedRoom is what a room needs besides its group and its timeline.
type savedRoom struct {
	URI     string `json:"uri"`
	Joining bool   `json:"joining,omitempty"`
	Closed  bool   `json:"closed,omitempty"`
	Entries uint64 `json:"entries"`
}

const keyRooms = "room/"

// key is the store key of a part of the room. The room's name is hashed, so that keys have one length and one alphabet.
func (r *Room) key(part string) string {
	sum := sha256.Sum256([]byte(r.URI.String()))
	return keyRooms + hex.EncodeToString(sum[:8]) + "/" + part
}

// mlsDelta moves a group's records under the room's keys.
func (r *Room) mlsDelta(d *mls.Delta, changes mls.Delta) {
	for _, c := range changes {
		*d = append(*d, mls.Record{Key: r.key("mls/" + c.Key), Value: c.Value})
	}
}

// header writes the room's own record.
func (r *Room) header(d *mls.Delta) error {
	text, err := json.Marshal(savedRoom{URI: r.URI.String(), Joining: r.joining, Closed: r.group == nil, Entries: r.entries})
	if err != nil {
		return fmt.Errorf("client: room record: %w", err)
	}
	d.Put(r.key("room"), text)
	return nil
}

// loadRoom rebuilds a room from its records, whose keys still have the room's prefix.
func loadRoom(a *Account, cfg *mls.Config, records []mls.Record) (*Room, error) {
	var saved savedRoom
	var group, next []mls.Record
	for _, rec := range records {
		_, part, _ := strings.Cut(strings.TrimPrefix(rec.Key, keyRooms), "/")
		if part == "room" {
			if err := json.Unmarshal(rec.Value, &saved); err != nil {
				return nil, fmt.Errorf("client: stored room: %w", err)
			}
			continue
		}
		if key, ok := strings.CutPrefix(part, "mls/"); ok {
			group = append(group, mls.Record{Key: key, Value: rec.Value})
		}
		if key, ok := strings.CutPrefix(part, partNext); ok {
			next = append(next, mls.Record{Key: key, Value: rec.Value})
		}
	}
	at, err := uri.ParseRoom(saved.URI)
	if err != nil {
		return nil, fmt.Errorf("client: stored room: %w", err)
	}
	r := &Room{URI: at, joining: saved.Joining, entries: saved.Entries}
	if saved.Closed {
		return r, nil
	}
	if r.group, err = mls.LoadGroup(cfg, group, a.signerOf); err != nil {
		return nil, fmt.Errorf("client: stored room: %w", err)
	}
	if len(next) > 0 {
		if r.next, err = mls.LoadGroup(cfg, next, a.signerOf); err != nil {
			return nil, fmt.Errorf("client: stored successor: %w", err)
		}
	}
	return r, nil
}

// Active reports whether the device is a member and can send.
func (r *Room) Active() bool { return r.group != nil && !r.joining }

// Epoch is the room's MLS epoch, 0 when the device is not a member.
func (r *Room) Epoch() uint64 {
	if r.group == nil {
		return 0
	}
	return r.group.Public().Epoch()
}

// Authenticator is the epoch's authenticator: equal at two members exactly when they share the group's whole state
// (RFC 9420 §8.7).
func (r *Room) Authenticator() []byte {
	if !r.Active() {
		return nil
	}
	return r.group.EpochAuthenticator()
}

// Person is a participant.
type Person struct {
	User    uri.User
	Role    uint32
	Devices []uri.Client // empty: inactive, nothing reaches this person yet
	// Gateway says that the keys of a device are held by a gateway of the person's provider: not end-to-end to the person.
	Gateway bool
}

// People lists the participants in the order of the participant list.
func (r *Room) People() ([]Person, error) {
	if r.group == nil {
		return nil, ErrNoRoom
	}
	list, err := participants(r.group.Public())
	if err != nil {
		return nil, err
	}
	at := make(map[uri.User]int)
	var people []Person
	for _, p := range list.Participants {
		user, err := uri.ParseUser(p.User)
		if err != nil {
			return nil, fmt.Errorf("client: participant list: %w", err)
		}
		at[user] = len(people)
		people = append(people, Person{User: user, Role: p.Role})
	}
	for _, leaf := range r.group.Public().All() {
		id, err := credential.Parse(leaf.Credential)
		if err != nil {
			continue // a leaf that the validator let pass as stale shows no device
		}
		if i, ok := at[id.User]; ok {
			people[i].Devices = append(people[i].Devices, id.Client)
			people[i].Gateway = people[i].Gateway || id.Gateway
		}
	}
	return people, nil
}

// Name is the room's name from its metadata, "" when it has none.
func (r *Room) Name() string {
	if r.group == nil {
		return ""
	}
	data, ok := r.group.Public().Component(mimi.RoomMetadataComponent)
	if !ok {
		return ""
	}
	var meta mimi.RoomMetadata
	if syntax.Unmarshal(data, &meta) != nil {
		return ""
	}
	return meta.Name
}

func participants(g *mls.PublicGroup) (*mimi.ParticipantList, error) {
	list := new(mimi.ParticipantList)
	data, ok := g.Component(mimi.ParticipantListComponent)
	if !ok {
		return list, nil
	}
	if err := syntax.Unmarshal(data, list); err != nil {
		return nil, fmt.Errorf("client: participant list: %w", err)
	}
	return list, nil
}

// leavesOf lists the leaves of a user, ascending.
func leavesOf(g *mls.PublicGroup, user uri.User) []mls.LeafIndex {
	var out []mls.LeafIndex
	for i, leaf := range g.All() {
		if id, err := credential.Parse(leaf.Credential); err == nil && id.User == user {
			out = append(out, i)
		}
	}
	sort.Slice(out, func(a, b int) bool { return out[a] < out[b] })
	return out
}

// framed reports whether the room's application data names its media type (mls-extensions §6.2.4).
func framed(g *mls.PublicGroup) bool {
	_, ok := g.Component(wire.ContentMediaTypesComponent)
	return ok
}

// wrap makes application data of encoded content.
func wrap(g *mls.PublicGroup, encoded []byte) []byte {
	if !framed(g) {
		return encoded
	}
	return content.Frame(content.MediaType, encoded)
}

// mediaOf takes the content out of application data, with its media type.
func mediaOf(g *mls.PublicGroup, data []byte) (kind string, inner []byte, err error) {
	if !framed(g) {
		return content.MediaType, data, nil
	}
	if kind, inner, err = content.Unframe(data); kind == "" {
		kind = content.MediaType
	}
	return kind, inner, err
}
