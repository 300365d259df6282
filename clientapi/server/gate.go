package server

import (
	"slices"
	"sync"

	"parley/clientapi/api"
	"parley/uri"
)

// perClient is how many requests of one client may be served at once, streams and held polls not counted.
const perClient = 16

// gate bounds what is done at once, so that neither many clients nor a greedy one take all memory.
type gate struct {
	slots chan struct{} // one value per request being served

	mu   sync.Mutex
	busy map[uri.Client]int
	held map[uri.Client][]chan struct{} // oldest first; closed when a newer one takes the place
	free int                            // how many more may be held
}

func newGate(inFlight, held int) *gate {
	if inFlight == 0 {
		inFlight = 1024
	}
	if held == 0 {
		held = 16384
	}
	return &gate{slots: make(chan struct{}, inFlight), busy: make(map[uri.Client]int), held: make(map[uri.Client][]chan struct{}), free: held}
}

var errBusy = &api.Error{Code: api.Unavailable, Detail: "the provider has too much to do", RetryAfter: 1}

// enter takes a place among all requests. leave may be called more than once.
func (g *gate) enter() (leave func(), err error) {
	select {
	case g.slots <- struct{}{}:
		return sync.OnceFunc(func() { <-g.slots }), nil
	default:
		return nil, errBusy
	}
}

// of takes a place among the requests of a client.
func (g *gate) of(client uri.Client) (done func(), err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.busy[client] >= perClient {
		return nil, &api.Error{Code: api.TooMany, Detail: "too many requests of this client at once", RetryAfter: 1}
	}
	g.busy[client]++
	return sync.OnceFunc(func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.busy[client]--; g.busy[client] == 0 {
			delete(g.busy, client)
		}
	}), nil
}

// hold registers a stream or a held poll. ended is closed when a newer one of the client takes its place; that one then belongs to
// a client which came back while its old connection still looked alive.
func (g *gate) hold(client uri.Client) (ended <-chan struct{}, release func(), err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.free == 0 {
		return nil, nil, errBusy
	}
	all := g.held[client]
	if len(all) >= api.MaxHeld {
		close(all[0])
		all = all[1:]
	}
	own := make(chan struct{})
	g.held[client] = append(slices.Clip(all), own)
	g.free--
	return own, func() { g.release(client, own) }, nil
}

func (g *gate) release(client uri.Client, own chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.free++
	all := slices.DeleteFunc(slices.Clone(g.held[client]), func(c chan struct{}) bool { return c == own })
	if len(all) == 0 {
		delete(g.held, client)
		return
	}
	g.held[client] = all
}
