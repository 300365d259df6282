package main

import (
	"encoding/json"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/client"
	"parley/content"
	"parley/uri"
)

const (
	aliceURI = "mimi://a.example/u/alice"
	bobURI   = "mimi://b.example/u/bob"
	roomURI  = "mimi://a.example/r/club"
)

func at(hour, minute int) time.Time { return time.Date(2026, 11, 25, hour, minute, 0, 0, time.UTC) }

func newView() *textView {
	return &textView{
		self: aliceURI, own: "mimi://a.example/d/alice/phone", current: roomURI, names: map[string]string{roomURI: "Club"},
		now: func() time.Time { return at(14, 0) }, waited: make(map[uint64]bool),
	}
}

func entry(kind client.EntryKind, e client.Entry, gateways map[string]string, t testing.TB) *chatEvent {
	e.Kind, e.Time = kind, uint64(at(12, 30).UnixMilli())
	out := entryEvent(mustRoom(t, roomURI), e, gateways)
	return &out
}

func TestTextOfEntries(t *testing.T) {
	gateway := map[string]string{bobURI: "b.example"}
	for _, c := range []struct {
		name  string
		event *chatEvent
		want  string
	}{
		{"a message names sender and provider", entry(client.EntryMessage, client.Entry{User: bobURI, Text: "hi"}, nil, t), "12:30 bob@b.example: hi"},
		{"an own one in its place", entry(client.EntryMessage, client.Entry{User: aliceURI, Text: "hi", Own: true}, nil, t), "12:30 ✓ you: hi"},
		{"an own one from elsewhere", entry(client.EntryMessage, client.Entry{User: aliceURI, Text: "hi"}, nil, t), "12:30 you, on another device: hi"},
		{"keys at a gateway", entry(client.EntryMessage, client.Entry{User: bobURI, Text: "hi"}, gateway, t),
			"12:30 bob@b.example [not end-to-end: gateway of b.example]: hi"},
		{"somebody else's claim", entry(client.EntryMessage, client.Entry{User: bobURI, Text: "hi", Unverified: "it names another"}, nil, t),
			"12:30 bob@b.example [unverified: it names another]: hi"},
		{"two lines stay one message", entry(client.EntryMessage, client.Entry{User: bobURI, Text: "hi\n12:31 you: yes"}, nil, t),
			"12:30 bob@b.example: hi\n      │ 12:31 you: yes"},
		{"controls do not reach the terminal", entry(client.EntryMessage, client.Entry{User: bobURI, Text: "\x1b[2J\u202egone"}, nil, t),
			"12:30 bob@b.example: [2Jgone"},
		{"a name cannot pass for another", entry(client.EntryMessage, client.Entry{User: "mimi://evil.example/u/bob%40b.example%20", Text: "hi"}, nil, t),
			"12:30 bob%40b.example%20@evil.example: hi"},
		{"a report of status shows nothing", entry(client.EntryMessage, client.Entry{User: bobURI}, nil, t), ""},
		{"joined", entry(client.EntryJoined, client.Entry{User: bobURI, Actor: aliceURI, Own: true}, gateway, t),
			"12:30 — bob@b.example is in the room, by your change; not end-to-end: keys held by gateway of b.example"},
		{"left", entry(client.EntryLeft, client.Entry{User: aliceURI, Actor: bobURI}, nil, t), "12:30 — you are out of the room, by a change of bob@b.example"},
		{"leaving", entry(client.EntryLeaving, client.Entry{User: bobURI}, nil, t), "12:30 — bob@b.example asked to leave; the next change of the room completes it"},
		{"a device comes", entry(client.EntryDevice, client.Entry{User: bobURI, Actor: bobURI, Client: "mimi://b.example/d/bob/tab"}, nil, t),
			"12:30 — bob@b.example came in with another device: tab"},
		{"a device goes", entry(client.EntryDevice, client.Entry{User: bobURI, Actor: aliceURI, Client: "mimi://b.example/d/bob/tab", Gone: true}, nil, t),
			"12:30 — device tab of bob@b.example is out of the room, by your change"},
		{"this device goes", entry(client.EntryDevice, client.Entry{User: aliceURI, Actor: bobURI, Client: "mimi://a.example/d/alice/phone", Gone: true}, nil, t),
			"12:30 — this device is out of the room, by a change of bob@b.example"},
		{"a gap says why", entry(client.EntryGap, client.Entry{Reason: "RFC 9420 §6\x1b[m"}, nil, t),
			"12:30 ! something that arrived here could not be read: RFC 9420 §6[m"},
	} {
		if got := strings.Join(newView().lines(c.event), "\n"); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	v := newView()
	v.current = "mimi://a.example/r/other"
	v.now = func() time.Time { return at(14, 0).AddDate(0, 0, 1) }
	if got := v.lines(entry(client.EntryMessage, client.Entry{User: bobURI, Text: "hi"}, nil, t)); got[0] != "Nov 25 12:30 [Club] bob@b.example: hi" {
		t.Errorf("another room, another day: %q", got)
	}
}

func message(t testing.TB, fate client.Fate, reason string) *chatEvent {
	encoded, err := content.NewText([16]byte{1}, mustUser(t, aliceURI), mustRoom(t, roomURI), "hi\nthere").Encode()
	if err != nil {
		t.Fatal(err)
	}
	e := intentEvent(client.Intent{ID: 7, Kind: client.SendMessage, Room: roomURI, Content: encoded, Fate: fate, Reason: reason}, at(12, 30))
	return &e
}

func TestTextOfFates(t *testing.T) {
	waiting, why, accepted := message(t, client.Waiting, ""), message(t, client.Waiting, "waiting for provider b.example"), message(t, client.Accepted, "")
	done, failed := message(t, client.Done, ""), message(t, client.Failed, "not allowed")
	for _, c := range []struct {
		name   string
		brief  bool
		events []*chatEvent
		want   []string
	}{
		{"a script sees every fate", false, []*chatEvent{waiting, why, accepted, done}, []string{
			`… not sent yet, kept here: "hi there"`, `… not sent yet, kept here: "hi there" (waiting for provider b.example)`,
			`… accepted by the room's provider: "hi there"`, `✓ done: "hi there"`}},
		{"people see what takes time", true, []*chatEvent{waiting, why, accepted, done}, []string{
			`… not sent yet, kept here: "hi there" (waiting for provider b.example)`, `… accepted by the room's provider: "hi there"`}},
		{"and nothing of what goes well: the message itself comes", true, []*chatEvent{waiting, accepted, done}, nil},
		{"failures are always shown", true, []*chatEvent{waiting, failed}, []string{`✗ failed: "hi there": not allowed`}},
	} {
		v := newView()
		v.brief = c.brief
		var got []string
		for _, e := range c.events {
			got = append(got, v.lines(e)...)
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	v := newView()
	v.brief = true
	no := false
	lines := append(v.lines(&chatEvent{Type: eventOnline, Online: &no, Provider: "a.example", Reason: "refused"}), v.lines(waiting)...)
	if len(lines) != 2 || !strings.Contains(lines[0], "offline: a.example cannot be reached (refused)") || !strings.Contains(lines[1], "not sent yet") {
		t.Errorf("offline: %q", lines)
	}
	t.Run("only what the hub accepted is called so, nothing is ever called sent", func(t *testing.T) {
		for _, kind := range []client.Kind{client.SendMessage, client.AddUser, client.RemoveUser, client.LeaveRoom, client.JoinRoom, client.CommitRoom} {
			for _, fate := range []client.Fate{client.Waiting, client.Accepted, client.Done, client.Failed} {
				for _, brief := range []bool{true, false} {
					e := message(t, fate, "r")
					e.Kind, e.User = string(kind), bobURI
					v := newView()
					v.brief = brief
					text := strings.Join(v.lines(e), " ")
					if fate != client.Accepted && strings.Contains(text, "accepted") || fate != client.Done && strings.Contains(text, "✓") {
						t.Errorf("%s %s: %q", kind, fate, text)
					}
					if strings.Contains(strings.ReplaceAll(text, "not sent yet", ""), "sent") {
						t.Errorf("%s %s: %q", kind, fate, text)
					}
					if kind == client.CommitRoom && fate != client.Failed && text != "" {
						t.Errorf("what the client does by itself is shown: %q", text)
					}
				}
			}
		}
	})
}

func TestTextOfPeople(t *testing.T) {
	people := func(all ...client.Person) *chatEvent {
		e := &chatEvent{Type: eventPeople, Room: roomURI}
		for _, p := range all {
			e.People = append(e.People, personOf(p, mustUser(t, aliceURI)))
		}
		return e
	}
	got := newView().lines(people(
		client.Person{User: mustUser(t, aliceURI), Role: 4, Devices: devicesOf(t, "mimi://a.example/d/alice/phone", "mimi://a.example/d/alice/tab")},
		client.Person{User: mustUser(t, bobURI), Role: 2},
		client.Person{User: mustUser(t, "mimi://gw.example/u/x"), Role: 99, Devices: devicesOf(t, "mimi://gw.example/d/x/y"), Gateway: true},
	))
	want := []string{
		"in Club:",
		"  alice@a.example  owner   2 devices  (you)",
		"  bob@b.example    member  no device yet: nothing can be read there until one joins",
		"  x@gw.example     unknown 1 device  not end-to-end: keys held by gateway of gw.example",
	}
	if !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}

// Every member of an event stands in doc/chat.md, and every type.
func TestEventsAreDocumented(t *testing.T) {
	doc, err := os.ReadFile("../../doc/chat.md")
	if err != nil {
		t.Fatal(err)
	}
	_, events, found := strings.Cut(string(doc), "\n## Events\n")
	if !found {
		t.Fatal("doc/chat.md has no section on events")
	}
	named := make(map[string]bool)
	for _, m := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(events, -1) {
		named[m[1]] = true
	}
	for _, of := range []reflect.Type{reflect.TypeFor[chatEvent](), reflect.TypeFor[chatPerson]()} {
		for i := range of.NumField() {
			name, _, _ := strings.Cut(of.Field(i).Tag.Get("json"), ",")
			if name != "type" && !named[name] {
				t.Errorf("member %s is not documented", name)
			}
		}
	}
	for _, kind := range []string{eventAccount, eventRoom, eventCreated, eventPeople, eventStatus, eventOnline, eventAlarm, eventError, eventHelp, eventSettled, eventFound, eventPerson, eventConsent, eventConsents, eventReported,
		string(client.EntryMessage), string(client.EntryJoined), string(client.EntryLeft), string(client.EntryDevice), string(client.EntryLeaving),
		string(client.EntryChanged), string(client.EntryGap)} {
		if !strings.Contains(events, "`"+kind+"`") {
			t.Errorf("type %s is not documented", kind)
		}
	}
}

// What scripts rely on: these lines change only together with chatSchema.
func TestEventSchema(t *testing.T) {
	yes, no, zero, two := true, false, 0, 2
	text := "hi \u202e\x1b<&"
	person := personOf(client.Person{User: mustUser(t, bobURI), Role: 2, Gateway: true}, mustUser(t, aliceURI))
	for _, c := range []struct {
		event *chatEvent
		want  string
	}{
		{&chatEvent{Type: eventAccount, Schema: chatSchema, User: aliceURI, Client: "mimi://a.example/d/alice/phone", Provider: "a.example"},
			`{"type":"account","user":"mimi://a.example/u/alice","client":"mimi://a.example/d/alice/phone","provider":"a.example","schema":1}`},
		{&chatEvent{Type: eventOnline, Online: &no, Provider: "a.example", Reason: "it does not answer"},
			`{"type":"online","reason":"it does not answer","online":false,"provider":"a.example"}`},
		{entry(client.EntryMessage, client.Entry{User: bobURI, Client: "mimi://b.example/d/bob/phone", Epoch: 3, MessageID: []byte{1, 0xab}, Text: text}, nil, t),
			`{"type":"message","room":"mimi://a.example/r/club","time":"2026-11-25T12:30:00.000Z","seq":0,"epoch":3,"user":"mimi://b.example/u/bob",` +
				`"client":"mimi://b.example/d/bob/phone","text":"hi \u202e\u001b\u003c\u0026","message_id":"01ab"}`},
		{entry(client.EntryMessage, client.Entry{Seq: 9, User: aliceURI, Own: true}, map[string]string{aliceURI: "a.example"}, t),
			`{"type":"message","room":"mimi://a.example/r/club","time":"2026-11-25T12:30:00.000Z","seq":9,"epoch":0,"user":"mimi://a.example/u/alice",` +
				`"own":true,"gateway":"a.example","text":""}`},
		{entry(client.EntryGap, client.Entry{Seq: 1, Reason: "why"}, nil, t),
			`{"type":"gap","room":"mimi://a.example/r/club","time":"2026-11-25T12:30:00.000Z","seq":1,"epoch":0,"reason":"why"}`},
		{message(t, client.Waiting, "waiting for provider b.example"),
			`{"type":"status","room":"mimi://a.example/r/club","time":"2026-11-25T12:30:00.000Z","text":"hi\nthere","intent":7,"kind":"message","fate":"waiting",` +
				`"reason":"waiting for provider b.example"}`},
		{&chatEvent{Type: eventPeople, Line: 4, Room: roomURI, People: []chatPerson{person}},
			`{"type":"people","line":4,"room":"mimi://a.example/r/club","people":[{"user":"mimi://b.example/u/bob","provider":"b.example","role":"member",` +
				`"devices":[],"gateway":"b.example"}]}`},
		{&chatEvent{Type: eventRoom, Room: roomURI, Name: "Club", Number: 2, Active: &yes, Current: &no, Epoch: new(uint64)},
			`{"type":"room","room":"mimi://a.example/r/club","epoch":0,"name":"Club","number":2,"active":true,"current":false}`},
		{&chatEvent{Type: eventSettled, Line: 3, Settled: &no, Waiting: &two, Accepted: &zero, Failed: &zero},
			`{"type":"settled","line":3,"settled":false,"waiting":2,"accepted":0,"failed":0}`},
	} {
		line, err := c.event.encode()
		if err != nil {
			t.Fatal(err)
		}
		if string(line) != c.want+"\n" {
			t.Errorf("%s\nwant\n%s", line, c.want)
		}
		var back chatEvent
		if err := json.Unmarshal(line, &back); err != nil || !reflect.DeepEqual(&back, c.event) {
			t.Errorf("%s reads as %+v: %v", line, back, err)
		}
	}
}

func devicesOf(t testing.TB, list ...string) (out []uri.Client) {
	t.Helper()
	for _, s := range list {
		c, err := uri.ParseClient(s)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, c)
	}
	return out
}
