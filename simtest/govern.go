package simtest

import (
	"context"
	"fmt"
	"time"

	"parley/client"
	"parley/policy"
	"parley/uri"
)

// govern has somebody change a role, kick, ban or rename the room, mostly when the person's role allows it. Who was kicked or banned
// tries to come back later, and a ban may be lifted before that.
func (w *World) govern(ctx context.Context, d *device) error {
	r := w.aRoom(d)
	if r == nil {
		return nil
	}
	list, err := r.People()
	if err != nil {
		return err
	}
	role := uint32(0)
	var others []client.Person
	for _, p := range list {
		if p.User == d.account.User {
			role = p.Role
		} else {
			others = append(others, p)
		}
	}
	if len(others) == 0 || role < policy.RoleAdmin && !w.chance(0.15) {
		return nil
	}
	other := others[w.rng.IntN(len(others))]
	what := w.rng.IntN(4)
	w.say(&d.process, nil, "governs %s in %s: %s", other.User.Name(), w.short(r.URI), [4]string{"role", "kick", "ban or its end", "name"}[what])
	w.count("governed")
	switch what {
	case 0:
		_, err = d.client.SetRole(ctx, r.URI, other.User, policy.RoleAdmin)
	case 1:
		_, err = d.client.Kick(ctx, r.URI, other.User)
		w.comeBack(r.URI, other.User)
	case 2:
		if other.Role == policy.BannedRole {
			_, err = d.client.Unban(ctx, r.URI, other.User)
		} else {
			_, err = d.client.Ban(ctx, r.URI, other.User)
		}
		w.comeBack(r.URI, other.User)
	default:
		name := fmt.Sprint("room ", w.rng.IntN(100))
		_, err = d.client.Change(ctx, r.URI, client.Change{Name: &name})
	}
	return err
}

// comeBack has a user's devices try to enter a room again.
func (w *World) comeBack(at uri.Room, user uri.User) {
	for _, other := range w.devices {
		if other.account.User != user {
			continue
		}
		w.person(w.between(3*time.Second, 12*time.Second), func() *device { return other }, func(ctx context.Context, d *device) error {
			if r, known := d.client.Room(at); known && r.Active() {
				return nil
			}
			for _, i := range d.client.Intents() {
				if i.Kind == client.JoinRoom && i.Room == at.String() && i.Fate != client.Failed {
					return nil
				}
			}
			w.say(&d.process, nil, "tries to come back into %s", w.short(at))
			w.count("comebacks")
			_, err := d.client.Join(ctx, at)
			return err
		})
	}
}
