package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"parley/client"
	"parley/policy"
	"parley/room"
	"parley/uri"
)

// roomVerbs are the commands about who may do what in a room, and what it is called.
func roomVerbs() []chatVerb {
	return []chatVerb{
		{"make", "KIND NAME", "make a room of a kind: " + kindWords(), parseMake},
		{"direct", "USER", "talk with one person, in the one room that the two of you have", aboutUser},
		{"enter", "URI [CODE]", "come into an open room, or with the code of a join link", parseEnter},
		{"rules", "", "what this room is, and who may do what in it", bare},
		{"role", "USER ROLE", "give somebody another role, by its name", parseRole},
		{"ban", "USER", "put somebody out with all devices, and keep them out", aboutUser},
		{"unban", "USER", "let somebody who was banned come in again", aboutUser},
		{"kick", "USER", "put somebody's devices out; they may come in again", aboutUser},
		{"name", "TEXT", "give the room another name", roomText},
		{"topic", "[TEXT]", "say what the room is about now", roomText},
		{"about", "[TEXT]", "describe the room", roomText},
		{"picture", "[URL]", "give the room a picture: an https address", roomText},
		{"link", "", "make a join link; whoever has its code comes in with /enter", bare},
		{"unlink", "CODE", "withdraw a join link", roomText},
	}
}

func kindWords() string {
	var out []string
	for _, k := range policy.Kinds() {
		if k.Kind != policy.DirectMessage {
			out = append(out, string(k.Kind))
		}
	}
	return strings.Join(out, ", ")
}

func roomText(c *chatLine, arg string, _ uri.Provider) error {
	c.text = arg
	if (c.verb == "name" || c.verb == "unlink") && arg == "" {
		return errors.New("something is missing")
	}
	return nil
}

func parseMake(c *chatLine, arg string, _ uri.Provider) error {
	kind, name, _ := strings.Cut(arg, " ")
	c.id, c.text = kind, strings.TrimSpace(name)
	if _, _, known := policy.Ready(policy.Kind(kind)); !known || policy.Kind(kind) == policy.DirectMessage || c.text == "" {
		return errors.New("say what kind of room and its name; kinds are " + kindWords())
	}
	return nil
}

func parseEnter(c *chatLine, arg string, _ uri.Provider) (err error) {
	at, code, _ := strings.Cut(arg, " ")
	if c.room, err = uri.ParseRoom(at); err != nil {
		return errors.New("that is not a room; rooms look like mimi://a.example/r/name")
	}
	c.text = strings.TrimSpace(code)
	return nil
}

func parseRole(c *chatLine, arg string, home uri.Provider) error {
	user, role, _ := strings.Cut(arg, " ")
	if c.text = strings.TrimSpace(role); c.text == "" {
		return errors.New("say who and which role; /rules lists the roles")
	}
	return aboutUser(c, user, home)
}

func isRoomVerb(verb string) bool {
	for _, v := range roomVerbs() {
		if v.name == verb {
			return true
		}
	}
	return false
}

// anywhere does the room commands that need no current room; done is false for the others.
func (s *chat) anywhere(ctx context.Context, c *client.Client, cmd *chatLine) (done bool, err error) {
	switch cmd.verb {
	case "make":
		return true, s.createAs(ctx, c, client.Plan{Name: cmd.text, Kind: policy.Kind(cmd.id)})
	case "direct":
		return true, s.direct(ctx, c, cmd.user)
	case "enter":
		if _, err := c.JoinWith(ctx, cmd.room, cmd.text); err != nil {
			return true, explainChat(err)
		}
		s.enter(cmd.room)
		return true, nil
	}
	return false, nil
}

// direct goes to the room of two people, and makes it when it is not there.
func (s *chat) direct(ctx context.Context, c *client.Client, other uri.User) error {
	if other == s.self.User {
		return errors.New("that is you")
	}
	at, err := uri.NewRoom(s.self.User.Provider(), room.FixedName(s.self.User, other))
	if err != nil {
		return err
	}
	if r, ok := c.Room(at); ok && r.Active() {
		s.enter(at)
		s.roomEvent(c, at)
		return nil
	}
	err = c.CreateAs(ctx, at, client.Plan{Kind: policy.DirectMessage, People: []uri.User{other}})
	if err != nil {
		return fmt.Errorf("the room could not be made: %s; if another of your devices has it, /join %s", whyOffline(err), at)
	}
	s.emit(chatEvent{Type: eventCreated, Line: s.line, Room: at.String(), Time: moment(s.now())})
	s.enter(at)
	return nil
}

