package content_test

import (
	"bytes"
	"testing"

	"parley/content"
)

// sent encodes the message and reads it back, as a receiver would.
func sent(t *testing.T, m content.Message, err error) content.Message {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := m.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := content.Decode(encoded)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestBuild(t *testing.T) {
	alice, hub := user(t, "mimi://a.example/u/alice"), room(t, "mimi://a.example/r/x")
	first, second := messageID(t, idOriginal), messageID(t, idReply)
	salt := [16]byte{1}
	t.Run("C-REA-01 a reaction replies with disposition reaction", func(t *testing.T) {
		r, err := content.NewReaction(salt, alice, hub, first, "\u2764")
		m := sent(t, r, err)
		if *m.InReplyTo != first || m.Body.Disposition != content.DispositionReaction || m.Replaces != nil {
			t.Errorf("%+v", m)
		}
		if s := m.Body.Body.(content.Single); s.ContentType != "text/plain;charset=utf-8" || string(s.Content) != "\u2764" {
			t.Errorf("%q %q", s.ContentType, s.Content)
		}
	})
	t.Run("C-REA-02 not two reactions in one part", func(t *testing.T) {
		for _, s := range []string{"", " ", "\u2764\U0001F973", "ab", "\U0001F1E9\U0001F1EA\U0001F1EB\U0001F1F7", "\u2764 \u2764"} {
			if _, err := content.NewReaction(salt, alice, hub, first, s); err != content.ErrReaction {
				t.Errorf("%q: %v", s, err)
			}
			if _, err := content.NewReactions(salt, alice, hub, first, "\u2764", s); err != content.ErrReaction {
				t.Errorf("%q among others: %v", s, err)
			}
		}
		for _, s := range []string{"\u2764\ufe0f", "\U0001F468\u200d\U0001F469\u200d\U0001F467", "\U0001F44D\U0001F3FD", "\U0001F1E9\U0001F1EA", "e\u0301",
			"\u1112\u1161\u11ab"} {
			if _, err := content.NewReaction(salt, alice, hub, first, s); err != nil {
				t.Errorf("%q: %v", s, err)
			}
		}
		if _, err := content.NewReactions(salt, alice, hub, first); err != content.ErrReaction {
			t.Errorf("none: %v", err)
		}
	})
	t.Run("C-REA-03 several reactions in parts of one message", func(t *testing.T) {
		r, err := content.NewReactions(salt, alice, hub, first, "\u2764", "\U0001F973", "\U0001F91E")
		m := sent(t, r, err)
		example := examples(t)[12].message.Body
		if got, want := encodedPart(t, m.Body), encodedPart(t, example); !bytes.Equal(got, want) {
			t.Errorf("%x, the example has %x", got, want)
		}
		if content.Text(m) != "Reaction: \u2764\nReaction: \U0001F973\nReaction: \U0001F91E" {
			t.Errorf("%q", content.Text(m))
		}
	})
	t.Run("C-REA-06 an unlike deletes the reaction", func(t *testing.T) {
		r, err := content.NewReaction(salt, alice, hub, first, "\u2764")
		m := sent(t, content.NewDelete(salt, alice, hub, second, sent(t, r, err)), nil)
		if *m.Replaces != second || m.Body.Body != nil || m.Body.Disposition != content.DispositionReaction || *m.InReplyTo != first {
			t.Errorf("%+v", m)
		}
	})
	original := content.NewReply(salt, alice, hub, first, []byte("topic"), "one")
	original.Expires = &content.Expires{Relative: true, Time: 60}
	t.Run("C-EDT-01 an edit names the first version", func(t *testing.T) {
		edit := sent(t, content.NewEdit(salt, alice, hub, second, original, say("text/plain", "two")), nil)
		again := sent(t, content.NewEdit(salt, alice, hub, messageID(t, idReaction), edit, say("text/plain", "three")), nil)
		for _, m := range []content.Message{edit, again} {
			if *m.Replaces != second || *m.InReplyTo != first || string(m.Topic) != "topic" || *m.Expires != *original.Expires {
				t.Errorf("%+v", m)
			}
		}
		if content.Text(again) != "three" {
			t.Errorf("%q", content.Text(again))
		}
	})
	t.Run("C-DEL-01 a deletion names the first version and has no body", func(t *testing.T) {
		edit := content.NewEdit(salt, alice, hub, second, original, say("text/plain", "two"))
		m := sent(t, content.NewDelete(salt, alice, hub, messageID(t, idReaction), edit), nil)
		if *m.Replaces != second || m.Body.Body != nil || content.Text(m) != "[deleted]" {
			t.Errorf("%+v", m)
		}
	})
	t.Run("C-MEN-05 a mention links to the user", func(t *testing.T) {
		bob := user(t, "mimi://b.example/u/bob")
		for got, want := range map[string]string{
			content.Mention(bob, "Bob"):         "[@Bob](mimi://b.example/u/bob)",
			content.Mention(bob, ""):            "<mimi://b.example/u/bob>",
			content.Mention(bob, "a](x:y)*\n<"): `[@a\]\(x\:y\)\* \<](mimi://b.example/u/bob)`,
			content.MentionHTML(bob, "Bob"):     `<a href="mimi://b.example/u/bob">@Bob</a>`,
			content.MentionHTML(bob, "<b>"):     `<a href="mimi://b.example/u/bob">@&lt;b&gt;</a>`,
			content.MentionHTML(bob, ""):        `<a href="mimi://b.example/u/bob">mimi://b.example/u/bob</a>`,
		} {
			if got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
	})
	t.Run("C-TPC-01 a topic is the ID of its first message, and replies copy it", func(t *testing.T) {
		m := sent(t, content.NewReply(salt, alice, hub, first, content.TopicOf(first), "in it"), nil)
		next := sent(t, content.NewReply(salt, alice, hub, second, m.Topic, "too"), nil)
		if !bytes.Equal(m.Topic, first[:]) || !bytes.Equal(next.Topic, first[:]) {
			t.Errorf("%x %x", m.Topic, next.Topic)
		}
	})
	t.Run("C-CNF-01 a conference is a session part that is not encrypted", func(t *testing.T) {
		s, err := content.NewSession(salt, alice, hub, "https://example.com/join/12345", "Join the Foo 118 conference")
		m := sent(t, s, err)
		if got, want := encodedPart(t, m.Body), encodedPart(t, examples(t)[10].message.Body); !bytes.Equal(got, want) {
			t.Errorf("%x, the example has %x", got, want)
		}
		if m.CheckSend(alice, hub) != nil {
			t.Error(m.CheckSend(alice, hub))
		}
		if _, err := content.NewSession(salt, alice, hub, "join/1", ""); err != content.ErrURL {
			t.Errorf("relative: %v", err)
		}
	})
	t.Run("C-MT-09 a vendor's format beside the common one under one ID", func(t *testing.T) {
		const vendor = "application/vnd.examplevendor-fancy-im-message"
		m := sent(t, content.NewMessage(salt, alice, hub, content.Beside(say(vendor, "fancy"), say(content.TypeMarkdown, "# Welcome!"))), nil)
		own, outside := content.Receiver{Preferred: []string{vendor}}.View(m.Body), content.Receiver{}.View(m.Body)
		if shown(own) != "[1]" || shown(outside) != "[2]" || outside.Text() != "# Welcome!" {
			t.Errorf("own %s, outside %s", shown(own), shown(outside))
		}
		// The published example has them in the other order: the receiver's policy decides, not the sender's.
		example := examples(t)[11].message
		if got := shown(content.Receiver{Preferred: []string{vendor}}.View(example.Body)); got != "[2]" {
			t.Errorf("example: %s", got)
		}
	})
}

// encodedPart is a part's encoding, which ends a message.
func encodedPart(t *testing.T, p content.Part) []byte {
	t.Helper()
	encoded, err := (content.Message{Body: p}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	return encoded[1+17+1+1+1+1+1:]
}
