package timeline

import (
	"bytes"
	"slices"

	"parley/content"
)

// maxChain is how many replies to replies are followed in search of a loop. A longer loop is not told, nor followed.
const maxChain = 1000

// place is where a strand stands in the timeline.
type place struct {
	at     content.Position
	item   *item
	strand *strand
	topic  string
	moved  bool // topic was given to it later, by somebody who may
}

func (p place) compare(q place) int { return p.at.Compare(q.at) }

// thread is what has the same topic.
type thread struct {
	places  []place
	starter int // index of the first who was allowed to start it; len(places): nobody
	counted bool
}

func insertPlace(list []place, p place) []place {
	if n := len(list); n == 0 || list[n-1].compare(p) < 0 {
		return append(list, p)
	}
	at, _ := slices.BinarySearchFunc(list, p, place.compare)
	return slices.Insert(list, at, p)
}

func removePlace(list []place, p place) []place {
	at, found := slices.BinarySearchFunc(list, p, place.compare)
	if !found {
		return list
	}
	return slices.Delete(list, at, at+1)
}

// settle brings what is derived from an item up to date.
func (t *Timeline) settle(it *item) {
	t.unplace(it)
	for _, s := range it.shown() {
		base := s.base(it)
		if base == nil {
			continue
		}
		if base.Message.Expires != nil && !it.expiring {
			it.expiring = true
			t.expiring = append(t.expiring, it)
		}
		t.place(place{at: base.Position(), item: it, strand: s})
	}
}

func (t *Timeline) place(p place) {
	if base := p.strand.base(p.item); !base.reacts() {
		p.topic, p.moved = p.strand.topic(p.item)
	}
	p.item.places = append(p.item.places, p)
	t.places = insertPlace(t.places, p)
	if p.topic == "" {
		return
	}
	th := t.topics[p.topic]
	if th == nil {
		th = &thread{}
		t.topics[p.topic] = th
	}
	th.places, th.counted = insertPlace(th.places, p), false
}

func (t *Timeline) unplace(it *item) {
	for _, p := range it.places {
		t.places = removePlace(t.places, p)
		if th := t.topics[p.topic]; th != nil {
			th.places, th.counted = removePlace(th.places, p), false
			if len(th.places) == 0 {
				delete(t.topics, p.topic)
			}
		}
	}
	it.places = nil
}

// topic is the topic of a strand: that of its base, unless somebody who may has changed it since (A-C11). An edit of one's own
// that has the first topic changes nothing: it merely copies it.
func (s *strand) topic(it *item) (topic string, moved bool) {
	base := s.base(it)
	last := it.moved
	if last != nil && last.Sender == s.author {
		last = nil
	}
	for _, group := range [][]*Version{s.versions, s.refused} {
		for _, v := range group {
			differs := v.Rights.has(EditOwnTopic) && !bytes.Equal(v.Message.Topic, base.Message.Topic)
			if differs && v != base && (last == nil || last.Position().Compare(v.Position()) < 0) {
				last = v
			}
		}
	}
	if last == nil {
		return string(base.Message.Topic), false
	}
	return string(last.Message.Topic), true
}

// permitted reports whether the topic of a place counts: it was moved there, or its author was allowed to start the topic, or to
// join it after somebody had (C-TPC-02).
func (t *Timeline) permitted(p place) bool {
	th := t.topics[p.topic]
	if th == nil || p.moved {
		return true
	}
	if !th.counted {
		th.starter = slices.IndexFunc(th.places, func(p place) bool {
			return !p.moved && p.strand.base(p.item).Rights.has(StartTopic)
		})
		if th.starter < 0 {
			th.starter = len(th.places)
		}
		th.counted = true
	}
	if th.starter == len(th.places) {
		return false
	}
	switch order := p.compare(th.places[th.starter]); {
	case order < 0:
		return false
	case order == 0:
		return true
	}
	return p.strand.base(p.item).Rights.has(ReplyInTopic)
}

// loops reports whether the replies that an item follows lead back to it. Since an ID is a hash of what it names, they do only
// through an item whose original is not here or was not checked (§4.1).
func (t *Timeline) loops(it *item) bool {
	at := it
	for range maxChain {
		if at = t.parent(at); at == nil {
			return false
		}
		if at == it {
			return true
		}
	}
	return false
}

// parent is the item that an item replies to, as far as it is known.
func (t *Timeline) parent(it *item) *item {
	if len(it.places) == 0 {
		return nil
	}
	p := it.first()
	to := p.strand.base(it).Message.InReplyTo
	if to == nil {
		return nil
	}
	return t.items[t.root(*to)]
}

// first is the first place of an item that has one.
func (it *item) first() place { return slices.MinFunc(it.places, place.compare) }
