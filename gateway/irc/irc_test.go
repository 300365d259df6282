package irc

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"parley/content"
	"parley/content/render"
	"parley/gateway"
	"parley/gateway/convert"
	"parley/gateway/gatewaytest"
	"parley/uri"
)

// TestMain holds the tests to what the connector declares.
func TestMain(m *testing.M) { os.Exit(gatewaytest.Main(m, New(Config{}).Describe())) }

// picture is a message with a file.
var picture = content.Message{Body: content.Part{Disposition: content.DispositionAttachment,
	Body: content.External{ContentType: "application/pdf", URL: "https://a.example/f", Description: "the plan", Filename: "plan.pdf"}}}

func user(t *testing.T, s string) uri.User {
	t.Helper()
	u, err := uri.ParseUser(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func say(t *testing.T, place gateway.Place, markdown string) *gateway.Envelope {
	alice := user(t, "mimi://a.example/u/alice")
	crowd := []gateway.Person{{User: alice}, {User: user(t, "mimi://b.example/u/irc.bob"), Native: "bob"}}
	return &gateway.Envelope{ID: "1", Verb: gateway.Say, From: alice, Place: place, Title: "Clubhouse", Crowd: crowd, Time: time.Now(), Doc: render.Markdown(markdown)}
}

func TestPrivate(t *testing.T) {
	w := newWorld(t)
	bob := w.person("bob")
	w.online("bob")
	private := gateway.Place{With: "bob"}
	deliver := func(t *testing.T, e *gateway.Envelope, fate gateway.Fate) gateway.Outcome {
		t.Helper()
		out := w.irc.Deliver(t.Context(), e)
		if out.Fate != fate {
			t.Fatalf("fate %d (%s), want %d", out.Fate, out.Reason, fate)
		}
		return out
	}
	t.Run("text out", func(t *testing.T) {
		gatewaytest.Proves(t, gateway.Text, gatewaytest.Out)
		deliver(t, say(t, private, "hello bob"), gateway.Accepted)
		if got := bob.expect("PRIVMSG"); got != ":alice!mimi@a.example PRIVMSG bob :hello bob" {
			t.Errorf("%q", got)
		}
	})
	t.Run("formatting out", func(t *testing.T) {
		gatewaytest.Proves(t, gateway.Formatting, gatewaytest.Out)
		deliver(t, say(t, private, "**b** ~~s~~ `m`"), gateway.Accepted)
		bob.expect(":\x02b\x02 \x1es\x1e \x11m\x11")
	})
	t.Run("mentions out", func(t *testing.T) {
		gatewaytest.Proves(t, gateway.Mentions, gatewaytest.Out)
		deliver(t, say(t, private, "<mimi://b.example/u/irc.bob>: look"), gateway.Accepted)
		bob.expect(":bob: look")
	})
	t.Run("long text out", func(t *testing.T) {
		gatewaytest.Proves(t, gateway.LongText, gatewaytest.Out)
		deliver(t, say(t, private, strings.Repeat("word ", 200)+"end"), gateway.Accepted)
		first := bob.expect("word")
		bob.expect("end")
		if len(first) > 510 {
			t.Errorf("a line of %d octets", len(first))
		}
		deliver(t, say(t, private, strings.Repeat("x  \n", 50)), gateway.Accepted)
		bob.expect("[31 more lines are not shown here]")
	})
	t.Run("a command in a text stays text", func(t *testing.T) {
		deliver(t, say(t, private, "a\r\nQUIT :gone"), gateway.Accepted)
		bob.expect("PRIVMSG bob :a")
		bob.expect("PRIVMSG bob :QUIT :gone")
	})
	for verb, want := range map[gateway.Verb]string{
		gateway.Edit: "PRIVMSG bob :[edited] new", gateway.Delete: "\x01ACTION has deleted a message (“old words”)\x01",
		gateway.React: "\x01ACTION reacted 👍 (“old words”)\x01", gateway.Failure: ":gw.parley.example NOTICE bob :Not delivered: no such user (“old words”)",
	} {
		t.Run(string(verb)+" out", func(t *testing.T) {
			gatewaytest.Proves(t, map[gateway.Verb]gateway.Feature{gateway.Edit: gateway.Edits, gateway.Delete: gateway.Deletions,
				gateway.React: gateway.Reactions, gateway.Failure: gateway.Failures}[verb], gatewaytest.Out)
			e := say(t, private, "new")
			e.Verb, e.Emoji, e.Reason, e.Target = verb, "👍", "no such user", gateway.Reference{Text: "old words"}
			deliver(t, e, gateway.Accepted)
			bob.expect(want)
		})
	}
	t.Run("replies out", func(t *testing.T) {
		gatewaytest.Proves(t, gateway.Replies, gatewaytest.Out)
		e := say(t, private, "yes")
		e.Target = gateway.Reference{Text: "old words"}
		if out := deliver(t, e, gateway.Accepted); out.Level != gateway.Fallback {
			t.Error(out.Level)
		}
		bob.expect(":[re (“old words”)] yes")
	})
	t.Run("failure reports out", func(t *testing.T) {
		e := say(t, private, "")
		e.Verb, e.Report = gateway.Report, []gateway.Reported{{Target: gateway.Reference{Text: "mine"}, Status: gateway.IsFailed}}
		deliver(t, e, gateway.Accepted)
		bob.expect("NOTICE bob :Not delivered to alice (“mine”)")
	})
	t.Run("reading reports are dropped and say so", func(t *testing.T) {
		e := say(t, private, "")
		e.Verb, e.Report = gateway.Report, []gateway.Reported{{Status: gateway.IsRead}}
		if out := deliver(t, e, gateway.Accepted); out.Level != gateway.Dropped {
			t.Error(out.Level)
		}
	})
	t.Run("who is away is waited for and then refused", func(t *testing.T) {
		gatewaytest.Proves(t, gateway.Failures, gatewaytest.In)
		e := say(t, gateway.Place{With: "nobody"}, "x")
		deliver(t, e, gateway.Retry)
		e.Time = time.Now().Add(-time.Minute)
		deliver(t, e, gateway.Refused)
	})
	t.Run("text in", func(t *testing.T) {
		gatewaytest.Proves(t, gateway.Text, gatewaytest.In)
		gatewaytest.Proves(t, gateway.Formatting, gatewaytest.In)
		bob.say("PRIVMSG alice :hi \x02there\x02")
		e := w.desk.expect(t, func(e gateway.Event) bool { return e.Verb == gateway.Say })
		if e.From != "bob" || e.To != "mimi://a.example/u/alice" || e.Group != "" || e.Text.Text != "hi **there**" || e.ID == "" {
			t.Errorf("%+v", e)
		}
	})
	t.Run("long text in", func(t *testing.T) {
		gatewaytest.Proves(t, gateway.LongText, gatewaytest.In)
		text := strings.Repeat("x", 400)
		bob.say("PRIVMSG alice :" + text)
		if e := w.desk.expect(t, func(e gateway.Event) bool { return e.Verb == gateway.Say }); e.Text.Text != text {
			t.Errorf("%d octets", len(e.Text.Text))
		}
	})
	t.Run("files out", func(t *testing.T) {
		gatewaytest.Proves(t, gateway.Files, gatewaytest.Out)
		e := say(t, private, "")
		e.Doc, _ = convert.Doc(picture)
		if out := deliver(t, e, gateway.Accepted); len(out.Losses) != 1 || out.Losses[0].Form != convert.File {
			t.Errorf("%v", out.Losses)
		}
		bob.expect("PRIVMSG bob :[attachment: the plan (plan.pdf)]")
	})
	t.Run("an action in", func(t *testing.T) {
		bob.say("PRIVMSG alice :\x01ACTION waves\x01")
		e := w.desk.expect(t, func(e gateway.Event) bool { return e.Verb == gateway.Say })
		if e.Text.Text != "* bob waves" {
			t.Errorf("%+v", e)
		}
	})
	t.Run("a mention in", func(t *testing.T) {
		gatewaytest.Proves(t, gateway.Mentions, gatewaytest.In)
		bob.say("PRIVMSG alice :alice: you there?")
		e := w.desk.expect(t, func(e gateway.Event) bool { return e.Verb == gateway.Say })
		if e.Text.Text != "[@alice](<mimi://a.example/u/alice>): you there?" {
			t.Errorf("%+v", e)
		}
	})
	t.Run("a request of a program is no text", func(t *testing.T) {
		bob.say("PRIVMSG alice :\x01VERSION\x01")
		bob.say("PRIVMSG alice :after")
		if e := w.desk.expect(t, func(e gateway.Event) bool { return e.Verb == gateway.Say }); e.Text.Text != "after" {
			t.Errorf("%+v", e)
		}
	})
	t.Run("floods are told", func(t *testing.T) {
		w.desk.mu.Lock()
		w.desk.fail = gateway.ErrFlood
		w.desk.mu.Unlock()
		bob.say("PRIVMSG alice :x")
		bob.expect("NOTICE bob :Not passed on")
		w.desk.mu.Lock()
		w.desk.fail = nil
		w.desk.mu.Unlock()
	})
}

func TestGroup(t *testing.T) {
	w := newWorld(t)
	bob := w.person("bob")
	w.online("bob")
	place := gateway.Place{Group: "clubhouse-1234"}
	cathy := user(t, "mimi://c.example/u/cathy")
	t.Run("who is not in the channel is invited and told in private", func(t *testing.T) {
		if out := w.irc.Deliver(t.Context(), say(t, place, "hello all")); out.Fate != gateway.Accepted || len(out.Missed) != 0 {
			t.Fatalf("%+v", out)
		}
		bob.expect("INVITE bob #clubhouse-1234")
		bob.expect("PRIVMSG bob :[#clubhouse-1234] hello all")
	})
	t.Run("joins in", func(t *testing.T) {
		gatewaytest.Proves(t, gateway.Joins, gatewaytest.In)
		bob.say("JOIN #clubhouse-1234")
		bob.expect(" 366 ")
		if e := w.desk.expect(t, func(e gateway.Event) bool { return e.Verb == gateway.Enter }); e.From != "bob" || e.Group != "clubhouse-1234" {
			t.Errorf("%+v", e)
		}
	})
	t.Run("text both ways", func(t *testing.T) {
		gatewaytest.Proves(t, gateway.Groups, gatewaytest.Out)
		gatewaytest.Proves(t, gateway.Groups, gatewaytest.In)
		w.irc.Deliver(t.Context(), say(t, place, "now in the room"))
		bob.expect(":alice!mimi@a.example PRIVMSG #clubhouse-1234 :now in the room")
		bob.say("PRIVMSG #clubhouse-1234 :and I")
		if e := w.desk.expect(t, func(e gateway.Event) bool { return e.Verb == gateway.Say }); e.Group != "clubhouse-1234" || e.Text.Text != "and I" || e.To != "" {
			t.Errorf("%+v", e)
		}
	})
	t.Run("joins and leaves out", func(t *testing.T) {
		gatewaytest.Proves(t, gateway.Joins, gatewaytest.Out)
		e := say(t, place, "")
		e.Verb, e.From, e.Crowd = gateway.Enter, cathy, append(e.Crowd, gateway.Person{User: cathy})
		w.irc.Deliver(t.Context(), e)
		bob.expect(":cathy!mimi@c.example JOIN :#clubhouse-1234")
		e.Verb, e.Crowd = gateway.Leave, e.Crowd[:2]
		w.irc.Deliver(t.Context(), e)
		bob.expect(":cathy!mimi@c.example PART #clubhouse-1234")
	})
	t.Run("names out", func(t *testing.T) {
		gatewaytest.Proves(t, gateway.Topics, gatewaytest.Out)
		e := say(t, place, "")
		e.Verb, e.Title = gateway.Rename, "A new\r\nname"
		w.irc.Deliver(t.Context(), e)
		bob.expect("TOPIC #clubhouse-1234 :A new name")
	})
	t.Run("who is offline is missed, per recipient", func(t *testing.T) {
		e := say(t, place, "x")
		e.Crowd = append(e.Crowd, gateway.Person{User: user(t, "mimi://b.example/u/irc.dora"), Native: "dora"})
		if out := w.irc.Deliver(t.Context(), e); out.Fate != gateway.Accepted || len(out.Missed) != 1 || out.Missed[0] != "dora" {
			t.Errorf("%+v", out)
		}
	})
	t.Run("a change of nick is another person", func(t *testing.T) {
		bob.say("NICK bobby")
		w.desk.expect(t, func(e gateway.Event) bool { return e.Verb == gateway.Leave && e.From == "bob" })
		w.desk.expect(t, func(e gateway.Event) bool { return e.Verb == gateway.Enter && e.From == "bobby" })
	})
	t.Run("leaves in", func(t *testing.T) {
		bob.say("PART #clubhouse-1234")
		w.desk.expect(t, func(e gateway.Event) bool { return e.Verb == gateway.Leave && e.From == "bobby" })
	})
	t.Run("channels that are no rooms are nobody's matter", func(t *testing.T) {
		bob.say("JOIN #other")
		bob.say("PRIVMSG #other :secret")
		bob.say("PRIVMSG alice :direct")
		if e := w.desk.expect(t, func(gateway.Event) bool { return true }); e.Text.Text != "direct" {
			t.Errorf("%+v", e)
		}
	})
}

func TestNickOfSomebodyElse(t *testing.T) {
	w := newWorld(t)
	native := w.person("alice")
	bob := w.person("bob")
	w.online("alice")
	w.online("bob")
	if out := w.irc.Deliver(t.Context(), say(t, gateway.Place{With: "bob"}, "hello")); out.Fate != gateway.Accepted {
		t.Fatalf("%+v", out)
	}
	bob.expect(":alice^!mimi@a.example PRIVMSG bob :hello")
	native.say("PRIVMSG bob :it is me")
	bob.expect(":alice!~alice@127.0.0.1 PRIVMSG bob :it is me")
}

// A gateway that dies after the network has taken a message knows it from the network's log.
func TestWhatWasTakenIsNotSentAgain(t *testing.T) {
	w := newWorld(t)
	bob := w.person("bob")
	w.online("bob")
	e := say(t, gateway.Place{With: "bob"}, "once")
	if out := w.irc.Deliver(t.Context(), e); out.Fate != gateway.Accepted {
		t.Fatalf("%+v", out)
	}
	bob.expect("PRIVMSG bob :once")
	w.irc.mu.Lock()
	err := w.irc.conn.Close() // the link ends; what is known of it is asked for again
	w.irc.mu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	w.linked()
	e.Again = true
	if out := w.irc.Deliver(t.Context(), e); out.Fate != gateway.Accepted {
		t.Fatalf("%+v", out)
	}
	after := say(t, gateway.Place{With: "bob"}, "after")
	after.ID = "2"
	after.Again = true // tried, and the network does not have it
	if out := w.irc.Deliver(t.Context(), after); out.Fate != gateway.Accepted {
		t.Fatalf("%+v", out)
	}
	if got := bob.expect("PRIVMSG bob :"); !strings.HasSuffix(got, ":after") {
		t.Errorf("%q", got)
	}
}

func TestServerIsKilled(t *testing.T) {
	w := newWorld(t)
	path, err := exec.LookPath("ngircd")
	if err != nil {
		path = "/usr/sbin/ngircd"
	}
	for n := range 3 {
		bob := w.person("bob")
		w.online("bob")
		text := fmt.Sprintf("message %d", n)
		if out := w.irc.Deliver(t.Context(), say(t, gateway.Place{Group: "club"}, text)); out.Fate != gateway.Accepted {
			t.Fatalf("%+v", out)
		}
		bob.expect(text)
		w.stop()
		if out := w.irc.Deliver(t.Context(), say(t, gateway.Place{With: "bob"}, "lost?")); out.Fate == gateway.Accepted || out.Fate == gateway.Refused {
			t.Fatalf("without a server: %+v", out)
		}
		w.start(path)
		w.linked()
	}
	bob := w.person("bob")
	bob.say("JOIN #club")
	if names := bob.expect(" 353 "); !strings.Contains(names, "alice") {
		t.Errorf("the channel is not filled again: %q", names)
	}
}