// govern does the room commands about the current room.
func (s *chat) govern(ctx context.Context, c *client.Client, at uri.Room, cmd *chatLine) (err error) {
	change := client.Change{}
	switch cmd.verb {
	case "rules":
		return s.rules(c, at)
	case "role":
		role, wrong := roleNamed(c, at, cmd.text)
		if wrong != nil {
			return wrong
		}
		_, err = c.SetRole(ctx, at, cmd.user, role)
		return err
	case "ban":
		_, err = c.Ban(ctx, at, cmd.user)
		return err
	case "unban":
		_, err = c.Unban(ctx, at, cmd.user)
		return err
	case "kick":
		_, err = c.Kick(ctx, at, cmd.user)
		return err
	case "name":
		change.Name = &cmd.text
	case "topic":
		change.Topic = &cmd.text
	case "about":
		change.About = &cmd.text
	case "picture":
		change.Picture = &cmd.text
	case "link":
		code := rand.Text()
		change.AddLinks = []string{code}
		text := "whoever knows this comes in, once the room has taken it: /enter " + at.String() + " " + code
		s.emit(chatEvent{Type: eventHelp, Line: s.line, Text: &text})
	case "unlink":
		change.RemoveLinks = []string{cmd.text}
	default:
		return errors.New("no such command")
	}
	_, err = c.Change(ctx, at, change)
	return err
}

// roleNamed finds a role by its name or number.
func roleNamed(c *client.Client, at uri.Room, name string) (uint32, error) {
	state, err := stateOf(c, at)
	if err != nil {
		return 0, err
	}
	for _, r := range state.Roles.Roles {
		if r.Index != 0 && (strings.EqualFold(r.Name, name) || strconv.FormatUint(uint64(r.Index), 10) == name) {
			return r.Index, nil
		}
	}
	return 0, errors.New("the room has no such role; /rules lists them")
}

func stateOf(c *client.Client, at uri.Room) (*room.State, error) {
	r, ok := c.Room(at)
	if !ok {
		return nil, client.ErrNoRoom
	}
	return r.State()
}

// rules tells what a room is and who may do what.
func (s *chat) rules(c *client.Client, at uri.Room) error {
	state, err := stateOf(c, at)
	if err != nil {
		return err
	}
	text := strings.Join(ruleLines(state, s.self.User), "\n")
	s.emit(chatEvent{Type: eventHelp, Line: s.line, Text: &text})
	return nil
}

// ruleLines puts a room's policy into words.
func ruleLines(state *room.State, self uri.User) (out []string) {
	m := state.Metadata
	for _, line := range []struct{ what, is string }{{"name", m.Name}, {"topic", m.Subject}, {"picture", m.Avatar}} {
		if line.is != "" {
			out = append(out, line.what+": "+cleanLine(line.is))
		}
	}
	for _, d := range m.Descriptions {
		out = append(out, "about: "+cleanLine(d.Content))
	}
	for _, fact := range facts(state) {
		out = append(out, "- "+fact)
	}
	for i := range state.Roles.Roles {
		r := &state.Roles.Roles[i]
		var may []string
		for _, c := range r.Capabilities {
			if words := c.Words(); words != "" && c.Grants() {
				may = append(may, words)
			}
		}
		if len(may) == 0 {
			may = []string{"nothing"}
		}
		own := ""
		if r.Index == state.Role(self) {
			own = " (you)"
		}
		out = append(out, fmt.Sprintf("%s%s may: %s", cleanLine(r.Name), own, strings.Join(may, ", ")))
	}
	return out
}

// facts are what somebody should know of a room before talking in it.
func facts(state *room.State) (out []string) {
	b := &state.Base
	for _, f := range []struct {
		is   bool
		what string
	}{
		{b.FixedMembership, "its people are fixed: nobody is added, and nobody leaves"},
		{b.ParentDependent, "only people of the room on which it depends come in"},
		{!b.MultiDevice, "each person has one device in it"},
		{b.Persistent, "it stays when nobody is in it"},
		{b.Discoverable, "it can be found"},
		{state.JoinLinks != nil && len(state.JoinLinks.Links) > 0, "whoever has a join link comes in"},
	} {
		if f.is {
			out = append(out, f.what)
		}
	}
	if _, open := state.Open(); open {
		out = append(out, "everybody may come in")
	}
	if b.MaxUsers != nil {
		out = append(out, fmt.Sprintf("at most %d people", *b.MaxUsers))
	}
	if state.Logging != nil && state.Logging.Active() {
		out = append(out, "WHAT IS WRITTEN HERE IS LOGGED by "+cleanLine(strings.Join(state.Logging.Clients, ", ")))
	}
	return out
}
