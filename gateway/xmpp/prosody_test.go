package xmpp

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"parley/content"
	"parley/content/render"
	"parley/gateway"
	"parley/gateway/convert"
	"parley/gateway/gatewaytest"
	"parley/gatewayd/nativelab"
	"parley/uri"
)

// The tests of this file run against Prosody, from Debian.

const limit = 20 * time.Second

type world struct {
	t      *testing.T
	server *nativelab.XMPP
	xmpp   *XMPP
	events chan gateway.Event
	romeo  *nativelab.XMPPUser
}

func newWorld(t *testing.T) *world {
	t.Helper()
	if missing := nativelab.Missing("xmpp"); len(missing) > 0 {
		if os.Getenv("CI") == "true" {
			t.Fatalf("missing: %v; scripts/deps installs them", missing)
		}
		gatewaytest.Absent()
		t.Skipf("missing Debian packages: %v", missing)
	}
	w := &world{t: t, events: make(chan gateway.Event, 1000)}
	var err error
	if w.server, err = nativelab.NewXMPP(t.TempDir(), "romeo"); err != nil {
		t.Fatal(err)
	}
	if err := w.server.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.server.Kill(); err != nil {
			t.Error(err)
		}
	})
	w.xmpp = New(Config{Domain: nativelab.XMPPComponent, Secret: nativelab.XMPPSecret, Address: w.server.Component, Server: nativelab.XMPPHost,
		Rooms: nativelab.XMPPRooms, Pause: 20 * time.Millisecond})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- w.xmpp.Run(ctx, &gateway.Host{Ingest: func(_ context.Context, e *gateway.Event) error { w.events <- *e; return nil }})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	w.up()
	if w.romeo, err = w.server.Join(t.Context(), "romeo"); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *world) up() {
	w.t.Helper()
	deadline := time.Now().Add(limit)
	for w.xmpp.Probe(w.t.Context()) != nil {
		if time.Now().After(deadline) {
			w.t.Fatal("no stream")
		}
		<-time.After(10 * time.Millisecond)
	}
}

func (w *world) deliver(t *testing.T, e *gateway.Envelope, fate gateway.Fate) gateway.Outcome {
	t.Helper()
	out := w.xmpp.Deliver(t.Context(), e)
	if out.Fate != fate {
		t.Fatalf("fate %d (%s), want %d", out.Fate, out.Reason, fate)
	}
	return out
}

func (w *world) sees(t *testing.T, texts ...string) string {
	t.Helper()
	got, err := w.romeo.Expect(t.Context(), "</message>")
	for err == nil && !contains(got, texts) {
		got, err = w.romeo.Expect(t.Context(), "</message>")
	}
	if err != nil {
		t.Fatalf("%q: %v\nall: %s", texts, err, w.romeo.Seen())
	}
	return got
}

func contains(s string, texts []string) bool {
	for _, text := range texts {
		if !strings.Contains(s, text) {
			return false
		}
	}
	return true
}

func (w *world) says(t *testing.T, stanza string) {
	t.Helper()
	if err := w.romeo.Say(stanza); err != nil {
		t.Fatal(err)
	}
}

func (w *world) hears(t *testing.T, verb gateway.Verb) gateway.Event {
	t.Helper()
	deadline := time.After(limit)
	for {
		select {
		case e := <-w.events:
			if e.Verb == verb {
				return e
			}
		case <-deadline:
			t.Fatalf("no event %s", verb)
		}
	}
}

