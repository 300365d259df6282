package main

import (
	"fmt"
	"strings"
	"time"

	"parley/client"
	"parley/uri"
)

// textView shows events to people. All that others wrote goes through cleanText or cleanLine.
type textView struct {
	self    string // user URI
	own     string // client URI
	current string // room URI
	names   map[string]string
	now     func() time.Time
	columns func() int // nil: lines are not wrapped
	brief   bool       // leaves out what the prompt and later lines tell anyway
	color   bool
	noIDs   bool // messages are chosen with keys
	offline bool // the last word was that the provider cannot be reached

	waited map[uint64]bool // intents of which was said that they wait
}

// Looks of lines.
const (
	plain  = ""
	dim    = "\x1b[2m"
	alert  = "\x1b[31m"
	normal = "\x1b[0m"
)

// Where a line of ours goes on in the next row, and where a message does: nothing in it can pass for a line of ours.
const (
	hanging       = "      "
	insideMessage = "      │ "
)

// lines renders an event; none when it is of no interest.
func (v *textView) lines(e *chatEvent) []string {
	look, text := v.render(e)
	if text == "" {
		return nil
	}
	columns := 0
	if v.columns != nil {
		columns = v.columns() - 1
	}
	var lines []string
	if e.Type == string(client.EntryMessage) || e.Type == eventEdited || e.Type == eventReaction || e.Type == eventShow {
		lines = wrap(text, columns, insideMessage)
	} else if e.Type == eventPeople || e.Type == eventHelp { // lists of our own
		lines = strings.Split(text, "\n")
	} else {
		lines = wrap(text, columns, hanging)
	}
	if v.color && look != plain {
		for i := range lines {
			lines[i] = look + lines[i] + normal
		}
	}
	return lines
}

func (v *textView) render(e *chatEvent) (look, text string) {
	switch e.Type {
	case string(client.EntryMessage), eventEdited, eventDeleted, eventReaction:
		return v.message(e)
	case string(client.EntryGap):
		return alert, v.stamp(e) + "! something that arrived here could not be read: " + cleanLine(e.Reason)
	case eventStatus:
		return v.status(e)
	case eventPeople:
		return plain, v.people(e)
	case eventRoom:
		return plain, v.room(e)
	case eventCreated:
		return plain, fmt.Sprintf("made the room %s: %s", cleanLine(e.Name), e.Room)
	case eventAccount:
		return dim, fmt.Sprintf("%s, device %s, provider %s. /help lists the commands.", shortUser(e.User), e.Client, e.Provider)
	case eventOnline:
		return v.online(e)
	case eventAlarm:
		return alert, fmt.Sprintf("!! ALARM: %s now vouches for its users with other authorities than before. The former ones stay in "+
			"force; ask the provider before you trust new people from there.", e.Provider)
	case eventFile:
		return dim, fileText(e)
	case eventError:
		return alert, "! " + cleanLine(e.Reason)
	case eventHelp:
		return plain, *e.Text
	case eventConsent:
		return alert, v.consentText(e)
	case eventConsents:
		return plain, v.consentsText(e.Consents)
	case eventReported:
		return plain, fmt.Sprintf("reported %s to %s, whose operator will see the message", shortUser(e.User), e.Name)
	case eventFound:
		return plain, foundText(e.Found)
	case eventPerson:
		return plain, personText(e.Person)
	case eventSettled:
		return v.settled(e)
	case eventHit:
		return v.message(e)
	case eventShow, eventDelivery, eventUnread:
		return v.talkText(e)
	case eventReport:
		return plain, "" // for programs; the ticks tell
	}
	return dim, v.notice(e)
}

func (v *textView) stamp(e *chatEvent) string {
	t, err := time.Parse(time.RFC3339, e.Time)
	if err != nil {
		return v.place(e)
	}
	now := v.now()
	t = t.In(now.Location())
	layout := "15:04 "
	if t.YearDay() != now.YearDay() || t.Year() != now.Year() {
		layout = "Jan 2 15:04 "
	}
	return t.Format(layout) + v.place(e)
}

