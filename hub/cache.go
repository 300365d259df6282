package hub

import (
	"sync"

	"parley/mls"
	"parley/uri"
)

// cachedRooms is how many decoded rooms a hub keeps at hand.
const cachedRooms = 512

// cache keeps decoded groups by room and version, the least recently used going first. The lock covers map work only.
type cache struct {
	mu    sync.Mutex
	limit int
	clock uint64
	rooms map[uri.Room]*cached
}

type cached struct {
	version uint64
	group   *mls.PublicGroup
	used    uint64
}

func newCache(limit int) *cache { return &cache{limit: limit, rooms: make(map[uri.Room]*cached)} }

func (c *cache) get(room uri.Room, version uint64) (*mls.PublicGroup, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.rooms[room]
	if !ok || e.version != version {
		return nil, false
	}
	c.clock++
	e.used = c.clock
	return e.group, true
}

func (c *cache) put(room uri.Room, version uint64, group *mls.PublicGroup) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.clock++
	c.rooms[room] = &cached{version, group, c.clock}
	if len(c.rooms) <= c.limit {
		return
	}
	var oldest uri.Room
	for room, e := range c.rooms {
		if o, ok := c.rooms[oldest]; !ok || e.used < o.used {
			oldest = room
		}
	}
	delete(c.rooms, oldest)
}
