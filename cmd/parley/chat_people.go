package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"parley/clientapi/api"
	"parley/mimi"
	"parley/uri"
)

// findQuery guesses what a person means by what follows /find.
func findQuery(text string) (mimi.QueryElement, error) {
	e := mimi.QueryElement{Value: text}
	switch {
	case text == "":
		return e, errors.New("something is missing")
	case strings.Contains(text, "://"), strings.HasPrefix(text, "xmpp:"), strings.HasPrefix(text, "sip:"), strings.HasPrefix(text, "matrix:"):
		e.Type = mimi.SearchHandle
	case strings.Trim(text, "+0123456789 ()-./") == "":
		e.Type = mimi.SearchPhone
	case strings.Contains(text, "@"):
		e.Type = mimi.SearchEmail
	default:
		e.Type = mimi.SearchNick
	}
	return e, nil
}

// parseFind takes what follows /find.
func parseFind(c *chatLine, arg string, _ uri.Provider) error {
	c.text = arg
	_, err := findQuery(arg)
	return err
}

// parseMe takes what follows /me: nothing, or an action with what it needs.
func parseMe(c *chatLine, arg string, _ uri.Provider) error {
	c.text = arg
	if arg == "" {
		return nil
	}
	_, err := meChange(arg)
	return err
}

var errMe = errors.New("/me shows what others can find you by; or: /me prove ADDRESS, /me confirm ADDRESS CODE, /me name NAME, " +
	"/me show ADDRESS|name WHO, /me hide WHO, /me forget ADDRESS|name; WHO is nobody, own, everybody, or domains of providers")

// meChange reads "prove +4930123456" and its like.
func meChange(text string) (*api.PersonChange, error) {
	verb, rest, _ := strings.Cut(text, " ")
	rest = strings.TrimSpace(rest)
	first, more, _ := strings.Cut(rest, " ")
	more = strings.TrimSpace(more)
	out := &api.PersonChange{}
	about := func(address string) { out.Type, out.Name, out.Value = aboutMe(address) }
	switch {
	case rest == "":
		return nil, errMe
	case verb == "hide":
		out.Action, out.Reach = api.PersonHide, rest
	case verb == "name":
		out.Action, out.Type, out.Name, out.Value = api.PersonSet, "claim", "name", rest
	case verb == "prove":
		out.Action = api.PersonProve
		about(rest)
	case verb == "forget":
		out.Action = api.PersonWithdraw
		about(rest)
	case verb == "confirm" && more != "":
		i := strings.LastIndexByte(rest, ' ')
		out.Action, out.Code = api.PersonConfirm, rest[i+1:]
		about(strings.TrimSpace(rest[:i]))
	case verb == "show" && more != "":
		out.Action, out.Reach = api.PersonShow, more
		about(first)
	default:
		return nil, errMe
	}
	return out, nil
}

// aboutMe tells what an address is; "name" is the name of the profile, whose value the provider's answer has.
func aboutMe(address string) (kind, name, value string) {
	if address == "name" {
		return "claim", "name", ""
	}
	e, err := findQuery(address)
	if err != nil {
		return "", "", ""
	}
	for k, code := range api.Kinds() {
		if mimi.SearchType(code) == e.Type {
			kind = k
		}
	}
	return kind, "", address
}

// about does /find and /me. Both ask the provider and need no room.
func (s *chat) about(ctx context.Context, line int, cmd *chatLine) error {
	if cmd.verb == "find" {
		return s.search(ctx, line, cmd.text)
	}
	return s.me(ctx, line, cmd.text)
}

func (s *chat) search(ctx context.Context, line int, text string) error {
	e, err := findQuery(text)
	if err != nil {
		return err
	}
	found, err := s.way.Find(ctx, e)
	if err != nil {
		return explainChat(err)
	}
	event := chatEvent{Type: eventFound, Line: line, Found: found}
	s.emit(event)
	return nil
}

func (s *chat) me(ctx context.Context, line int, text string) error {
	person, err := s.way.Person(ctx)
	if err == nil && text != "" {
		var change *api.PersonChange
		if change, err = meChange(text); err != nil {
			return err
		}
		change.Value = currentValue(person, change)
		person, err = s.way.ChangePerson(ctx, change)
	}
	if err != nil {
		return explainChat(err)
	}
	s.emit(chatEvent{Type: eventPerson, Line: line, Person: person})
	return nil
}

// currentValue fills the value of a claim in that is named only.
func currentValue(p *api.Person, c *api.PersonChange) string {
	if c.Value != "" || c.Name == "" {
		return c.Value
	}
	for _, e := range p.Entries {
		if e.Type == c.Type && e.Name == c.Name {
			return e.Value
		}
	}
	return ""
}

// foundText says what a search found.
func foundText(f *api.Found) string {
	var b strings.Builder
	switch mimi.QueryCode(f.Code) {
	case mimi.QuerySuccess:
		for i, m := range f.Matches {
			if i > 0 {
				b.WriteByte('\n')
			}
			b.WriteString(cleanLine(shortUser(m.User)))
			for _, field := range m.Fields {
				fmt.Fprintf(&b, "  %s: %s", cleanLine(field.Name), cleanLine(field.Value))
			}
		}
	case mimi.QueryAmbiguous:
		b.WriteString("too many people match; search for something that only one person has")
	case mimi.QueryForbidden:
		b.WriteString("searching by that is not allowed there")
	case mimi.QueryUnsupportedField:
		b.WriteString("nobody can be searched by that there")
	default:
		b.WriteString("nobody was found who may be found by that")
	}
	if len(f.Failed) > 0 {
		fmt.Fprintf(&b, " (no answer from %s)", cleanLine(strings.Join(f.Failed, ", ")))
	}
	return b.String()
}

// personText says by what others find this user.
func personText(p *api.Person) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  can be found by: %s", cleanLine(shortUser(p.User)), cleanLine(p.Reach))
	for _, e := range p.Entries {
		kind, proven := e.Type, ""
		if e.Name != "" {
			kind = e.Name
		}
		if e.Proven {
			proven = " (proven)"
		}
		fmt.Fprintf(&b, "\n  %s %s%s  shown to: %s", cleanLine(kind), cleanLine(e.Value), proven, cleanLine(e.Reach))
	}
	for _, w := range p.Pending {
		fmt.Fprintf(&b, "\n  %s %s  waits for its code: /me confirm %s CODE", cleanLine(w.Type), cleanLine(w.Value), cleanLine(w.Value))
	}
	return b.String()
}
