package hub

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
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

// grantLife is how long whoever has shown a join code may take to come in.
const grantLife = 10 * time.Minute

// grant is an admission by join code: the GroupInfo went to this user, and the commit has to be this user's (P-GI-05).
type grant struct {
	Until uint64 // ms
	Link  string // hash of the link
}

func (v *grant) Syntax(c *syntax.Codec) {
	syntax.U64(c, &v.Until)
	syntax.Text(c, &v.Link)
}

func linkHash(link string) string {
	sum := sha256.Sum256([]byte(link))
	return hex.EncodeToString(sum[:])
}

// admissions are what is read for an external commit only.
type admissions struct {
	grants map[string]*grant // by user
	used   map[string]bool   // hashes of links with which somebody came in
}

func readAdmissions(tx Tx, at uri.Room) (a admissions, err error) {
	a.grants, a.used = make(map[string]*grant), make(map[string]bool)
	records, err := tx.Records(at, keyGrant)
	if err != nil {
		return a, err
	}
	for _, r := range records {
		g := new(grant)
		if err := syntax.Unmarshal(r.Value, g); err != nil {
			return a, err
		}
		a.grants[strings.TrimSuffix(strings.TrimPrefix(r.Key, keyGrant), "/")] = g
	}
	if records, err = tx.Records(at, keyUsed); err != nil {
		return a, err
	}
	for _, r := range records {
		a.used[strings.TrimPrefix(r.Key, keyUsed)] = true
	}
	return a, nil
}

// comesIn reports whether an update is an external commit.
func comesIn(r *mimi.UpdateRequest) bool {
	return r.Message.Public != nil && r.Message.Public.Content.Sender.Type == wire.NewMemberCommitSender
}

// closed reports whether the room has ended: nobody is active in it, and it does not outlive that (R-BAS-13).
func (s *snapshot) closed(state *room.State) bool {
	if state.Base.Persistent {
		return false
	}
	for _, p := range s.people {
		if p.Clients > 0 && !p.Gone {
			return false
		}
	}
	return true
}

// admit decides on a user who is not in the list (P-GI-03): listed beforehand, an open room, or a code that is good still (P-GI-06).
// With a code the admission is kept for the commit.
func (h *Hub) admit(ctx context.Context, at uri.Room, s *snapshot, user uri.User, r *mimi.GroupInfoRequest) (bool, error) {
	state, err := room.Read(s.group)
	if err != nil {
		return false, &mimi.Error{Code: mimi.Internal, Err: err}
	}
	code := string(r.JoiningCode)
	_, byCode, ok := state.Entry(r.Credential, code)
	if !ok || s.closed(state) {
		return false, nil
	}
	if !byCode {
		return true, nil
	}
	good := false
	err = h.cfg.Store.Update(ctx, func(tx Tx) error {
		if good, err = goodLink(tx, at, state, code, s.now); err != nil || !good {
			return err
		}
		octets, err := syntax.Marshal(&grant{Until: uint64(s.now.Add(grantLife).UnixMilli()), Link: linkHash(code)})
		if err != nil {
			return err
		}
		return tx.PutRecords(at, mls.Delta{{Key: keyGrant + user.String() + "/", Value: octets}})
	})
	return good, err
}

// goodLink reports whether a link of the list was not used up and has not ended (R-JLP-03).
func goodLink(tx Tx, at uri.Room, state *room.State, link string, now time.Time) (bool, error) {
	if state.JoinLink == nil {
		used, err := tx.Records(at, keyUsed+linkHash(link))
		return len(used) == 0, err
	}
	used, err := tx.Records(at, keyUsed+linkHash(link))
	if err != nil || len(used) > 0 && !state.JoinLink.MultiUser {
		return false, err
	}
	since, err := numbers(tx, at, keyLink+linkHash(link))
	if err != nil || state.JoinLink.Expiration == 0 {
		return err == nil, err
	}
	for _, from := range since {
		end := time.UnixMilli(int64(from)).Add(time.Duration(state.JoinLink.Expiration) * time.Second)
		return now.Before(end), nil
	}
	return true, nil // made with the room: its age is not known, and nothing says that it has ended
}

