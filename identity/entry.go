package identity

import (
	"errors"
	"slices"
	"strings"
	"time"

	"parley/mimi"
	"parley/uri"
)

// Entry is one thing that a provider knows of a user: an address (handle, nick, e-mail, phone) or a field of the profile.
//
// E-mail addresses, phone numbers and handles are kept only after somebody has shown that they are the user's, so what nobody proved
// cannot be found.
type Entry struct {
	Type  mimi.SearchType // handle, nick, email, phone, OIDC claim or vCard property
	Name  string          // of the claim or property
	Value string          // as people read it
	Key   string          // as it is compared, see Key
	Proof Proof
	Since time.Time
	Reach Reach
}

// Proof says why an entry is believed to be its user's.
type Proof uint8

// The proofs.
const (
	Own      Proof = iota // the user says so and nobody else has to agree: a nick, a name
	ByCode                // a code that was sent to the address came back
	ByIssuer              // the operator, or the native messaging system, vouches for it
)

// Reach is to whom an entry, or a person, may be shown: "nobody", "own" (users of the same provider), "everybody", or domains of
// providers in alphabetical order with a blank between two, the own one included or not. The zero value is nobody.
type Reach string

// The named ones.
const (
	Nobody    Reach = "nobody"
	OwnUsers  Reach = "own"
	Everybody Reach = "everybody"
)

// mostReached bounds the domains of a Reach.
const mostReached = 32

// ErrReach refuses a reach that says nothing.
var ErrReach = errors.New("identity: who may see it is nobody, own, everybody or a list of provider domains")

// ParseReach reads what ParseReach or a person wrote; domains may stand in any order, with blanks or commas between.
func ParseReach(s string) (Reach, error) {
	switch r := Reach(strings.ToLower(strings.TrimSpace(s))); r {
	case Nobody, OwnUsers, Everybody:
		return r, nil
	}
	domains := strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ',' })
	if len(domains) == 0 || len(domains) > mostReached {
		return "", ErrReach
	}
	for i, d := range domains {
		p, err := uri.ProviderFromDomain(d)
		if err != nil {
			return "", ErrReach
		}
		domains[i] = p.Domain()
	}
	slices.Sort(domains)
	return Reach(strings.Join(slices.Compact(domains), " ")), nil
}

// covers reports whether the asking provider is among those who may see. self is whose users the entries are of.
func (r Reach) covers(asker, self uri.Provider) bool {
	switch r {
	case Nobody, "":
		return false
	case Everybody:
		return true
	case OwnUsers:
		return asker == self
	}
	return slices.Contains(strings.Fields(string(r)), asker.Domain())
}

// Person is what is known of one user. Reach bounds that of every entry: a hidden user is never found, whatever the entries say.
type Person struct {
	User    uri.User
	Reach   Reach
	Entries []Entry
}

// mostEntries bounds a person.
const mostEntries = 64

// find returns the place of an entry; -1: there is none.
func (p *Person) find(t mimi.SearchType, name, key string) int {
	return slices.IndexFunc(p.Entries, func(e Entry) bool { return e.Type == t && e.Name == name && e.Key == key })
}

// put adds an entry or replaces the one with the same key; a claim or property has one value.
func (p *Person) put(e Entry) error {
	i := p.find(e.Type, e.Name, e.Key)
	if e.Name != "" {
		i = slices.IndexFunc(p.Entries, func(o Entry) bool { return o.Type == e.Type && o.Name == e.Name })
	}
	switch {
	case i >= 0:
		e.Reach = p.Entries[i].Reach // a new value does not undo who may see it
		p.Entries[i] = e
	case len(p.Entries) >= mostEntries:
		return ErrFull
	default:
		p.Entries = append(p.Entries, e)
	}
	return nil
}

// visible reports whether somebody who asks for another provider may learn of the entry.
func (p *Person) visible(e *Entry, asker uri.Provider) bool {
	self := p.User.Provider()
	return p.Reach.covers(asker, self) && e.Reach.covers(asker, self)
}

// IsAddress reports whether entries of a type belong to one user at most and have to be proven.
func IsAddress(t mimi.SearchType) bool {
	return t == mimi.SearchHandle || t == mimi.SearchEmail || t == mimi.SearchPhone
}
