package timeline

import (
	"bytes"
	"slices"
	"time"

	"parley/content"
	"parley/uri"
)

const (
	maxVersions = 64 // of one message by one author: the first and the latest are kept
	maxRefused  = 16 // edits without the right to, of one message by one author: the latest are kept
)

// item is one message with all that names it as its first version.
type item struct {
	root      content.MessageID
	original  *Version  // nil until it is seen
	strands   []*strand // one per author
	deletions []*Version
	moved     *Version   // the last edit of the topic by somebody else who may
	answers   []*Version // what replies and reacts to versions of it
	read      time.Time  // when this user read it first
	dropped   []*Version // to be forgotten

	// What settle derives from the above.
	places   []place // where it stands in the timeline
	expiring bool    // listed in Timeline.expiring
}

// strand is the versions of an item by one author. While the original is not seen every author's strand is shown for itself:
// whose message it is nobody can tell then. Later only that of the original's author is.
type strand struct {
	author   uri.User
	versions []*Version // ascending; no deletions
	refused  []*Version // edits without the right to
	expired  bool
}

// take puts a version where it belongs.
func (it *item) take(v *Version) {
	if v.deletes() {
		it.addDeletion(v)
		return
	}
	if v.Message.Replaces == nil {
		it.original = v
	} else if v.Rights.has(EditOtherTopic) && (it.moved == nil || it.moved.Position().Compare(v.Position()) < 0) {
		it.moved = v
	}
	it.strand(v.Sender).add(it, v)
}

// addDeletion keeps the first deletion of a sender with certain rights: it decides.
func (it *item) addDeletion(v *Version) {
	at := slices.IndexFunc(it.deletions, func(d *Version) bool { return d.Sender == v.Sender && d.Rights == v.Rights })
	if at < 0 {
		it.deletions = append(it.deletions, v)
		return
	}
	if v.Position().Compare(it.deletions[at].Position()) < 0 {
		v, it.deletions[at] = it.deletions[at], v
	}
	it.dropped = append(it.dropped, v)
}

func (it *item) strand(author uri.User) *strand {
	for _, s := range it.strands {
		if s.author == author {
			return s
		}
	}
	s := &strand{author: author}
	it.strands = append(it.strands, s)
	return s
}

func (s *strand) add(it *item, v *Version) {
	list, most := &s.versions, maxVersions
	if v != it.original && v.Rights&(EditOwnMessage|EditReaction) == 0 {
		list, most = &s.refused, maxRefused
	}
	at, _ := slices.BinarySearchFunc(*list, v, func(x, y *Version) int { return x.Position().Compare(y.Position()) })
	*list = slices.Insert(*list, at, v)
	if len(*list) <= most {
		return
	}
	out := 1 // the first stays
	if (*list)[out] == it.original {
		out++
	}
	it.dropped = append(it.dropped, (*list)[out])
	*list = slices.Delete(*list, out, out+1)
}

// absorb takes all of another item in, which turned out to be of versions of this one.
func (it *item) absorb(other *item) {
	for _, s := range other.strands {
		into := it.strand(s.author)
		into.expired = into.expired || s.expired
		for _, v := range s.versions {
			into.add(it, v)
		}
		for _, v := range s.refused {
			into.add(it, v)
		}
	}
	for _, d := range other.deletions {
		it.addDeletion(d)
	}
	if m := other.moved; m != nil && (it.moved == nil || it.moved.Position().Compare(m.Position()) < 0) {
		it.moved = m
	}
	if len(it.answers) < len(other.answers) {
		it.answers, other.answers = other.answers, it.answers
	}
	it.answers = append(it.answers, other.answers...)
	if it.read.IsZero() || !other.read.IsZero() && other.read.Before(it.read) {
		it.read = other.read
	}
}

// shown are the strands that may be shown.
func (it *item) shown() []*strand {
	if it.original == nil {
		return it.strands
	}
	return []*strand{it.strand(it.original.Sender)}
}

// base is the version whose topic, reply, expiry and kind count: the original, or the first that is known. It is nil for a strand
// that is empty or of refused edits only.
func (s *strand) base(it *item) *Version {
	if it.original != nil && it.original.Sender == s.author {
		return it.original
	}
	if len(s.versions) == 0 {
		return nil
	}
	return s.versions[0]
}

