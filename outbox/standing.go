package outbox

import (
	"context"
	"errors"
	"slices"
	"strings"

	"parley/mimi"
	"parley/syntax"
	"parley/uri"
)

// Waiting is a lane and the first item that its destination has not taken.
type Waiting struct {
	Lane
	Body []byte // encoded mimi.FanoutMessage
}

// Standing is how a room stands with one destination. What was accepted before Oldest has been taken there, but for Refused.
type Standing struct {
	Lane    Lane     // its Destination is set, the rest only when something waits
	Oldest  uint64   // acceptance time of the first item that was not taken, in milliseconds since 1970; 0: nothing waits
	Refused []uint64 // acceptance times of items that the destination refused for good
}

// ErrMany means that so much is parked that it cannot be told what of it is of one room.
var ErrMany = errors.New("outbox: too much is parked")

const mostRefused = 1024

// Standings tells how a room stands with the destinations for which something waits or that have refused something, by name. At all
// others everything was taken that the hub has accepted.
//
// One snapshot.
func (o *Outbox) Standings(ctx context.Context, room uri.Room) (list []Standing, err error) {
	err = o.cfg.Store.ViewDesk(ctx, func(tx DeskTx) error {
		list = nil
		lanes, err := tx.Waiting(room)
		if err != nil {
			return err
		}
		for _, w := range lanes {
			list = append(list, Standing{Lane: w.Lane, Oldest: acceptedIn(w.Body)})
		}
		parked, err := tx.Parked("", uri.Room{}, 0, mostRefused)
		if err != nil {
			return err
		}
		if len(parked) == mostRefused {
			return ErrMany
		}
		for _, p := range parked {
			if p.Room != room {
				continue
			}
			at := slices.IndexFunc(list, func(s Standing) bool { return s.Lane.Destination == p.Destination })
			if at < 0 {
				at = len(list)
				list = append(list, Standing{Lane: Lane{Destination: p.Destination, Room: room}})
			}
			list[at].Refused = append(list[at].Refused, acceptedIn(p.Body))
		}
		return nil
	})
	slices.SortFunc(list, func(a, b Standing) int { return strings.Compare(a.Lane.Destination, b.Lane.Destination) })
	return list, err
}

// acceptedIn is the hub's time in an item, 0 when it cannot be read.
func acceptedIn(body []byte) uint64 {
	var m mimi.FanoutMessage
	if syntax.Unmarshal(body, &m) != nil {
		return 0
	}
	return m.Timestamp
}