func user(t *testing.T, s string) uri.User {
	t.Helper()
	u, err := uri.ParseUser(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestMain holds the tests to what the connector declares.
func TestMain(m *testing.M) { os.Exit(gatewaytest.Main(m, New(Config{}).Describe())) }

// feature is the one that a test is named after.
func feature(name string) gateway.Feature {
	first, _, _ := strings.Cut(name, " ")
	return map[string]gateway.Feature{"text": gateway.Text, "formatting": gateway.Formatting, "mentions": gateway.Mentions, "replies": gateway.Replies,
		"edits": gateway.Edits, "deletions": gateway.Deletions, "reactions": gateway.Reactions, "failures": gateway.Failures,
		"delivered": gateway.Delivered, "read": gateway.Read}[first]
}

// picture is a message with a file.
var picture = content.Message{Body: content.Part{Disposition: content.DispositionAttachment,
	Body: content.External{ContentType: "application/pdf", URL: "https://a.example/f", Description: "the plan", Filename: "plan.pdf"}}}

var number int

func say(t *testing.T, place gateway.Place, markdown string) *gateway.Envelope {
	number++
	alice := user(t, "mimi://a.example/u/alice")
	crowd := []gateway.Person{{User: alice}, {User: user(t, "mimi://b.example/u/xmpp.romeo"), Native: "romeo@localhost"}}
	return &gateway.Envelope{ID: fmt.Sprintf("id%d", number), Verb: gateway.Say, From: alice, Place: place, Title: "Clubhouse", Crowd: crowd, Time: time.Now(),
		Doc: render.Markdown(markdown)}
}

const alice = `alice\40a.example@mimi.localhost`

func TestPrivate(t *testing.T) {
	w := newWorld(t)
	private := gateway.Place{With: "romeo@localhost"}
	t.Run("failures out before anything was written", func(t *testing.T) {
		e := say(t, private, "")
		e.Verb, e.Reason, e.Target = gateway.Failure, "no such user", gateway.Reference{Native: "x", Text: "old"}
		w.deliver(t, e, gateway.Accepted)
		w.sees(t, "<body>Not delivered: no such user (“old”)</body>")
	})
	w.says(t, "<message to='"+alice+"' type='chat' id='first'><body>hi</body></message>")
	w.hears(t, gateway.Say)
	t.Run("text out", func(t *testing.T) {
		gatewaytest.Proves(t, gateway.Text, gatewaytest.Out)
		out := w.deliver(t, say(t, private, "hello <b>"), gateway.Accepted)
		got := w.sees(t, "<body>hello &lt;b&gt;</body>", "from='"+alice+"'", "id='"+out.Native+"'", "urn:xmpp:receipts", "<markable")
		if strings.Contains(got, "xhtml") {
			t.Error("form without form")
		}
	})
	t.Run("formatting out", func(t *testing.T) {
		gatewaytest.Proves(t, gateway.Formatting, gatewaytest.Out)
		w.deliver(t, say(t, private, "**b** ~~s~~"), gateway.Accepted)
		w.sees(t, "<body>*b* ~s~</body>", "<strong>b</strong>")
	})
	t.Run("mentions out", func(t *testing.T) {
		gatewaytest.Proves(t, gateway.Mentions, gatewaytest.Out)
		w.deliver(t, say(t, private, "<mimi://b.example/u/xmpp.romeo> look"), gateway.Accepted)
		w.sees(t, "href='xmpp:romeo@localhost'", "@romeo look")
	})
	t.Run("long text out", func(t *testing.T) {
		gatewaytest.Proves(t, gateway.LongText, gatewaytest.Out)
		w.deliver(t, say(t, private, strings.Repeat("word ", 5000)+"end"), gateway.Accepted)
		w.sees(t, "word end</body>")
	})
	about := gateway.Reference{Native: "orig" + gateway.AlsoKnown + "sid", Text: "old words"}
	for name, c := range map[string]struct {
		verb gateway.Verb
		want []string
	}{
		"replies out":   {gateway.Say, []string{"<body>&gt; old words\nnew</body>", "<reply", "id='sid'", "end='12'"}},
		"edits out":     {gateway.Edit, []string{"<body>new</body>", "urn:xmpp:message-correct:0", "id='orig'"}},
		"deletions out": {gateway.Delete, []string{"urn:xmpp:message-retract:1", "id='orig'"}},
		"reactions out": {gateway.React, []string{"urn:xmpp:reactions:0", "id='sid'", "<reaction>👍</reaction>"}},
		"failures out":  {gateway.Failure, []string{"type='error'", "id='orig'", "no such user"}},
	} {
		t.Run(name, func(t *testing.T) {
			gatewaytest.Proves(t, feature(name), gatewaytest.Out)
			e := say(t, private, "new")
			e.Verb, e.Target, e.Emoji, e.Reason = c.verb, about, "👍", "no such user"
			w.deliver(t, e, gateway.Accepted)
			w.sees(t, c.want...)
		})
	}
	t.Run("delivery, reading and failure reports out", func(t *testing.T) {
		gatewaytest.Proves(t, gateway.Delivered, gatewaytest.Out)
		gatewaytest.Proves(t, gateway.Read, gatewaytest.Out)
		gatewaytest.Proves(t, gateway.Failures, gatewaytest.Out)
		e := say(t, private, "")
		e.Verb = gateway.Report
		e.Report = []gateway.Reported{{Target: about, Status: gateway.IsDelivered}, {Target: about, Status: gateway.IsRead}, {Target: about, Status: gateway.IsFailed}}
		w.deliver(t, e, gateway.Accepted)
		w.sees(t, "<received", "id='orig'")
		w.sees(t, "<displayed", "id='orig'")
		w.sees(t, "type='error'", "id='orig'", "Not delivered")
	})
	t.Run("what the server refuses is refused", func(t *testing.T) {
		gatewaytest.Proves(t, gateway.Failures, gatewaytest.In)
		e := say(t, gateway.Place{With: "nobody@localhost"}, "x")
		if out := w.deliver(t, e, gateway.Refused); out.Reason != "XMPP: service-unavailable" {
			t.Error(out.Reason)
		}
	})
	message := func(id, inside string) string {
		return "<message to='" + alice + "' type='chat' id='" + id + "'>" + inside + "</message>"
	}
	for name, c := range map[string]struct {
		inside string
		want   gateway.Event
	}{
		"text in":       {"<body>hi *there*</body>", gateway.Event{Verb: gateway.Say, Text: gateway.Said{Type: content.TypePlain, Text: "hi *there*"}}},
		"formatting in": {"<body>x</body><html xmlns='" + nsXHTMLIM + "'><body xmlns='" + nsXHTML + "'>a <strong>b</strong></body></html>", gateway.Event{Verb: gateway.Say, Text: gateway.Said{Type: content.TypeMarkdown, Text: "a **b**"}}},
		"mentions in":   {"<body>x</body><html xmlns='" + nsXHTMLIM + "'><body xmlns='" + nsXHTML + "'><a href='xmpp:" + strings.ReplaceAll(alice, `\`, "%5C") + "'>Alice</a>!</body></html>", gateway.Event{Verb: gateway.Say, Text: gateway.Said{Type: content.TypeMarkdown, Text: "[Alice](<mimi://a.example/u/alice>)!"}}},
		"replies in":    {"<reply xmlns='" + nsReply + "' id='t1'/><fallback xmlns='" + nsFallback + "' for='" + nsReply + "'><body start='0' end='6'/></fallback><body>&gt; old\nyes</body>", gateway.Event{Verb: gateway.Say, Target: "t1", Text: gateway.Said{Type: content.TypePlain, Text: "yes"}}},
		"edits in":      {"<replace xmlns='" + nsCorrect + "' id='t1'/><body>new</body>", gateway.Event{Verb: gateway.Edit, Target: "t1", Text: gateway.Said{Type: content.TypePlain, Text: "new"}}},
		"deletions in":  {"<retract xmlns='" + nsRetract + "' id='t1'/><body>for old clients</body>", gateway.Event{Verb: gateway.Delete, Target: "t1"}},
		"reactions in":  {"<reactions xmlns='" + nsReactions + "' id='t1'><reaction>👍</reaction></reactions>", gateway.Event{Verb: gateway.React, Target: "t1", Emoji: "👍"}},
		"delivered in":  {"<received xmlns='" + nsReceipts + "' id='t1'/>", gateway.Event{Verb: gateway.Report, Target: "t1", Status: gateway.IsDelivered}},
		"read in":       {"<displayed xmlns='" + nsMarkers + "' id='t1'/>", gateway.Event{Verb: gateway.Report, Target: "t1", Status: gateway.IsRead}},
	} {
		t.Run(name, func(t *testing.T) {
			gatewaytest.Proves(t, feature(name), gatewaytest.In)
			w.says(t, message("m-"+strings.ReplaceAll(name, " ", ""), c.inside))
			got := w.hears(t, c.want.Verb)
			if got.From != "romeo@localhost" || got.To != "mimi://a.example/u/alice" || got.ID == "" {
				t.Errorf("%+v", got)
			}
			if got.Text != c.want.Text || got.Target != c.want.Target || got.Emoji != c.want.Emoji || got.Status != c.want.Status {
				t.Errorf("%+v, want %+v", got, c.want)
			}
		})
	}
	t.Run("files out", func(t *testing.T) {
		gatewaytest.Proves(t, gateway.Files, gatewaytest.Out)
		e := say(t, private, "")
		e.Doc, _ = convert.Doc(picture)
		if out := w.deliver(t, e, gateway.Accepted); len(out.Losses) != 1 || out.Losses[0].Form != convert.File {
			t.Errorf("%v", out.Losses)
		}
		w.sees(t, "<body>[attachment: the plan (plan.pdf)]</body>")
	})
	t.Run("files in", func(t *testing.T) {
		gatewaytest.Proves(t, gateway.Files, gatewaytest.In)
		w.says(t, message("m-file", "<body>https://localhost/f.png</body><x xmlns='jabber:x:oob'><url>https://localhost/f.png</url></x>"))
		if e := w.hears(t, gateway.Say); e.Text.Text != "https://localhost/f.png" {
			t.Errorf("%+v", e)
		}
	})
	t.Run("long text in", func(t *testing.T) {
		gatewaytest.Proves(t, gateway.LongText, gatewaytest.In)
		text := strings.Repeat("word ", 8000)
		w.says(t, message("m-long", "<body>"+text+"</body>"))
		if e := w.hears(t, gateway.Say); e.Text.Text != text {
			t.Errorf("%d octets", len(e.Text.Text))
		}
	})
	t.Run("typing is no message", func(t *testing.T) {
		w.says(t, message("m-typing", "<composing xmlns='"+nsChatStates+"'/>"))
		w.says(t, message("m-after", "<body>after</body>"))
		if e := w.hears(t, gateway.Say); e.Text.Text != "after" {
			t.Errorf("%+v", e)
		}
	})
	t.Run("an address says whose keys they are", func(t *testing.T) {
		w.says(t, "<iq type='get' id='disco1' to='"+alice+"'><query xmlns='"+nsInfo+"'/></iq>")
		if _, err := w.romeo.Expect(t.Context(), "not end-to-end"); err != nil {
			t.Error(err)
		}
	})
}

func TestGroup(t *testing.T) {
	w := newWorld(t)
	place := gateway.Place{Group: "clubhouse-1234"}
	const room = "clubhouse-1234@rooms.localhost"
	cathy := user(t, "mimi://c.example/u/cathy")
	t.Run("who is not in the room is invited and told in private", func(t *testing.T) {
		w.deliver(t, say(t, place, "hello all"), gateway.Accepted)
		w.sees(t, "<invite from='gateway@mimi.localhost'")
		w.sees(t, "type='chat'", "<body>[Clubhouse] hello all</body>")
	})
	t.Run("joins in", func(t *testing.T) {
		gatewaytest.Proves(t, gateway.Joins, gatewaytest.In)
		w.says(t, "<presence to='"+room+"/romeo'><x xmlns='"+nsMUC+"'/></presence>")
		if e := w.hears(t, gateway.Enter); e.From != "romeo@localhost" || e.Group != "clubhouse-1234" {
			t.Errorf("%+v", e)
		}
	})
	t.Run("text both ways, and no echo", func(t *testing.T) {
		gatewaytest.Proves(t, gateway.Groups, gatewaytest.Out)
		gatewaytest.Proves(t, gateway.Groups, gatewaytest.In)
		w.deliver(t, say(t, place, "now in the room"), gateway.Accepted)
		w.sees(t, "type='groupchat'", "from='"+room+"/alice@a.example'", "<body>now in the room</body>")
		w.says(t, "<message to='"+room+"' type='groupchat' id='g1'><body>and I</body></message>")
		if e := w.hears(t, gateway.Say); e.From != "romeo@localhost" || e.Group != "clubhouse-1234" || e.Text.Text != "and I" || e.To != "" {
			t.Errorf("%+v", e)
		}
	})
	t.Run("joins and leaves out", func(t *testing.T) {
		gatewaytest.Proves(t, gateway.Joins, gatewaytest.Out)
		e := say(t, place, "")
		e.Verb, e.From, e.Crowd = gateway.Enter, cathy, append(e.Crowd, gateway.Person{User: cathy})
		w.deliver(t, e, gateway.Accepted)
		if _, err := w.romeo.Expect(t.Context(), "from='"+room+"/cathy@c.example'"); err != nil {
			t.Error(err)
		}
		e.Verb, e.Crowd = gateway.Leave, e.Crowd[:2]
		w.deliver(t, e, gateway.Accepted)
		if _, err := w.romeo.Expect(t.Context(), room+"/cathy@c.example"); err != nil {
			t.Error(err)
		}
	})
	t.Run("names out", func(t *testing.T) {
		gatewaytest.Proves(t, gateway.Topics, gatewaytest.Out)
		e := say(t, place, "")
		e.Verb, e.Title = gateway.Rename, "A new\nname"
		w.deliver(t, e, gateway.Accepted)
		w.sees(t, "<subject>A new name</subject>")
	})
	t.Run("a room lets in members only", func(t *testing.T) {
		if !strings.Contains(w.romeo.Seen(), "affiliation='member'") {
			t.Error("romeo is no member")
		}
	})
}

func TestServerIsKilled(t *testing.T) {
	w := newWorld(t)
	for n := range 2 {
		text := fmt.Sprintf("message %d", n)
		w.deliver(t, say(t, gateway.Place{Group: "club"}, text), gateway.Accepted)
		w.sees(t, text)
		if err := w.server.Kill(); err != nil {
			t.Fatal(err)
		}
		if out := w.xmpp.Deliver(t.Context(), say(t, gateway.Place{With: "romeo@localhost"}, "lost?")); out.Fate == gateway.Accepted || out.Fate == gateway.Refused {
			t.Fatalf("without a server: %+v", out)
		}
		if err := w.server.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.up()
		var err error
		if w.romeo, err = w.server.Join(t.Context(), "romeo"); err != nil {
			t.Fatal(err)
		}
	}
}
