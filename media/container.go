package media

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"parley/content"
)

// Entity is a body part of an MMBP: a multipart with its parts, or one that holds octets. External bodies are not part of the profile.
type Entity struct {
	Type      string // media type as it is written, parameters included
	ID        string // Content-ID without brackets; empty: none
	Content   []byte
	Parts     []Entity
	Optional  bool // of a parallel: may be missing
	Inline    bool
	Filename  string
	Languages string
}

// ErrContainer means that a container has no counterpart.
var ErrContainer = errors.New("media: the container cannot be mapped")

// Loss is something that the other side does not get.
type Loss string

// Losses.
const (
	LostTogether Loss = "parts that play together may be shown one after the other"
	LostExternal Loss = "a part outside of the message is not fetched here"
	LostNull     Loss = "an empty part has no counterpart"
)

const (
	maxDepth    = 4
	localDomain = "@local.invalid" // of rewritten Content-IDs
)

// ToMIMI maps an MMBP to a MIMI body (mission.md, section 2). Alternatives change their order: MIME puts the best last, MIMI the
// preferred first. Content-IDs become cid:<part index>@local.invalid, in the parts' text too.
func ToMIMI(e Entity) (content.Part, []Loss, error) {
	m := &toMIMI{ids: make(map[string]string)}
	m.number(&e)
	part, err := m.part(&e, 0)
	return part, m.losses, err
}

type toMIMI struct {
	ids    map[string]string // Content-ID: what it becomes
	next   int
	losses []Loss
}

// number gives every part its index in the order of the MIMI message: depth first, multiparts counted.
func (m *toMIMI) number(e *Entity) {
	index := m.next
	if e.ID != "" {
		m.ids[e.ID] = fmt.Sprintf("%d%s", index, localDomain)
	}
	if len(e.Parts) != 1 { // a multipart of one becomes its part
		m.next++
	}
	for _, i := range order(e) {
		m.number(&e.Parts[i])
	}
}

// order is the order of the parts in the MIMI message.
func order(e *Entity) []int {
	out := make([]int, len(e.Parts))
	for i := range out {
		out[i] = i
	}
	if name, _ := split(e.Type); name == "multipart/alternative" {
		slices.Reverse(out)
	}
	return out
}

// split is a media type's name in lower case, and the rest.
func split(mediaType string) (name, rest string) {
	name, rest, _ = strings.Cut(mediaType, ";")
	return strings.ToLower(strings.TrimSpace(name)), rest
}

func (m *toMIMI) part(e *Entity, depth int) (content.Part, error) {
	out := content.Part{Disposition: content.DispositionRender, Language: e.Languages}
	if e.Inline {
		out.Disposition = content.DispositionInline
	}
	if e.Filename != "" {
		out.Disposition = content.DispositionAttachment
	}
	name, _ := split(e.Type)
	if !strings.HasPrefix(name, "multipart/") {
		if len(e.Parts) > 0 {
			return out, ErrContainer
		}
		out.Body = content.Single{ContentType: e.Type, Content: m.rewrite(name, e.Content)}
		return out, nil
	}
	semantics, ok := m.semantics(name, e)
	if !ok || depth >= maxDepth || len(e.Parts) == 0 {
		return out, ErrContainer
	}
	if len(e.Parts) == 1 {
		return m.part(&e.Parts[0], depth+1) // MIMI has no multipart of one
	}
	multi := content.Multi{Semantics: semantics}
	for _, i := range order(e) {
		p, err := m.part(&e.Parts[i], depth+1)
		if err != nil {
			return out, err
		}
		multi.Parts = append(multi.Parts, p)
	}
	out.Body = multi
	return out, nil
}

func (m *toMIMI) semantics(name string, e *Entity) (content.Semantics, bool) {
	switch name {
	case "multipart/mixed":
		return content.ProcessAll, true
	case "multipart/alternative":
		return content.ChooseOne, true
	case "multipart/related":
		return content.SingleUnit, true
	case "multipart/parallel":
		m.losses = append(m.losses, LostTogether)
		if slices.ContainsFunc(e.Parts, func(p Entity) bool { return p.Optional }) {
			return content.ProcessAll, true
		}
		return content.SingleUnit, true
	}
	return 0, false
}

// rewrite gives the references of a text their new names. glTF and HTML are texts too.
func (m *toMIMI) rewrite(name string, octets []byte) []byte {
	if len(m.ids) == 0 || !strings.HasPrefix(name, "text/") && name != "model/gltf+json" {
		return octets
	}
	old := make([]string, 0, len(m.ids))
	for id := range m.ids {
		old = append(old, id)
	}
	// The longest first, so that one that begins like another is not taken for it.
	slices.SortFunc(old, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	pairs := make([]string, 0, 2*len(old))
	for _, id := range old {
		pairs = append(pairs, "cid:"+id, "cid:"+m.ids[id])
	}
	return []byte(strings.NewReplacer(pairs...).Replace(string(octets)))
}

// FromMIMI maps a MIMI body to an MMBP. Parts outside of the message are left out with a loss; whoever has fetched and opened them puts
// them in before as content.Single.
func FromMIMI(p content.Part) (Entity, []Loss, error) {
	m := new(fromMIMI)
	e, ok, err := m.entity(p, 0)
	if err == nil && !ok {
		err = ErrContainer
	}
	return e, m.losses, err
}

type fromMIMI struct {
	next   int
	losses []Loss
}

func (m *fromMIMI) entity(p content.Part, depth int) (e Entity, ok bool, err error) {
	index := m.next
	m.next++
	e = Entity{Languages: p.Language, Inline: p.Disposition == content.DispositionInline}
	switch body := p.Body.(type) {
	case content.Single:
		e.Type, e.Content = body.ContentType, body.Content
		e.ID = fmt.Sprintf("%d%s", index, localDomain)
		return e, true, nil
	case content.External:
		m.losses = append(m.losses, LostExternal)
		return e, false, nil
	case content.Multi:
		if depth >= maxDepth {
			return e, false, ErrContainer
		}
		return m.multi(e, body, depth)
	}
	m.losses = append(m.losses, LostNull)
	return e, false, nil
}

func (m *fromMIMI) multi(e Entity, body content.Multi, depth int) (Entity, bool, error) {
	switch body.Semantics {
	case content.ProcessAll:
		e.Type = "multipart/mixed"
	case content.ChooseOne:
		e.Type = "multipart/alternative"
	case content.SingleUnit:
		e.Type = "multipart/related"
	default:
		return e, false, ErrContainer
	}
	for _, p := range body.Parts {
		child, ok, err := m.entity(p, depth+1)
		if err != nil {
			return e, false, err
		}
		switch {
		case ok:
			e.Parts = append(e.Parts, child)
		case body.Semantics == content.SingleUnit:
			return e, false, nil // all or none
		}
	}
	if body.Semantics == content.ChooseOne {
		slices.Reverse(e.Parts)
	}
	return e, len(e.Parts) > 0, nil
}
