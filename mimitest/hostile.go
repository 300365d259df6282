package mimitest

import (
	"context"
	"time"

	"parley/mimi"
	"parley/mls/wire"
	"parley/uri"
)

// HostileHub is a hub that fans out whatever it likes: it judges nothing, keeps no order and tells one provider another thing than the
// next. What it sends has the signatures of those who signed it, because those it cannot make.
type HostileHub struct {
	Room uri.Room
	Now  func() time.Time
	// Peer is a follower as it serves this hub.
	Peer func(to uri.Provider) mimi.Service
}

// Tell notifies one provider of handshakes or messages, each as an item of its own, as if they had been accepted.
func (h *HostileHub) Tell(ctx context.Context, to uri.Provider, messages ...wire.Message) error {
	body := new(mimi.NotifyBody)
	for _, m := range messages {
		body.Items = append(body.Items, mimi.FanoutMessage{Timestamp: uint64(h.Now().UnixMilli()), Message: m})
	}
	return h.Peer(to).Notify(ctx, h.Room, body)
}
