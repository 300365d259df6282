package convert

import (
	"cmp"
	"slices"
)

// Form is something that a text can have besides its words.
type Form string

// The forms.
const (
	Strong    Form = "strong"
	Emphasis  Form = "emphasis"
	Strike    Form = "strike"
	Mono      Form = "mono"
	Code      Form = "code"
	Quote     Form = "quote"
	List      Form = "list"
	Task      Form = "task"
	Heading   Form = "heading"
	Rule      Form = "rule"
	Table     Form = "table"
	Link      Form = "link"
	Mention   Form = "mention"
	Image     Form = "image"
	File      Form = "file"
	Underline Form = "underline"
	Color     Form = "color"    // and other styles of the other network
	Controls  Form = "controls" // characters that act on a network or turn text around
	Length    Form = "length"   // text was cut into several, or cut off
)

// Loss is one form that a conversion did not carry.
type Loss struct {
	Form Form
	// Shown says that something readable stands in the place of the form: a mark, a line, an address in brackets.
	Shown bool
}

func (l Loss) String() string {
	if l.Shown {
		return string(l.Form) + " shown as text"
	}
	return string(l.Form) + " dropped"
}

// Losses are in order, and each form is there once.
type Losses []Loss

// With adds losses. Of the same form the dropped one stays.
func (l Losses) With(more ...Loss) Losses {
	out := slices.Concat(l, more)
	slices.SortFunc(out, func(a, b Loss) int { return cmp.Or(cmp.Compare(a.Form, b.Form), compareShown(a, b)) })
	out = slices.CompactFunc(out, func(a, b Loss) bool { return a.Form == b.Form })
	if len(out) == 0 {
		return nil
	}
	return out
}

func compareShown(a, b Loss) int {
	switch {
	case a.Shown == b.Shown:
		return 0
	case b.Shown:
		return -1
	}
	return 1
}

// Dropped are the losses in whose place nothing stands.
func (l Losses) Dropped() Losses {
	return slices.DeleteFunc(slices.Clone(l), func(of Loss) bool { return of.Shown })
}
