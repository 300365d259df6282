package memory

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"parley/identity"
	"parley/uri"
)

// Identity keeps accounts and pinned authorities in memory. An Update works on a copy that replaces the state when it succeeds.
type Identity struct {
	mu    sync.Mutex
	state identityState
}

type identityState struct {
	users   map[uri.User]identity.User
	codes   map[identity.Hash]identity.Code
	devices map[uri.Client]identity.Device
	pins    map[uri.Provider]identity.Pin
	people
}

// Update runs f in a transaction.
func (s *Identity) Update(ctx context.Context, f func(identity.Tx) error) error {
	return s.update(ctx, func(t *identityState) error { return f(t) })
}

// View runs f on the current state; f must not write.
func (s *Identity) View(ctx context.Context, f func(identity.Tx) error) error {
	return s.view(ctx, func(t *identityState) error { return f(t) })
}

// UpdatePins runs f in a transaction.
func (s *Identity) UpdatePins(ctx context.Context, f func(identity.PinTx) error) error {
	return s.update(ctx, func(t *identityState) error { return f(t) })
}

// ViewPins runs f on the current state; f must not write.
func (s *Identity) ViewPins(ctx context.Context, f func(identity.PinTx) error) error {
	return s.view(ctx, func(t *identityState) error { return f(t) })
}

func (s *Identity) update(ctx context.Context, f func(*identityState) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	next := s.state.copy()
	if err := f(&next); err != nil {
		return err
	}
	s.state = next
	return nil
}

func (s *Identity) view(ctx context.Context, f func(*identityState) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	snapshot := s.state.copy()
	s.mu.Unlock()
	return f(&snapshot)
}

func (t *identityState) copy() identityState {
	if t.users == nil {
		return identityState{
			users:   make(map[uri.User]identity.User),
			codes:   make(map[identity.Hash]identity.Code),
			devices: make(map[uri.Client]identity.Device),
			pins:    make(map[uri.Provider]identity.Pin),
			people:  newPeople(),
		}
	}
	return identityState{maps.Clone(t.users), maps.Clone(t.codes), maps.Clone(t.devices), maps.Clone(t.pins), t.people.copy()}
}

func (t *identityState) User(u uri.User) (identity.User, bool, error) {
	user, ok := t.users[u]
	return user, ok, nil
}

func (t *identityState) PutUser(u identity.User) error {
	t.users[u.URI] = u
	return nil
}

func (t *identityState) Users(after string, limit int) ([]identity.User, error) {
	var out []identity.User
	for _, u := range t.users {
		if u.URI.String() > after {
			out = append(out, u)
		}
	}
	slices.SortFunc(out, func(a, b identity.User) int { return cmp.Compare(a.URI.String(), b.URI.String()) })
	return out[:min(len(out), limit)], nil
}

func (t *identityState) PutCode(c identity.Code) error {
	t.codes[c.Hash] = c
	return nil
}

func (t *identityState) TakeCode(h identity.Hash) (identity.Code, bool, error) {
	c, ok := t.codes[h]
	delete(t.codes, h)
	return c, ok, nil
}

func (t *identityState) ExpireCodes(now time.Time) (int, error) {
	n := len(t.codes)
	maps.DeleteFunc(t.codes, func(_ identity.Hash, c identity.Code) bool { return !now.Before(c.Expires) })
	return n - len(t.codes), nil
}

func (t *identityState) DeleteUser(u uri.User) error {
	delete(t.users, u)
	return nil
}

func (t *identityState) DeviceByToken(token identity.Hash) (identity.Device, bool, error) {
	for _, d := range t.devices {
		if d.Token == token {
			return d, true, nil
		}
	}
	return identity.Device{}, false, nil
}

func (t *identityState) Devices(u uri.User) ([]identity.Device, error) {
	var out []identity.Device
	for _, d := range t.devices {
		if d.User == u {
			out = append(out, d)
		}
	}
	slices.SortFunc(out, func(a, b identity.Device) int { return cmp.Compare(a.Client.String(), b.Client.String()) })
	return out, nil
}

func (t *identityState) PutDevice(d identity.Device) error {
	t.devices[d.Client] = d
	return nil
}

func (t *identityState) Pin(p uri.Provider) (identity.Pin, bool, error) {
	pin, ok := t.pins[p]
	return pin, ok, nil
}

func (t *identityState) PutPin(p identity.Pin) error {
	t.pins[p.Provider] = p
	return nil
}

func (t *identityState) Pins() ([]identity.Pin, error) {
	out := slices.Collect(maps.Values(t.pins))
	slices.SortFunc(out, func(a, b identity.Pin) int { return cmp.Compare(a.Provider.String(), b.Provider.String()) })
	return out, nil
}
