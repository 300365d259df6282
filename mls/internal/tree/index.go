package tree

import "hash/maphash"

// index is a persistent multiset of (key digest, node) pairs: a trie of 16 ways with buckets at its ends. It answers in which
// nodes a key may stand; the caller compares the key itself. Digests are seeded per process, so that nobody can choose keys
// which share one. A nil *index is empty.
type index struct {
	kids    *[16]*index
	entries []entry // of a bucket
	size    uint32
}

type entry struct {
	digest uint32
	at     NodeIndex
}

const (
	bucketSize = 12
	indexDepth = 8 // four bits of the digest each
)

func digestOf(seed maphash.Seed, key []byte) uint32 { return uint32(maphash.Bytes(seed, key)) }

func (t *Tree) entry(key content, at NodeIndex) entry {
	return entry{uint32(maphash.String(t.seed, string(key))), at}
}

// with returns the index with one more pair.
func (x *index) with(e entry, depth int) *index {
	if x == nil {
		return &index{entries: []entry{e}, size: 1}
	}
	if x.kids == nil && (len(x.entries) < bucketSize || depth == indexDepth) {
		entries := make([]entry, len(x.entries)+1) // no room for more: there are many buckets
		copy(entries, x.entries)
		entries[len(x.entries)] = e
		return &index{entries: entries, size: x.size + 1}
	}
	next := &index{kids: new([16]*index), size: x.size + 1}
	if x.kids != nil {
		*next.kids = *x.kids
	}
	for _, old := range x.entries {
		way := old.way(depth)
		next.kids[way] = next.kids[way].with(old, depth+1)
	}
	way := e.way(depth)
	next.kids[way] = next.kids[way].with(e, depth+1)
	return next
}

// less returns the index without one pair that it holds.
func (x *index) less(e entry, depth int) *index {
	if x == nil || x.size == 1 {
		return nil
	}
	next := &index{size: x.size - 1}
	if x.kids == nil {
		next.entries = make([]entry, 0, next.size)
		for _, old := range x.entries {
			if old != e {
				next.entries = append(next.entries, old)
			}
		}
		return next
	}
	next.kids = new([16]*index)
	*next.kids = *x.kids
	way := e.way(depth)
	next.kids[way] = next.kids[way].less(e, depth+1)
	if next.size > bucketSize/2 {
		return next
	}
	bucket := &index{size: next.size, entries: make([]entry, 0, next.size)}
	next.each(func(old entry) { bucket.entries = append(bucket.entries, old) })
	return bucket
}

func (x *index) each(yield func(entry)) {
	if x == nil {
		return
	}
	for _, e := range x.entries {
		yield(e)
	}
	if x.kids != nil {
		for _, kid := range x.kids {
			kid.each(yield)
		}
	}
}

// find calls yield with every node that stands under the digest.
func (x *index) find(digest uint32, yield func(NodeIndex)) {
	depth := 0
	for ; x != nil && x.kids != nil; depth++ {
		x = x.kids[entry{digest: digest}.way(depth)]
	}
	if x == nil {
		return
	}
	for _, e := range x.entries {
		if e.digest == digest {
			yield(e.at)
		}
	}
}

func (e entry) way(depth int) uint32 { return e.digest >> (4 * depth) & 15 }
