package hub

import (
	"parley/mls/wire"
	"parley/uri"
)

// Offer makes the hub take new rooms of another kind.
func (h *Hub) Offer(f func(at uri.Room, name string, creator uri.User, hub wire.ExternalSender) (wire.Extensions, error)) {
	h.offer = f
}

// Grace is how much later than judged an update may be stamped.
const Grace = grace
