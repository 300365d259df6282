package content

import (
	"iter"
	"strings"
)

// Disposition is what the sender suggests to do with a part (draft-ietf-mimi-content-08 §4.4). Values that are not listed
// are treated as DispositionRender and kept.
type Disposition uint8

// The registered dispositions (§8.2.2).
const (
	DispositionUnspecified Disposition = iota
	DispositionRender
	DispositionReaction
	DispositionProfile
	DispositionInline
	DispositionIcon
	DispositionAttachment
	DispositionSession
	DispositionPreview
)

// Effective is the disposition to act upon: an unrecognised one means render (§9.1).
func (d Disposition) Effective() Disposition {
	if d > DispositionPreview {
		return DispositionRender
	}
	return d
}

// Semantics says how the children of a Multi belong together (§4.4).
type Semantics uint8

// The three semantics; a message with another one is discarded (§9.1).
const (
	ChooseOne  Semantics = 0 // alternatives: exactly one child is processed, by the receiver's policy
	SingleUnit Semantics = 1 // all children or none
	ProcessAll Semantics = 2 // as many children as possible
)

const (
	maxParts = 1024 // multi parts counted too, §9.1

	cardinalityNull     = 0
	cardinalitySingle   = 1
	cardinalityExternal = 2
	cardinalityMulti    = 3

	// Elements of a part's array, §4.4.
	itemsNull     = 3
	itemsSingle   = 5
	itemsExternal = 15
	itemsMulti    = 5
)

// Part is a node of the body. The zero value is the null part, which deletes or is empty.
type Part struct {
	Disposition Disposition
	Language    string // comma-separated RFC 5646 tags, or empty; a malformed tag is no error
	Body        Body   // nil: the null part
}

// Body is what a part holds: Single, External or Multi.
type Body interface {
	cardinality() uint64
	items() uint64
	append(b []byte) []byte
	size() int // octets, roughly
}

// Single is content that the message carries itself.
type Single struct {
	ContentType string
	Content     []byte
}

// Multi holds at least two parts.
type Multi struct {
	Semantics Semantics
	Parts     []Part
}

func (Single) cardinality() uint64 { return cardinalitySingle }
func (Multi) cardinality() uint64  { return cardinalityMulti }
func (Single) items() uint64       { return itemsSingle }
func (Multi) items() uint64        { return itemsMulti }
func (s Single) size() int         { return 16 + len(s.ContentType) + len(s.Content) }

func (m Multi) size() int {
	n := 16
	for _, p := range m.Parts {
		n += p.size()
	}
	return n
}

func (p Part) size() int {
	if p.Body == nil {
		return 16 + len(p.Language)
	}
	return 16 + len(p.Language) + p.Body.size()
}

func (p Part) append(b []byte) []byte {
	items, cardinality := uint64(itemsNull), uint64(cardinalityNull)
	if p.Body != nil {
		items, cardinality = p.Body.items(), p.Body.cardinality()
	}
	b = appendHead(b, majorArray, items)
	b = appendHead(b, majorUint, uint64(p.Disposition))
	b = appendText(b, p.Language)
	b = appendHead(b, majorUint, cardinality)
	if p.Body == nil {
		return b
	}
	return p.Body.append(b)
}

func (s Single) append(b []byte) []byte { return appendBytes(appendText(b, s.ContentType), s.Content) }

func (m Multi) append(b []byte) []byte {
	b = appendHead(b, majorUint, uint64(m.Semantics))
	b = appendHead(b, majorArray, uint64(len(m.Parts)))
	for _, p := range m.Parts {
		b = p.append(b)
	}
	return b
}

// part reads a part; the root is level 1 (A-C8).
func (r *reader) part(level int) Part {
	if r.err != nil {
		return Part{}
	}
	if level > maxDepth {
		r.fail(ErrDepth)
		return Part{}
	}
	if r.parts++; r.parts > maxParts {
		r.fail(ErrParts)
		return Part{}
	}
	items := r.expect(majorArray)
	p := Part{Disposition: Disposition(r.uint(255)), Language: r.text()}
	cardinality := r.uint(cardinalityMulti)
	if r.err != nil {
		return Part{}
	}
	if items != itemsOf(cardinality) {
		r.fail(ErrShape)
		return Part{}
	}
	switch cardinality {
	case cardinalitySingle:
		p.Body = Single{ContentType: r.text(), Content: r.bytes()}
	case cardinalityExternal:
		p.Body = r.external()
	case cardinalityMulti:
		p.Body = r.multi(level)
	}
	return p
}

func itemsOf(cardinality uint64) uint64 {
	switch cardinality {
	case cardinalitySingle:
		return itemsSingle
	case cardinalityExternal:
		return itemsExternal
	case cardinalityMulti:
		return itemsMulti
	}
	return itemsNull
}

func (r *reader) multi(level int) Multi {
	m := Multi{Semantics: Semantics(r.uint(uint64(ProcessAll)))}
	n := r.length(majorArray)
	if r.err != nil {
		return Multi{}
	}
	if n < 2 {
		r.fail(ErrShape)
		return Multi{}
	}
	if n > maxParts-r.parts {
		r.fail(ErrParts)
		return Multi{}
	}
	m.Parts = make([]Part, 0, n)
	for range n {
		m.Parts = append(m.Parts, r.part(level+1))
		if r.err != nil {
			return Multi{}
		}
	}
	return m
}

// All walks the part and everything below it in depth-first pre-order with the part index of §4.4: 0 is the part itself,
// multi parts count.
func (p Part) All() iter.Seq2[int, Part] {
	return func(yield func(int, Part) bool) {
		next := 0
		p.walk(&next, yield)
	}
}

func (p Part) walk(next *int, yield func(int, Part) bool) bool {
	index := *next
	*next++
	if !yield(index, p) {
		return false
	}
	if multi, ok := p.Body.(Multi); ok {
		for _, child := range multi.Parts {
			if !child.walk(next, yield) {
				return false
			}
		}
	}
	return true
}

// At is the part with the given part index.
func (p Part) At(index int) (Part, bool) {
	for n, part := range p.All() {
		if n == index {
			return part, true
		}
	}
	return Part{}, false
}

// References are the part indexes that a text refers to in the form cid:N@local.invalid (§4.4), in order of appearance.
// Whether they point to a single or external part, as they must, is for At to tell.
func References(text string) []int {
	var list []int
	for {
		_, rest, found := strings.Cut(text, "cid:")
		if !found {
			return list
		}
		text = rest
		index, digits := 0, 0
		for digits < len(rest) && digits < 4 && rest[digits] >= '0' && rest[digits] <= '9' {
			index = index*10 + int(rest[digits]-'0')
			digits++
		}
		if digits > 0 && strings.HasPrefix(rest[digits:], "@local.invalid") {
			list = append(list, index)
		}
	}
}