// place names the room when it is not the one that is talked in.
func (v *textView) place(e *chatEvent) string {
	if e.Room == "" || e.Room == v.current {
		return ""
	}
	return "[" + v.label(e.Room) + "] "
}

// label is the room's name, or else the end of its URI.
func (v *textView) label(room string) string {
	if name := cleanLine(v.names[room]); name != "" {
		return cut(name, 30)
	}
	if at, err := uri.ParseRoom(room); err == nil {
		return cut(cleanLine(at.Name()), 30)
	}
	return room
}

// shortUser is name@provider. The name stays escaped as in the URI, so that it is ASCII and has no second at sign.
func shortUser(user string) string {
	u, err := uri.ParseUser(user)
	if err != nil {
		return cleanLine(user)
	}
	return u.Segments()[0] + "@" + u.Domain()
}

func (v *textView) who(user string) string {
	if user == v.self {
		return "you"
	}
	return shortUser(user)
}

func (v *textView) message(e *chatEvent) (look, text string) {
	if e.Text != nil && *e.Text == "" {
		return plain, "" // nothing to show, for programs
	}
	who := shortUser(e.User)
	switch {
	case e.Own:
		who = "✓ you" // in its place of the room's order: the hub accepted it and everybody gets it there
	case e.User == v.self:
		who = "you, on another device"
	}
	if e.Gateway != "" {
		who += " [not end-to-end: gateway of " + e.Gateway + "]"
	}
	if e.Unverified != "" {
		return alert, v.stamp(e) + who + " [unverified: " + cleanLine(e.Unverified) + "]: " + cleanText(*e.Text)
	}
	what := ": "
	switch e.Type {
	case eventEdited:
		what = " changed " + v.about(e) + ": "
	case eventDeleted:
		return plain, v.stamp(e) + who + " took " + v.about(e) + " back" + v.refused(e)
	case eventReaction:
		what = " reacted to " + v.about(e) + ": "
	}
	return plain, v.stamp(e) + who + what + cleanText(*e.Text) + v.refused(e)
}

func (v *textView) notice(e *chatEvent) string {
	who, by := v.who(e.User), ""
	switch e.Actor {
	case "", e.User:
	case v.self:
		by = ", by your change"
	default:
		by = ", by a change of " + v.who(e.Actor)
	}
	are := "is"
	if who == "you" {
		are = "are"
	}
	switch client.EntryKind(e.Type) {
	case client.EntryJoined:
		text := fmt.Sprintf("%s— %s %s in the room%s", v.stamp(e), who, are, by)
		if e.Gateway != "" {
			text += "; not end-to-end: keys held by gateway of " + e.Gateway
		}
		return text
	case client.EntryLeft:
		return fmt.Sprintf("%s— %s %s out of the room%s", v.stamp(e), who, are, by)
	case client.EntryDevice:
		return v.stamp(e) + "— " + v.device(e, who) + by
	case client.EntryLeaving:
		return fmt.Sprintf("%s— %s asked to leave; the next change of the room completes it", v.stamp(e), who)
	case client.EntryMoved:
		return v.stamp(e) + "— the room has another group now, with another cipher suite; what was said stays"
	case client.EntryChanged:
		return v.stamp(e) + "— the room's name or rules were changed" + by
	}
	return ""
}

func (v *textView) device(e *chatEvent, who string) string {
	name := deviceName(e.Client)
	switch {
	case e.Client == v.own && e.Gone:
		return "this device is out of the room"
	case e.Client == v.own:
		return "this device is in the room"
	case e.Gone:
		return fmt.Sprintf("device %s of %s is out of the room", name, who)
	}
	return fmt.Sprintf("%s came in with another device: %s", who, name)
}

func deviceName(text string) string {
	c, err := uri.ParseClient(text)
	if err != nil {
		return cleanLine(text)
	}
	return cleanLine(c.Device())
}

