package timeline

import (
	"slices"
	"time"

	"parley/content"
	"parley/uri"
)

// Reaction is one kind of reaction to a message.
type Reaction struct {
	Text string       // one character as a user sees it; empty: an image, sound or video
	Part content.Part // as the first user sent it
	By   []Reacted    // in the room's order; a user may be there twice, from two messages
}

// Reacted is one user's reaction.
type Reacted struct {
	User  uri.User
	Root  content.MessageID // what a deletion names to take it back
	ID    content.MessageID
	Older bool // it was to an earlier version than the one shown (§9.3)
}

// Users is how many users react so.
func (r Reaction) Users() int {
	users := map[uri.User]struct{}{}
	for _, by := range r.By {
		users[by.User] = struct{}{}
	}
	return len(users)
}

type reactionPart struct {
	key, text string
	part      content.Part
}

// reactionsOf are the reactions in a version. They are regular if each is one character or not a text; others are shown as a reply.
func (t *Timeline) reactionsOf(v *Version) (list []reactionPart, regular bool) {
	for _, s := range t.config.Receiver.View(v.Message.Body).Parts {
		r := reactionPart{part: s.Part}
		switch body := s.Part.Body.(type) {
		case content.Single:
			if content.MatchMedia(content.TypePlain, body.ContentType) || content.MatchMedia(content.TypeMarkdown, body.ContentType) {
				text, ok := content.ReactionText(string(body.Content))
				if !ok {
					return nil, false
				}
				r.key, r.text = text, text
			} else {
				r.key = body.ContentType + "\x00" + string(body.Content)
			}
		case content.External:
			r.key = body.ContentType + "\x01" + body.URL
		}
		if !slices.ContainsFunc(list, func(other reactionPart) bool { return other.key == r.key }) {
			list = append(list, r)
		}
	}
	return list, len(list) > 0
}

// reactions counts the reactions to a message.
func (t *Timeline) reactions(p place, now time.Time) []Reaction {
	base, current := p.strand.base(p.item), p.strand.current(p.item)
	if base.reacts() || len(p.item.answers) == 0 {
		return nil
	}
	var places []place
	counted := map[*item]bool{}
	for _, v := range p.item.answers {
		it := t.items[t.root(v.ID)]
		if it == nil || counted[it] {
			continue
		}
		counted[it] = true
		for _, q := range it.places {
			to := q.strand.base(it)
			if state, _ := t.state(q, now); state == Present && to.reacts() && to.Rights.has(React) && t.root(*to.Message.InReplyTo) == p.item.root {
				places = append(places, q)
			}
		}
	}
	slices.SortFunc(places, place.compare)
	var list []Reaction
	index := map[string]int{}
	for _, q := range places {
		to, shown := q.strand.base(q.item), q.strand.current(q.item)
		target := t.versions[*to.Message.InReplyTo]
		if target != nil && target.Sender != p.strand.author {
			continue // to somebody's edit that has no effect
		}
		parts, regular := t.reactionsOf(shown)
		if !regular {
			continue
		}
		by := Reacted{User: q.strand.author, Root: q.item.root, ID: shown.ID, Older: *to.Message.InReplyTo != current.ID}
		for _, r := range parts {
			at, found := index[r.key]
			if !found {
				at = len(list)
				index[r.key] = at
				list = append(list, Reaction{Text: r.text, Part: r.part})
			}
			list[at].By = append(list[at].By, by)
		}
	}
	return list
}