// current is the version that is shown: the last of those that the author was allowed to make (C-EDT-02).
func (s *strand) current(it *item) *Version {
	base := s.base(it)
	if base == nil {
		return nil
	}
	for _, v := range slices.Backward(s.versions) {
		if v == base || v.Rights.has(editRight(base)) {
			return v
		}
	}
	return base
}

func editRight(base *Version) Rights {
	if base.reacts() {
		return EditReaction
	}
	return EditOwnMessage
}

// deletion is the first deletion with effect on the strand, nil if there is none (C-DEL-03).
func (s *strand) deletion(it *item) *Version {
	base := s.base(it)
	if base == nil {
		return nil
	}
	return s.deletedAs(it, base.reacts())
}

// deletedAs is the first deletion with effect if the strand is a reaction, or if it is none.
func (s *strand) deletedAs(it *item, reaction bool) *Version {
	own, other := DeleteOwnMessage, DeleteOtherMessage
	if reaction {
		own, other = DeleteOwnReaction, DeleteOtherReaction
	}
	var first *Version
	for _, d := range it.deletions {
		allowed := d.Rights.has(other) || d.Sender == s.author && d.Rights.has(own)
		if allowed && (first == nil || d.Position().Compare(first.Position()) < 0) {
			first = d
		}
	}
	return first
}

// gone reports whether the content of the strand is to be erased. As long as the original is not here it may turn out to be a
// reaction or none; then only a deletion counts that has effect on both.
func (s *strand) gone(it *item) bool {
	switch {
	case s.expired:
		return true
	case it.original == nil:
		return s.deletedAs(it, true) != nil && s.deletedAs(it, false) != nil
	}
	return s.deletion(it) != nil
}

// erase drops the content of strands that are deleted or have expired.
func (t *Timeline) erase(it *item) []Erasure {
	var list []Erasure
	for _, s := range it.strands {
		if !s.gone(it) {
			continue
		}
		for _, group := range [][]*Version{s.versions, s.refused} {
			for _, v := range group {
				if !v.Erased {
					list = append(list, v.erase())
				}
			}
		}
	}
	return list
}

// refusal is why a version has no effect, nil if it has one or may have one once more is known.
func (t *Timeline) refusal(it *item, v *Version) error {
	if v.deletes() {
		return it.refusedDeletion(v)
	}
	if it.original != nil && v.Sender != it.original.Sender {
		if it.moves(v) {
			return nil
		}
		return ErrAuthor
	}
	s := it.strand(v.Sender)
	base := s.base(it)
	if base == nil || v != base && !v.Rights.has(editRight(base)) {
		return ErrRight
	}
	if d := s.deletion(it); s.expired || v != base && d != nil && d.Position().Compare(v.Position()) < 0 {
		return ErrGone
	}
	switch {
	case v == base && v.reacts():
		return t.refusedReaction(v)
	case v == base && v.Message.InReplyTo != nil && !v.Rights.has(Reply):
		return ErrRight
	}
	return nil
}

// moves reports whether somebody's version of another's message changes its topic, or puts it back to what it was at first.
func (it *item) moves(v *Version) bool {
	if !v.Rights.has(EditOtherTopic) {
		return false
	}
	if !bytes.Equal(v.Message.Topic, it.original.Message.Topic) {
		return true
	}
	for _, s := range it.strands {
		for _, w := range s.versions {
			earlier := w.Position().Compare(v.Position()) < 0 && s.author != it.original.Sender
			if earlier && w.Rights.has(EditOtherTopic) && !bytes.Equal(w.Message.Topic, v.Message.Topic) {
				return true
			}
		}
	}
	return false
}

// refusedDeletion judges a deletion, as far as can be told.
func (it *item) refusedDeletion(d *Version) error {
	if it.original == nil {
		return nil
	}
	s := it.strand(it.original.Sender)
	first := s.deletion(it)
	switch {
	case first == d || first != nil && first.Sender == d.Sender:
		return nil
	case first != nil:
		return ErrGone
	case d.Sender != s.author:
		return ErrAuthor
	}
	return ErrRight
}

func (t *Timeline) refusedReaction(v *Version) error {
	target := t.items[t.root(*v.Message.InReplyTo)]
	switch {
	case !v.Rights.has(React):
		return ErrRight
	case target == nil || target.original == nil:
		return nil
	case target.original.reacts():
		return ErrTarget
	case target.strand(target.original.Sender).gone(target):
		return ErrGone
	}
	return nil
}
