package content

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// Receiver is what a receiving app can show. The zero value shows what every MIMI client has to and should be able to show.
type Receiver struct {
	// Preferred media types are understood and chosen before all others, liked most first: a vendor's own format that goes
	// beside a common one in one message (draft-ietf-mimi-content-08 §7.2), or one image format before another.
	Preferred []string
	Types     []string // media types understood besides; among them the sender's order decides. nil: Types of §7.1
	Languages []string // RFC 5646 tags that the user reads, liked most first
	// NoPreviews leaves out what senders call previews: the room's policy forbids them (see PreviewRules).
	NoPreviews bool
}

// RequiredTypes are the media types that every client has to be able to receive (§7.1).
func RequiredTypes() []string { return []string{MediaType, TypePlain, TypeMarkdown} }

// RecommendedTypes are the media types that a client should be able to receive besides (§7.1).
func RecommendedTypes() []string {
	return []string{TypeCommonMark, TypeHTML, "image/jpeg", "image/png"}
}

// Action is what a disposition asks of the receiver (§4.4).
type Action uint8

// The actions. Only ActionShow, ActionInline and ActionReact may fetch an external part without the user's word.
const (
	ActionShow    Action = iota // show by local policy: unspecified, render, and unknown dispositions
	ActionInline                // show in the conversation
	ActionReact                 // count as a reaction to the message replied to
	ActionOffer                 // attachment: offer for saving, do not show
	ActionPrompt                // session: ask the user whether to join, never join
	ActionPreview               // the sender's idea of what is behind a link: not to be trusted
	ActionNote                  // profile, icon: no action is defined; it never changes how anybody is named or pictured
)

// Action is what the disposition asks for.
func (d Disposition) Action() Action {
	switch d {
	case DispositionInline:
		return ActionInline
	case DispositionReaction:
		return ActionReact
	case DispositionAttachment:
		return ActionOffer
	case DispositionSession:
		return ActionPrompt
	case DispositionPreview:
		return ActionPreview
	case DispositionProfile, DispositionIcon:
		return ActionNote
	}
	return ActionShow
}

// View is what a receiver processes of a body: alternatives are chosen, parts shown inside of others are left out.
type View struct {
	Parts []Shown
	// Skipped are the part indexes of leaves that are not understood. They can be offered for saving.
	Skipped []int
	// Alternatives are the part indexes of the alternatives that were not chosen: others may see them instead of Parts, and a
	// sender may mean mischief by it (§9.5).
	Alternatives []int
}

// Shown is a single or external part that a receiver processes.
type Shown struct {
	Index  int  // part index
	Part   Part // an unspecified disposition and an empty language are those of the parts around it
	Action Action
	Embeds []int // part indexes of the parts that its text refers to and that are shown in it
}

// Fetch reports whether the external part may be fetched without the user's word: it can be verified, is not yet invalid and
// is meant to be shown. Room policy and size limits come on top.
func (s Shown) Fetch(now time.Time) bool {
	external, ok := s.Part.Body.(External)
	if !ok || s.Action > ActionReact {
		return false
	}
	return external.Validate() == nil && !external.Invalid(now)
}

// View resolves a body for the receiver (§4.4).
func (r Receiver) View(body Part) View {
	c := r.choose(body, 0)
	return View{Parts: embed(c.leaves), Skipped: c.skipped, Alternatives: c.others}
}

// fit says how well a part suits a receiver. Less is better.
type fit struct {
	missing  int // leaves that are not understood
	liking   int // best rank among the preferred media types
	language int // worst rank of a language
}

func (f fit) compare(g fit) int {
	return cmp.Or(cmp.Compare(f.missing, g.missing), cmp.Compare(f.liking, g.liking), cmp.Compare(f.language, g.language))
}

// choice is a part with the alternatives in it decided.
type choice struct {
	leaves  []Shown
	skipped []int
	others  []int
	fit     fit
	next    int // part index after it
}

// choose decides a part with the given part index. Null parts are ignored (A-C12).
func (r Receiver) choose(p Part, index int) choice {
	multi, ok := p.Body.(Multi)
	if !ok {
		return r.leaf(p, index)
	}
	c := choice{next: index + 1, fit: fit{liking: len(r.Preferred)}}
	var best *choice
	bestAt := 0
	for _, child := range multi.Parts {
		at := c.next
		got := r.choose(inherit(child, p), at)
		c.next = got.next
		if child.Body == nil || len(got.leaves)+len(got.skipped) == 0 {
			continue
		}
		if multi.Semantics != ChooseOne {
			c.add(got)
			continue
		}
		switch {
		case best == nil:
			best, bestAt = &got, at
		case got.fit.compare(best.fit) < 0:
			c.others = append(c.others, bestAt)
			best, bestAt = &got, at
		default:
			c.others = append(c.others, at)
		}
	}
	if best != nil {
		c.add(*best)
	}
	if multi.Semantics == SingleUnit && c.fit.missing > 0 {
		c.leaves = nil
	}
	slices.Sort(c.others)
	return c
}