var (
	errNotAdmitted = errors.New("policy:0x0009 the room's hub has not let this user in")
	errEnded       = errors.New("the room has ended")
)

// mayComeIn holds a commit from outside against the admission: who needs a code must have shown it (P-GI-05, P-GI-06).
func (s *snapshot) mayComeIn(staged *mls.Staged) error {
	if !staged.External() {
		return nil
	}
	_, leaf := staged.Committer()
	user, err := room.UserOf(leaf)
	if err != nil {
		return err
	}
	if s.people[user.String()] != nil {
		return nil
	}
	state, err := room.Read(s.group)
	if err != nil {
		return err
	}
	if s.closed(state) {
		return errEnded
	}
	if role, byCode, ok := state.Entry(leaf.Credential, ""); ok && !byCode {
		return sameRole(staged, user, role)
	}
	g := s.grants[user.String()]
	if g == nil || g.Until < uint64(s.now.UnixMilli()) {
		return errNotAdmitted
	}
	if s.used[g.Link] && (state.JoinLink == nil || !state.JoinLink.MultiUser) {
		return errNotAdmitted // somebody else was faster
	}
	for _, link := range linksOf(state) {
		if role, ok := state.ByCode(link); ok && linkHash(link) == g.Link {
			return sameRole(staged, user, role)
		}
	}
	return errNotAdmitted // the link was withdrawn in the meantime
}

var errOtherRole = errors.New("whoever comes in does not get this role")

func sameRole(staged *mls.Staged, user uri.User, role uint32) error {
	after, err := room.Read(staged.Next())
	if err != nil {
		return err
	}
	if after.Role(user) != role {
		return errOtherRole
	}
	return nil
}

func linksOf(state *room.State) []string {
	if state.JoinLinks == nil {
		return nil
	}
	return state.JoinLinks.Links
}

// keepLinks notes which links are new, forgets those that were withdrawn, and uses up the admission of whoever comes in.
func (c *change) keepLinks(s *snapshot, staged *mls.Staged, state *room.State) error {
	if len(s.grants) > 0 {
		_, leaf := staged.Committer()
		user, err := room.UserOf(leaf)
		if err != nil {
			return err
		}
		if g := s.grants[user.String()]; g != nil && s.people[user.String()] == nil {
			c.records.Delete(keyGrant + user.String() + "/")
			c.records.Put(keyUsed+g.Link, []byte{1})
		}
		for name, g := range s.grants {
			if g.Until < uint64(s.now.UnixMilli()) {
				c.records.Delete(keyGrant + name + "/")
			}
		}
	}
	if state.JoinLinks == nil {
		return nil
	}
	before, err := room.Read(staged.From())
	if err != nil {
		return err
	}
	old := make(map[string]bool)
	for _, link := range linksOf(before) {
		old[link] = true
	}
	for _, link := range linksOf(state) {
		if !old[link] {
			c.links = append(c.links, keyLink+linkHash(link))
		}
		delete(old, link)
	}
	for link := range old {
		c.records.Delete(keyLink + linkHash(link))
		c.records.Delete(keyUsed + linkHash(link))
	}
	return nil
}

// hides reports whether the room's existence is none of a provider's business: none of its users takes part, none was admitted, and
// not everybody may come in (P-UP-34).
func (s *snapshot) hides(caller uri.Provider) bool {
	for name := range s.people {
		if user, err := uri.ParseUser(name); err == nil && user.Provider() == caller {
			return false
		}
	}
	for name := range s.grants {
		if user, err := uri.ParseUser(name); err == nil && user.Provider() == caller {
			return false
		}
	}
	state, err := room.Read(s.group)
	if err != nil {
		return true
	}
	if _, open := state.Open(); open {
		return false
	}
	return state.PreAuth == nil || len(state.PreAuth.Entries) == 0 || policyKeepsOut(&state.Policy)
}

// policyKeepsOut reports whether no preauthorised role lets anybody in.
func policyKeepsOut(p *policy.Policy) bool {
	for i := range p.PreAuth.Entries {
		if p.PreAuth.Entries[i].Role.Has(policy.CanJoinIfPreauthorized) {
			return false
		}
	}
	return true
}
