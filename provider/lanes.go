package provider

import (
	"context"
	"errors"
	"slices"

	"parley/clientapi/api"
	"parley/follower"
	"parley/identity"
	"parley/outbox"
	"parley/uri"
)

// lanes tells a member of a room of our hub which providers have not taken everything. Nobody else learns which providers there are.
func (d *devices) lanes(ctx context.Context, v identity.Device, room uri.Room) (*api.Lanes, error) {
	unknown := &api.Error{Code: api.NotFound, Detail: "there is no such room here, or the device is not in it"}
	if room.Provider() != d.cfg.Provider {
		return nil, unknown
	}
	member := false
	err := d.cfg.Store.Follower.View(ctx, func(tx follower.Tx) error {
		members, err := tx.Members(room)
		member = slices.Contains(members, v.Client)
		return err
	})
	if err != nil {
		return nil, err
	}
	if !member {
		return nil, unknown
	}
	list, err := d.outbox.Standings(ctx, room)
	if errors.Is(err, outbox.ErrMany) {
		return nil, &api.Error{Code: api.Unavailable, Detail: "too much is parked to tell"}
	}
	if err != nil {
		return nil, err
	}
	out := &api.Lanes{Lanes: []api.Lane{}}
	for _, s := range list {
		l := api.Lane{Provider: s.Lane.Destination, Oldest: s.Oldest, Tries: s.Lane.Tries, Refused: s.Refused}
		if l.Refused == nil {
			l.Refused = []uint64{}
		}
		if !s.Lane.Next.IsZero() && !s.Lane.Parked && s.Oldest > 0 && s.Lane.Tries > 0 {
			l.Next = uint64(s.Lane.Next.UnixMilli())
		}
		out.Lanes = append(out.Lanes, l)
	}
	return out, nil
}