func (c *choice) add(part choice) {
	c.leaves = append(c.leaves, part.leaves...)
	c.skipped = append(c.skipped, part.skipped...)
	c.others = append(c.others, part.others...)
	c.fit.missing += part.fit.missing
	c.fit.liking = min(c.fit.liking, part.fit.liking)
	c.fit.language = max(c.fit.language, part.fit.language)
}

func (r Receiver) leaf(p Part, index int) choice {
	c := choice{next: index + 1}
	if p.Body == nil || r.NoPreviews && p.Disposition == DispositionPreview {
		return c
	}
	liking, understood := r.liking(p)
	c.fit = fit{liking: liking, language: r.language(p.Language)}
	if !understood {
		c.fit.missing = 1
		c.skipped = []int{index}
		if _, external := p.Body.(External); !external {
			return c
		}
		p.Disposition = DispositionAttachment // what cannot be shown can be saved
	}
	c.leaves = []Shown{{Index: index, Part: p, Action: p.Disposition.Action()}}
	return c
}

// inherit gives a child what it leaves open.
func inherit(child, parent Part) Part {
	if child.Disposition == DispositionUnspecified {
		child.Disposition = parent.Disposition
	}
	if child.Language == "" {
		child.Language = parent.Language
	}
	return child
}

// liking is the rank of the part among the preferred media types; understood is false if it cannot be shown. What is offered
// for saving or names a session need not be shown.
func (r Receiver) liking(p Part) (rank int, understood bool) {
	var contentType string
	switch body := p.Body.(type) {
	case Single:
		contentType = body.ContentType
	case External:
		contentType = body.ContentType
	}
	if at := slices.IndexFunc(r.Preferred, func(t string) bool { return MatchMedia(t, contentType) }); at >= 0 {
		return at, true
	}
	if action := p.Disposition.Action(); action == ActionOffer || action == ActionPrompt {
		return len(r.Preferred), true
	}
	return len(r.Preferred), r.shows(contentType)
}

func (r Receiver) shows(contentType string) bool {
	if mediaName(contentType) == StatusMediaType {
		return true // it shows nothing
	}
	if !readableCharset(contentType) {
		return false
	}
	types := r.Types
	if types == nil {
		types = append(RequiredTypes(), append(RecommendedTypes(), "image/gif")...)
	}
	return slices.ContainsFunc(types, func(t string) bool { return MatchMedia(t, contentType) })
}

// language is the rank of the best of the comma-separated tags. No tag may be any language: it goes before a wrong one.
func (r Receiver) language(tags string) int {
	if len(r.Languages) == 0 {
		return 0
	}
	if strings.TrimSpace(tags) == "" {
		return len(r.Languages)
	}
	rank := len(r.Languages) + 1
	for tag := range strings.SplitSeq(tags, ",") {
		tag = strings.TrimSpace(tag)
		if at := slices.IndexFunc(r.Languages, func(wanted string) bool { return speaks(wanted, tag) }); at >= 0 {
			rank = min(rank, at)
		}
	}
	return rank
}

// speaks reports whether one tag is the other or a part of it: fr and fr-CA are near enough in both directions.
func speaks(wanted, tag string) bool {
	if len(wanted) > len(tag) {
		wanted, tag = tag, wanted
	}
	if wanted == "" || !strings.EqualFold(wanted, tag[:len(wanted)]) {
		return false
	}
	return len(wanted) == len(tag) || tag[len(wanted)] == '-'
}

// embed leaves out what is shown inside of another part, whatever its disposition. A text goes into an earlier text only, so
// that two that refer to each other do not vanish both; other parts go into the first text that refers to them. References
// to anything but a chosen leaf, and to the part itself, mean nothing.
func embed(leaves []Shown) []Shown {
	at := make(map[int]int, len(leaves)) // part index to position
	for n, l := range leaves {
		at[l.Index] = n
	}
	used := make([]bool, len(leaves))
	for n := range leaves {
		text, ok := containerText(leaves[n].Part)
		if !ok || used[n] {
			continue
		}
		for _, index := range References(text) {
			target, chosen := at[index]
			if !chosen || target == n || used[target] {
				continue
			}
			if _, container := containerText(leaves[target].Part); container && target < n {
				continue
			}
			used[target] = true
			leaves[n].Embeds = append(leaves[n].Embeds, index)
		}
	}
	var out []Shown
	for n, l := range leaves {
		if !used[n] {
			out = append(out, l)
		}
	}
	return out
}

// containerText is the text of a part of a kind that can refer to other parts (§4.4).
func containerText(p Part) (string, bool) {
	single, ok := p.Body.(Single)
	if !ok {
		return "", false
	}
	switch mediaName(single.ContentType) {
	case "text/html", "text/markdown", "text/vcard", "text/calendar":
		return string(single.Content), true
	}
	return "", false
}
