package follower

import (
	"cmp"
	"context"
	"crypto/sha256"
	"slices"
	"time"

	"parley/mimi"
	"parley/mls/wire"
	"parley/syntax"
	"parley/uri"
)

// SeenFor is how long a follower recognises what it got before: longer than any hub repeats it.
const SeenFor = 90 * 24 * time.Hour

// Notify takes what the hub of a room has accepted (§5.5); nil means that all of it is stored. The error is an *mimi.Error.
//
// One transaction. A crash before it leaves nothing, a crash after it is found by the repeated request.
func (f *Follower) Notify(ctx context.Context, caller uri.Provider, room uri.Room, r *mimi.NotifyBody) error {
	if caller != room.Provider() {
		return mimi.Errorf(mimi.Forbidden, "only the hub of a room speaks for it") // P-NT-13, P-NT-14
	}
	if len(r.Items) == 0 {
		return mimi.Errorf(mimi.BadRequest, "nothing to notify")
	}
	return f.deliver(ctx, room, r)
}

// arrival is an item made ready for the store.
type arrival struct {
	item    Item
	sum     [32]byte
	welcome *wire.Welcome
}

func (f *Follower) deliver(ctx context.Context, room uri.Room, r *mimi.NotifyBody) error {
	arrivals := make([]arrival, len(r.Items))
	arrived := uint64(max(f.cfg.Now().UnixMilli(), 0))
	for i := range r.Items {
		a, err := arrive(room, &r.Items[i])
		if err != nil {
			return err
		}
		a.item.Arrived = arrived
		arrivals[i] = *a
	}
	var reached map[uri.Client]bool
	var dropped int
	err := f.cfg.Store.Update(ctx, func(tx Tx) error {
		reached, dropped = make(map[uri.Client]bool), 0
		members, err := tx.Members(room)
		if err != nil {
			return err
		}
		for i := range arrivals {
			var to []uri.Client
			if to, members, err = route(tx, &arrivals[i], members); err != nil {
				return err
			}
			if to == nil {
				continue
			}
			if len(to) == 0 {
				dropped++
			}
			if err := tx.Deliver(arrivals[i].item, arrivals[i].sum, to); err != nil {
				return err
			}
			for _, client := range to {
				reached[client] = true
			}
		}
		return nil
	})
	if err != nil && !planted("answers before the commit") {
		return storeError(err)
	}
	f.tell(reached, dropped)
	return nil
}

func (f *Follower) tell(reached map[uri.Client]bool, dropped int) {
	if dropped > 0 && f.cfg.Dropped != nil {
		f.cfg.Dropped(dropped)
	}
	if len(reached) == 0 || f.cfg.Wake == nil {
		return
	}
	clients := make([]uri.Client, 0, len(reached))
	for c := range reached {
		clients = append(clients, c)
	}
	slices.SortFunc(clients, byText)
	f.cfg.Wake(clients)
}

func byText(a, b uri.Client) int { return cmp.Compare(a.String(), b.String()) }

func arrive(room uri.Room, m *mimi.FanoutMessage) (*arrival, error) {
	body, err := syntax.Marshal(m)
	if err != nil {
		return nil, mimi.Errorf(mimi.BadRequest, "an item cannot be encoded")
	}
	message, err := syntax.Marshal(&m.Message)
	if err != nil {
		return nil, mimi.Errorf(mimi.BadRequest, "an item cannot be encoded")
	}
	return &arrival{
		item:    Item{Room: room, Timestamp: m.Timestamp, Body: body},
		sum:     sha256.Sum256(message),
		welcome: m.Message.Welcome,
	}, nil
}

// route says which inboxes an item goes to: nil for one that was seen before, and none when no client here waits for it. A Welcome
// makes its receivers members.
func route(tx Tx, a *arrival, members []uri.Client) (to, after []uri.Client, err error) {
	seen, err := tx.Seen(a.item.Room, a.sum)
	if err != nil || seen && !planted("forgets what it saw") {
		return nil, members, err
	}
	if a.welcome == nil {
		return append([]uri.Client{}, members...), members, nil
	}
	to = []uri.Client{}
	for _, secret := range a.welcome.Secrets {
		client, known, err := tx.ClientOf(secret.NewMember)
		if err != nil {
			return nil, nil, err
		}
		if !known || slices.Contains(to, client) {
			continue // P-NT-18: of another provider, or of nobody
		}
		if err := tx.SetMember(a.item.Room, client, true); err != nil {
			return nil, nil, err
		}
		to = append(to, client)
	}
	slices.SortFunc(to, byText)
	after, err = tx.Members(a.item.Room)
	return to, after, err
}

// Sweep forgets what came longer than SeenFor ago.
func (f *Follower) Sweep(ctx context.Context) (forgotten int, err error) {
	err = f.cfg.Store.Update(ctx, func(tx Tx) error {
		forgotten, err = tx.Expire(f.cfg.Now().Add(-SeenFor))
		return err
	})
	return forgotten, storeError(err)
}
