package provider

import (
	"context"
	"errors"
	"maps"
	"slices"

	"parley/clientapi/api"
	"parley/identity"
	"parley/mimi"
	"parley/uri"
)

// kinds names what identifies people, by type.
var kinds = func() map[mimi.SearchType]string {
	out := make(map[mimi.SearchType]string)
	for name, code := range api.Kinds() {
		out[mimi.SearchType(code)] = name
	}
	return out
}()

func kindOf(name string) mimi.SearchType { return mimi.SearchType(api.Kinds()[name]) }

func (d *devices) person(ctx context.Context, v identity.Device) (*api.Person, error) {
	person, pending, err := d.people.Person(ctx, v.User)
	if errors.Is(err, identity.ErrUser) {
		return nil, errGone
	}
	if err != nil {
		return nil, err
	}
	return personOf(&person, pending), nil
}

func personOf(person *identity.Person, pending []identity.Pending) *api.Person {
	out := &api.Person{User: person.User.String(), Reach: string(person.Reach), Entries: []api.Fact{}, Pending: []api.Waiting{}}
	for _, e := range person.Entries {
		out.Entries = append(out.Entries, api.Fact{Type: kinds[e.Type], Name: e.Name, Value: e.Value, Proven: e.Proof != identity.Own,
			Reach: string(e.Reach)})
	}
	for _, w := range pending {
		out.Pending = append(out.Pending, api.Waiting{Type: kinds[w.Type], Value: w.Value, Expires: uint64(w.Expires.UnixMilli())})
	}
	return out
}

func (d *devices) changePerson(ctx context.Context, v identity.Device, r *api.PersonChange) (*api.Person, error) {
	if err := d.change(ctx, v.User, r); err != nil {
		return nil, refused(err)
	}
	return d.person(ctx, v)
}

func (d *devices) change(ctx context.Context, user uri.User, r *api.PersonChange) error {
	t := kindOf(r.Type)
	switch r.Action {
	case api.PersonProve:
		return d.people.Claim(ctx, user, t, r.Value)
	case api.PersonConfirm:
		return d.people.Confirm(ctx, user, t, r.Value, r.Code)
	case api.PersonSet:
		return d.people.Set(ctx, user, t, r.Name, r.Value)
	case api.PersonWithdraw:
		return d.people.Withdraw(ctx, user, t, r.Name, r.Value)
	case api.PersonShow, api.PersonHide:
		reach, err := identity.ParseReach(r.Reach)
		if err != nil {
			return err
		}
		if r.Action == api.PersonHide {
			return d.people.Hide(ctx, user, reach)
		}
		return d.people.Show(ctx, user, t, r.Name, r.Value, reach)
	}
	return errAction
}

var (
	errAction = &api.Error{Code: api.BadRequest, Detail: "the action is prove, confirm, set, withdraw, show or hide"}
	errGone   = &api.Error{Code: api.NotFound, Detail: "the user is not known here (any more)"}
)

// refused says to a device what is wrong with a change.
func refused(err error) error {
	for _, r := range []struct {
		err  error
		code api.Code
		text string
	}{
		{identity.ErrProof, api.Forbidden, "the code is not the one that was sent, or has ended; ask for a new one"},
		{identity.ErrForeign, api.Forbidden, "such addresses are given by the provider; its operator can add them"},
		{identity.ErrSending, api.Conflict, "this provider could not send a code to the address; its operator can confirm it"},
		{identity.ErrTooMany, api.TooMany, "too many codes were asked for; try again in an hour"},
		{identity.ErrNoEntry, api.NotFound, "there is no such address or field"},
		{identity.ErrFull, api.Conflict, "there are too many addresses and fields; take one away first"},
		{identity.ErrReach, api.BadRequest, "who may find it is nobody, own, everybody, or domains of providers"},
		{identity.ErrAddress, api.BadRequest, "the address is not well-formed; a phone number begins with + and the country code"},
		{identity.ErrField, api.BadRequest, "there is no such address or field of a profile, or it needs a proof"},
		{identity.ErrValue, api.BadRequest, "the value is empty, too long or has characters that it may not have"},
		{identity.ErrUser, api.NotFound, errGone.Detail},
	} {
		if errors.Is(err, r.err) {
			return &api.Error{Code: r.code, Detail: r.text}
		}
	}
	return err
}

func (d *devices) search(ctx context.Context, v identity.Device, r *mimi.IdentifierRequest) (*api.Found, error) {
	f, err := d.find(ctx, v.User, r)
	if err != nil {
		return nil, waiting(err)
	}
	out := &api.Found{Code: uint8(f.Code), Matches: []api.Match{}, Asked: domains(f.Asked), Failed: domains(f.Failed)}
	for _, p := range f.Profiles {
		m := api.Match{User: p.Stable, Fields: []api.MatchField{}}
		for _, field := range p.Fields {
			m.Fields = append(m.Fields, api.MatchField{Type: kinds[mimi.SearchType(field.Source)], Name: field.Name, Value: string(field.Value)})
		}
		out.Matches = append(out.Matches, m)
	}
	return out, nil
}

func domains(list []uri.Provider) []string {
	out := make(map[string]bool)
	for _, p := range list {
		out[p.Domain()] = true
	}
	if len(out) == 0 {
		return []string{}
	}
	return slices.Sorted(maps.Keys(out))
}
