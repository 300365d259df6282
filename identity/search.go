package identity

import (
	"context"
	"errors"
	"slices"
	"strings"

	"parley/mimi"
	"parley/uri"
)

// SearchPolicy says what may be searched. The zero value sets sensible limits.
type SearchPolicy struct {
	// Types lists what a provider may search by; nil: other providers whole values only (P-IQ-13), the own users everything.
	Types func(asker uri.Provider) []mimi.SearchType
	// Matches is how many persons a query may have found; above it, it was ambiguous. 0 means 10.
	Matches int
	// Daily is how many different identifiers a provider may ask for in a day; 0 means 50,000.
	Daily int
	// Misses is how many identifiers that were not found a provider may ask for in an hour; 0 means 1,000. What enumerates misses
	// most of the time, what looks up an address book does not ask for the same stranger again and again.
	Misses int
	// OwnDaily and OwnMisses are the same for one user of our own; 0 means 2,000 and 300.
	OwnDaily, OwnMisses int
}

var (
	exactTypes = []mimi.SearchType{mimi.SearchHandle, mimi.SearchNick, mimi.SearchEmail, mimi.SearchPhone, mimi.SearchOIDCClaim,
		mimi.SearchVCardField}
	allTypes = append(slices.Clone(exactTypes), mimi.SearchPartialName, mimi.SearchWholeProfile)
)

// Limits of one query, for what it may cost.
const (
	mostElements   = 8
	mostCandidates = 1000 // entries that one element may look at
	shortestPart   = 3    // characters of a part that is searched for
)

// Query answers an identifier query (§5.8) of another provider, or of a user of our own: then by is the user. An error is a *mimi.Error
// or the store's.
//
// A user who may not be found, an entry that may not be shown and an identifier that nobody has give the same octets after the same
// reads of the store, one for each element (P-IQ-09).
func (p *People) Query(ctx context.Context, asker uri.Provider, by uri.User, r *mimi.IdentifierRequest) (*mimi.IdentifierResponse, error) {
	if err := r.Validate(); err != nil {
		return nil, &mimi.Error{Code: mimi.BadRequest, Detail: err.Error(), Err: err}
	}
	if len(r.Elements) > mostElements {
		return nil, mimi.Errorf(mimi.BadRequest, "the query has too many elements")
	}
	elements, code := p.elements(asker, r.Elements)
	if code != mimi.QuerySuccess {
		return &mimi.IdentifierResponse{Code: code}, nil
	}
	account, err := p.spend(asker, by, elements)
	if err != nil {
		return nil, err
	}
	var answer *mimi.IdentifierResponse
	err = p.View(ctx, func(tx PeopleTx) (err error) {
		answer, err = p.search(tx, asker, elements)
		return err
	})
	if err != nil {
		return nil, err
	}
	if answer.Code == mimi.QueryNotFound {
		p.missed(account, len(elements))
	}
	return answer, nil
}

// element is a condition in the form in which the store is asked.
type element struct {
	kind mimi.SearchType
	name string
	key  string // or the folded part
}

// elements judges what is asked by policy and form, whoever is meant.
func (p *People) elements(asker uri.Provider, asked []mimi.QueryElement) ([]element, mimi.QueryCode) {
	allowed := exactTypes
	if asker == p.Provider {
		allowed = allTypes
	}
	if p.Policy.Types != nil {
		allowed = p.Policy.Types(asker)
	}
	out := make([]element, len(asked))
	for i, a := range asked {
		if !slices.Contains(allowed, a.Type) {
			return nil, mimi.QueryForbidden
		}
		e := element{kind: a.Type, name: a.Name}
		if t, ok := addressFields[a.Type][a.Name]; ok {
			e = element{kind: t}
		}
		var err error
		switch e.kind {
		case mimi.SearchPartialName, mimi.SearchWholeProfile:
			if e.key = Fold(a.Value); len([]rune(e.key)) < shortestPart {
				return nil, mimi.QueryForbidden // nearly everybody has an e
			}
		default:
			e.key, err = Key(e.kind, e.name, a.Value) // "": no entry has it
		}
		if errors.Is(err, ErrField) {
			return nil, mimi.QueryUnsupportedField
		}
		out[i] = e
	}
	return out, mimi.QuerySuccess
}

// search intersects what the elements find.
func (p *People) search(tx PeopleTx, asker uri.Provider, elements []element) (*mimi.IdentifierResponse, error) {
	var users []uri.User
	for i, e := range elements {
		found, err := p.candidates(tx, asker, e)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			users = found
			continue
		}
		users = slices.DeleteFunc(users, func(u uri.User) bool { return !slices.Contains(found, u) })
	}
	most := p.Policy.Matches
	if most == 0 {
		most = 10
	}
	switch {
	case len(users) == 0:
		return &mimi.IdentifierResponse{Code: mimi.QueryNotFound}, nil
	case len(users) > most:
		return &mimi.IdentifierResponse{Code: mimi.QueryAmbiguous}, nil
	}
	answer := &mimi.IdentifierResponse{Code: mimi.QuerySuccess}
	for _, u := range users {
		person, there, err := tx.Person(u)
		if err != nil || !there {
			return nil, err
		}
		answer.URIs = append(answer.URIs, u.String())
		if profile := p.profile(&person, asker, elements); len(profile.Fields) > 0 {
			answer.Profiles = append(answer.Profiles, profile)
		}
	}
	return answer, nil
}

// candidates are the users that one element finds and the asker may know of.
func (p *People) candidates(tx PeopleTx, asker uri.Provider, e element) ([]uri.User, error) {
	var found []Found
	var err error
	part := e.kind == mimi.SearchPartialName || e.kind == mimi.SearchWholeProfile
	if part {
		found, err = tx.Scan(e.key, mostCandidates)
	} else {
		found, err = tx.Find(e.kind, e.name, e.key, mostCandidates)
	}
	var out []uri.User
	for _, f := range found {
		if e.kind == mimi.SearchPartialName && !nameFields[f.Entry.Type][f.Entry.Name] {
			continue
		}
		if !f.Person.covers(asker, p.Provider) || !f.Entry.Reach.covers(asker, p.Provider) {
			continue
		}
		if !slices.Contains(out, f.User) {
			out = append(out, f.User)
		}
	}
	return out, err
}

// profile is what the asker learns besides the URI: names, and what it asked by. Less is better: whoever wants more can ask the person.
func (p *People) profile(person *Person, asker uri.Provider, elements []element) mimi.UserProfile {
	out := mimi.UserProfile{Stable: person.User.String()}
	for i := range person.Entries {
		e := &person.Entries[i]
		if e.Type != mimi.SearchOIDCClaim && e.Type != mimi.SearchVCardField || !person.visible(e, asker) {
			continue
		}
		asked := slices.ContainsFunc(elements, func(q element) bool { return q.kind == e.Type && q.name == e.Name })
		if !asked && !nameFields[e.Type][e.Name] {
			continue
		}
		out.Fields = append(out.Fields, mimi.ProfileField{Source: mimi.FieldSource(e.Type), Name: e.Name, Value: []byte(e.Value)})
	}
	slices.SortFunc(out.Fields, func(a, b mimi.ProfileField) int { return strings.Compare(a.Name, b.Name) })
	return out
}