// status tells the fate of what the person asked for. Only what the hub accepted is ever called so.
func (v *textView) status(e *chatEvent) (look, text string) {
	kind, fate := client.Kind(e.Kind), client.Fate(e.Fate)
	if (kind == client.CommitRoom || kind == client.SucceedRoom) && fate != client.Failed {
		return plain, ""
	}
	what, reason := v.place(e)+v.what(e), cleanLine(e.Reason)
	before := v.waited[e.Intent]
	if fate == client.Waiting {
		v.waited[e.Intent] = true
	} else {
		delete(v.waited, e.Intent)
	}
	switch fate {
	case client.Waiting:
		if reason != "" {
			return dim, "… not sent yet, kept here: " + what + " (" + reason + ")"
		}
		if v.brief && !v.offline {
			v.waited[e.Intent] = before
			return plain, ""
		}
		return dim, "… not sent yet, kept here: " + what
	case client.Accepted:
		if v.brief && kind == client.SendMessage && !before {
			return plain, ""
		}
		return dim, "… accepted by the room's provider: " + what
	case client.Failed:
		return alert, "✗ failed: " + what + ": " + reason
	}
	if v.brief {
		return plain, "" // the timeline tells
	}
	return dim, "✓ done: " + what
}

func (v *textView) what(e *chatEvent) string {
	switch client.Kind(e.Kind) {
	case client.SendMessage:
		return `"` + cut(cleanLine(*e.Text), 40) + `"`
	case client.AddUser:
		return "adding " + shortUser(e.User)
	case client.RemoveUser:
		return "removing " + shortUser(e.User)
	case client.LeaveRoom:
		return "leaving the room"
	case client.JoinRoom:
		return "joining " + e.Room
	case client.MoveRoom, client.SucceedRoom:
		return "moving the room to another cipher suite"
	}
	return "completing what others proposed"
}

func (v *textView) online(e *chatEvent) (look, text string) {
	if v.offline = !*e.Online; *e.Online {
		return dim, "— online at " + e.Provider
	}
	return alert, fmt.Sprintf("— offline: %s cannot be reached (%s). What you write is kept here until it can.", e.Provider, cleanLine(e.Reason))
}

func (v *textView) settled(e *chatEvent) (look, text string) {
	if *e.Settled {
		return dim, "nothing is on its way"
	}
	return dim, fmt.Sprintf("on their way: %d not sent yet, %d accepted", *e.Waiting, *e.Accepted)
}

func (v *textView) room(e *chatEvent) string {
	mark := " "
	if e.Current != nil && *e.Current {
		mark = "*"
	}
	state := ""
	if !*e.Active {
		state = "  (not a member)"
	}
	return fmt.Sprintf("%s %d  %s  %s%s", mark, e.Number, v.label(e.Room), e.Room, state)
}

func (v *textView) people(e *chatEvent) string {
	names := make([]string, len(e.People))
	most := 0
	for i, p := range e.People {
		names[i] = shortUser(p.User)
		most = max(most, cellsOf(names[i]))
	}
	lines := []string{"in " + v.label(e.Room) + ":"}
	for i, p := range e.People {
		line := fmt.Sprintf("  %-*s  %-7s %s", most, names[i], p.Role, devices(len(p.Devices)))
		if p.Self {
			line += "  (you)"
		}
		if p.Gateway != "" {
			line += "  not end-to-end: keys held by gateway of " + p.Gateway
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func devices(n int) string {
	switch n {
	case 0:
		return "no device yet: nothing can be read there until one joins"
	case 1:
		return "1 device"
	}
	return fmt.Sprintf("%d devices", n)
}

// about names the message that an event is about.
func (v *textView) about(e *chatEvent) string {
	if len(e.About) < 10 {
		return "something"
	}
	return e.About[2:10]
}

func (v *textView) refused(e *chatEvent) string {
	if e.Refused == "" {
		return ""
	}
	return " [without effect: " + cleanLine(e.Refused) + "]"
}
