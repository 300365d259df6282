package provider

import (
	"sync"

	"parley/uri"
)

// wakes tells waiting event streams that their inbox got something. A hint may be lost with its stream; the inbox is the truth.
type wakes struct {
	mu sync.Mutex
	by map[uri.Client]map[chan struct{}]bool
	n  int
}

// wake never blocks.
func (w *wakes) wake(clients []uri.Client) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range clients {
		for ch := range w.by[c] {
			hint(ch)
		}
	}
}

// wait registers a stream of a client.
func (w *wakes) wait(client uri.Client) (<-chan struct{}, func()) {
	ch := make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.by == nil {
		w.by = make(map[uri.Client]map[chan struct{}]bool)
	}
	if w.by[client] == nil {
		w.by[client] = make(map[chan struct{}]bool)
	}
	w.by[client][ch] = true
	w.n++
	return ch, sync.OnceFunc(func() { w.leave(client, ch) })
}

func (w *wakes) leave(client uri.Client, ch chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.by[client], ch)
	if len(w.by[client]) == 0 {
		delete(w.by, client)
	}
	w.n--
}

// count is how many streams wait.
func (w *wakes) count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.n
}

// hint leaves one token in a channel of capacity one.
func hint(ch chan<- struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// cut ends what a revoked device waits for: its streams look at their inbox, and events refuses.
func (p *Provider) cut(client uri.Client) {
	p.revoked.Store(client, true)
	p.wakes.wake([]uri.Client{client})
	p.log.Warn("a device was revoked by an operator", "device", uri.Hash(client.String()))
}
