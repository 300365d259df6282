package provider

import (
	"context"
	"errors"
	"time"

	"parley/identity"
	"parley/mimi"
	"parley/uri"
)

// AddressChange is what an operator says of a user's address, on the word of whoever gave it out.
type AddressChange struct {
	User     string `json:"user"`
	Type     string `json:"type"` // handle, email or phone
	Value    string `json:"value"`
	Reach    string `json:"reach"`
	Withdraw bool   `json:"withdraw"`
}

// PersonEntry is what is known of a user, and what became of its addresses.
type PersonEntry struct {
	User      string         `json:"user"`
	Reach     string         `json:"reach"`
	Addresses []AddressEntry `json:"addresses"`
	Changes   []ChangeEntry  `json:"changes"`
}

// AddressEntry is an address or a field of the profile.
type AddressEntry struct {
	Type  string    `json:"type"`
	Name  string    `json:"name,omitempty"`
	Value string    `json:"value"`
	Proof string    `json:"proof"` // own, code or issuer
	Since time.Time `json:"since"`
	Reach string    `json:"reach"`
}

// ChangeEntry is a line of the history.
type ChangeEntry struct {
	At    time.Time `json:"at"`
	Type  string    `json:"type"`
	Value string    `json:"value"`
	What  string    `json:"what"` // gained, withdrawn or lost
}

// mostChanges is how much of a history is shown.
const mostChanges = 100

// user reads mimi://a.example/u/alice or alice.
func (d *desk) user(name string) (uri.User, error) {
	if u, err := uri.ParseUser(name); err == nil && u.Provider() == d.self {
		return u, nil
	}
	u, err := uri.NewUser(d.self, name)
	if err != nil {
		return uri.User{}, identity.ErrUser
	}
	return u, nil
}

func (d *desk) address(ctx context.Context, c AddressChange) (*PersonEntry, error) {
	user, err := d.user(c.User)
	if err != nil {
		return nil, err
	}
	t := kindOf(c.Type)
	if !identity.IsAddress(t) {
		return nil, identity.ErrField
	}
	if c.Withdraw {
		err = d.people.Withdraw(ctx, user, t, "", c.Value)
	} else {
		err = d.assert(ctx, user, t, c)
	}
	if err != nil {
		return nil, err
	}
	return d.personEntry(ctx, c.User)
}

// assert gives the address. A user that was made while the provider did not run becomes a person on the way.
func (d *desk) assert(ctx context.Context, user uri.User, t mimi.SearchType, c AddressChange) error {
	reach, err := identity.ParseReach(c.Reach)
	if err != nil {
		return err
	}
	if _, err := d.accounts.Devices(ctx, user); err != nil {
		return err
	}
	return errors.Join(d.people.Introduce(ctx, user), d.people.Assert(ctx, user, t, c.Value, reach))
}

func (d *desk) personEntry(ctx context.Context, name string) (*PersonEntry, error) {
	user, err := d.user(name)
	if err != nil {
		return nil, err
	}
	person, _, err := d.people.Person(ctx, user)
	if err != nil {
		return nil, err
	}
	changes, err := d.people.History(ctx, user, mostChanges)
	if err != nil {
		return nil, err
	}
	out := &PersonEntry{User: user.String(), Reach: string(person.Reach), Addresses: []AddressEntry{}, Changes: []ChangeEntry{}}
	proofs := map[identity.Proof]string{identity.Own: "own", identity.ByCode: "code", identity.ByIssuer: "issuer"}
	for _, e := range person.Entries {
		out.Addresses = append(out.Addresses, AddressEntry{Type: kinds[e.Type], Name: e.Name, Value: e.Value, Proof: proofs[e.Proof],
			Since: e.Since.UTC(), Reach: string(e.Reach)})
	}
	what := map[identity.ChangeKind]string{identity.Gained: "gained", identity.Withdrawn: "withdrawn", identity.Lost: "lost"}
	for _, c := range changes {
		out.Changes = append(out.Changes, ChangeEntry{At: c.At.UTC(), Type: kinds[c.Type], Value: c.Key, What: what[c.What]})
	}
	return out, nil
}
