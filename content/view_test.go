package content_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/content"
)

func say(contentType, text string) content.Part {
	return single(content.DispositionRender, "", contentType, text)
}

func shown(v content.View) string {
	var list []int
	for _, s := range v.Parts {
		list = append(list, s.Index)
	}
	return fmt.Sprint(list)
}

func textOf(body content.Part) string { return content.Text(content.Message{Body: body}) }

const unknownImage = "image/x-unknown"

func TestView(t *testing.T) {
	plain := say("text/plain", "plain")
	t.Run("C-PART-08 unknown media type is no error and leaves something to see", func(t *testing.T) {
		for name, body := range map[string]content.Part{
			"single": say("application/vnd.x", "\x00"), "no type": say("", "x"), "broken type": say("text plain", "x"),
			"all of several": multi(1, content.ProcessAll, say("application/vnd.x", "a"), say("application/vnd.y", "b")),
			"alternatives":   multi(1, content.ChooseOne, say("application/vnd.x", "a"), say("application/vnd.y", "b")),
			"charset":        say("text/plain;charset=utf-16", "\x00x"),
		} {
			if got := textOf(body); got != "[unsupported message]" {
				t.Errorf("%s: %q", name, got)
			}
			if v := (content.Receiver{}).View(body); len(v.Skipped) == 0 {
				t.Errorf("%s: nothing to save", name)
			}
		}
	})
	t.Run("C-PART-15 exactly one alternative, by the receiver's policy", func(t *testing.T) {
		body := multi(1, content.ChooseOne, say(content.TypeMarkdown, "common"), say("application/vnd.a", "own"), plain)
		for name, c := range map[string]struct {
			r    content.Receiver
			want string
		}{
			"sender's order":  {content.Receiver{}, "[1]"},
			"own first":       {content.Receiver{Preferred: []string{"application/vnd.a"}}, "[2]"},
			"plain only":      {content.Receiver{Types: []string{content.TypePlain}}, "[3]"},
			"nothing of them": {content.Receiver{Types: []string{"image/png"}}, "[]"},
		} {
			if got := shown(c.r.View(body)); got != c.want {
				t.Errorf("%s: %s", name, got)
			}
		}
		deep := multi(1, content.ChooseOne,
			multi(1, content.ProcessAll, say("text/html", "a"), say(unknownImage, "")),
			multi(1, content.ProcessAll, say("text/html", "b"), say("image/png", "")))
		if got := shown((content.Receiver{}).View(deep)); got != "[5 6]" {
			t.Errorf("the alternative with all parts understood: %s", got)
		}
	})
	t.Run("C-PART-16 a unit is processed whole or not at all", func(t *testing.T) {
		body := multi(1, content.SingleUnit, say("text/html", "<p>hi"), say(unknownImage, ""))
		v := (content.Receiver{}).View(body)
		if len(v.Parts) != 0 || textOf(body) != "[unsupported message]" {
			t.Errorf("%s, %q", shown(v), textOf(body))
		}
		if got := shown((content.Receiver{Preferred: []string{unknownImage}}).View(body)); got != "[1 2]" {
			t.Errorf("understood: %s", got)
		}
		nested := multi(1, content.ProcessAll, plain, body)
		if got := textOf(nested); got != "plain" {
			t.Errorf("beside a unit: %q", got)
		}
		outer := multi(1, content.SingleUnit, plain, multi(1, content.ProcessAll, plain, say(unknownImage, "")))
		if got := textOf(outer); got != "[unsupported message]" {
			t.Errorf("a unit with a part deep in it: %q", got)
		}
	})
	t.Run("C-PART-17 as many as possible", func(t *testing.T) {
		body := multi(1, content.ProcessAll, say("text/plain", "a"), say(unknownImage, ""), say("text/plain", "b"))
		v := (content.Receiver{}).View(body)
		if got := textOf(body); got != "a\nb" || !slices.Equal(v.Skipped, []int{2}) {
			t.Errorf("%q, skipped %v", got, v.Skipped)
		}
	})
	t.Run("C-PART-06 languages choose and never refuse", func(t *testing.T) {
		alternatives := multi(1, content.ChooseOne, single(1, "en", "text/plain", "Welcome"),
			single(1, "fr-CA, fr", "text/plain", "Bienvenue"), single(1, "xx-nonsense,,", "text/plain", "?"))
		for language, want := range map[string]string{"": "Welcome", "fr": "Bienvenue", "FR-ca": "Bienvenue", "de": "Welcome", "e": "Welcome"} {
			r := content.Receiver{Languages: []string{language}}
			if language == "" {
				r.Languages = nil
			}
			if got := r.Text(content.Message{Body: alternatives}); got != want {
				t.Errorf("%q reads %q", language, got)
			}
		}
		vendor := multi(1, content.ChooseOne, single(1, "en", "text/plain", "common"), single(1, "", "application/vnd.a", "own"))
		r := content.Receiver{Preferred: []string{"application/vnd.a"}, Languages: []string{"en"}}
		if got := shown(r.View(vendor)); got != "[2]" {
			t.Errorf("own format without a language: %s", got)
		}
	})
	t.Run("C-SEC-10 the alternatives that others may see are told", func(t *testing.T) {
		body := examples(t)[13].message.Body
		v := (content.Receiver{}).View(body)
		if !slices.Equal(v.Alternatives, []int{4, 6}) {
			t.Errorf("%v", v.Alternatives)
		}
		if v := (content.Receiver{}).View(plain); v.Alternatives != nil {
			t.Error("alternatives of a single part")
		}
	})
	t.Run("a text of its own kind", func(t *testing.T) {
		r := content.Receiver{Preferred: []string{"application/vnd.a"}}
		if got := r.Text(content.Message{Body: say("application/vnd.a", "x")}); got != "[application/vnd.a]" {
			t.Errorf("%q", got)
		}
	})
}

func TestReferences(t *testing.T) {
	image := single(content.DispositionInline, "", "image/png", "x")
	html := func(refs string) content.Part { return say("text/html", refs) }
	t.Run("C-PART-21 shown once: alternatives first, then in order, whatever the disposition", func(t *testing.T) {
		v := (content.Receiver{Languages: []string{"fr"}, Preferred: []string{"image/png"}}).View(examples(t)[13].message.Body)
		if shown(v) != "[9]" || !slices.Equal(v.Parts[0].Embeds, []int{10}) {
			t.Errorf("multipart-3: %s", shown(v))
		}
		for d := content.DispositionUnspecified; d <= content.DispositionPreview; d++ {
			other := single(d, "", "image/png", "x")
			if got := shown((content.Receiver{}).View(multi(1, content.ProcessAll, html("cid:2@local.invalid"), other))); got != "[1]" {
				t.Errorf("disposition %d: %s", d, got)
			}
		}
		if got := shown((content.Receiver{}).View(multi(1, content.ProcessAll, image, html("cid:1@local.invalid cid:1@local.invalid")))); got != "[2]" {
			t.Errorf("the image first: %s", got)
		}
	})
	t.Run("C-PART-22 references that mean nothing", func(t *testing.T) {
		for name, c := range map[string]struct{ refs, want string }{
			"out of range": {"cid:7@local.invalid", "[1 2]"}, "self": {"cid:1@local.invalid", "[1 2]"}, "multi": {"cid:0@local.invalid", "[1 2]"},
			"huge": {"cid:99999999999999999999@local.invalid", "[1 2]"}, "other host": {"cid:2@example.com", "[1 2]"},
		} {
			if got := shown((content.Receiver{}).View(multi(1, content.ProcessAll, html(c.refs), image))); got != c.want {
				t.Errorf("%s: %s", name, got)
			}
		}
		notChosen := multi(1, content.ProcessAll, html("cid:4@local.invalid"), multi(1, content.ChooseOne, image, image))
		if v := (content.Receiver{}).View(notChosen); shown(v) != "[1 3]" || v.Parts[0].Embeds != nil {
			t.Errorf("not chosen: %s", shown(v))
		}
		mutual := multi(1, content.ProcessAll, html("cid:2@local.invalid"), html("cid:1@local.invalid"))
		if got := shown((content.Receiver{}).View(mutual)); got != "[1]" {
			t.Errorf("two that refer to each other: %s", got)
		}
		inPlain := multi(1, content.ProcessAll, say("text/plain", "cid:2@local.invalid"), image)
		if got := shown((content.Receiver{}).View(inPlain)); got != "[1 2]" {
			t.Errorf("plain text refers to nothing: %s", got)
		}
	})
	t.Run("C-PART-20 sent references point to single or external parts", func(t *testing.T) {
		alice, hub := user(t, "mimi://a.example/u/alice"), room(t, "mimi://a.example/r/x")
		for refs, want := range map[string]error{"cid:2@local.invalid": nil, "cid:0@local.invalid": content.ErrReference,
			"cid:3@local.invalid": content.ErrReference, "cid:4@local.invalid": content.ErrReference} {
			m := content.NewMessage([16]byte{}, alice, hub, multi(1, content.ProcessAll, html(refs), image, content.Part{}))
			if err := m.CheckSend(alice, hub); err != want {
				t.Errorf("%s: %v", refs, err)
			}
		}
	})
}

func TestDispositions(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	external := content.External{ContentType: "image/png", URL: "https://a.example/x", Hash: content.HashSHA256, ContentHash: make([]byte, 32)}
	at := func(d content.Disposition, e content.External) content.Shown {
		v := (content.Receiver{}).View(content.Part{Disposition: d, Body: e})
		if len(v.Parts) != 1 {
			t.Fatalf("disposition %d: %d parts", d, len(v.Parts))
		}
		return v.Parts[0]
	}
	t.Run("C-DISP-10 render, inline and attachment", func(t *testing.T) {
		for d, want := range map[content.Disposition]content.Action{0: content.ActionShow, 1: content.ActionShow, 99: content.ActionShow,
			content.DispositionInline: content.ActionInline, content.DispositionAttachment: content.ActionOffer} {
			if got := at(d, external).Action; got != want {
				t.Errorf("disposition %d: action %d", d, got)
			}
		}
		if at(content.DispositionAttachment, external).Fetch(now) || !at(content.DispositionInline, external).Fetch(now) {
			t.Error("an attachment is fetched, or what is inline is not")
		}
	})
	t.Run("C-DISP-11 a session is a question to the user", func(t *testing.T) {
		s := at(content.DispositionSession, content.External{URL: "https://example.com/join/1", Description: "Join us"})
		if s.Action != content.ActionPrompt || s.Part.Body.(content.External).URL == "" {
			t.Errorf("action %d", s.Action)
		}
		if got := textOf(s.Part); got != "[session: Join us] https://example.com/join/1" {
			t.Errorf("%q", got)
		}
	})
	t.Run("C-CNF-02 no session is fetched", func(t *testing.T) {
		for _, contentType := range []string{"", "text/html", "image/png"} {
			e := external
			e.ContentType = contentType
			if at(content.DispositionSession, e).Fetch(now) {
				t.Errorf("%q fetched", contentType)
			}
		}
	})
	t.Run("C-DISP-12 a preview is the sender's word", func(t *testing.T) {
		s := at(content.DispositionPreview, external)
		if s.Action != content.ActionPreview || s.Fetch(now) {
			t.Errorf("action %d", s.Action)
		}
		if got := textOf(single(content.DispositionPreview, "", "text/plain", "Bank")); got != "Preview: Bank" {
			t.Errorf("%q", got)
		}
	})
	t.Run("C-SEC-12 previews as the room wants them, and never believed", func(t *testing.T) {
		for policy, want := range map[content.Optionality][2]bool{content.Optional: {false, true}, content.Required: {true, true},
			content.Forbidden: {false, false}, 9: {false, false}} {
			for n, wish := range []bool{false, true} {
				rules := content.PreviewRules{Send: policy, Automatic: content.Forbidden}
				if rules.MaySend(wish) != want[n] || rules.MayMake(wish) {
					t.Errorf("send %d, wish %v", policy, wish)
				}
				rules = content.PreviewRules{Send: content.Forbidden, Automatic: policy}
				if rules.MayMake(wish) != want[n] || rules.MaySend(wish) {
					t.Errorf("automatic %d, wish %v", policy, wish)
				}
			}
		}
		link, preview := say("text/plain", "link"), single(content.DispositionPreview, "", "text/plain", "Your bank")
		for _, semantics := range []content.Semantics{content.ProcessAll, content.SingleUnit, content.ChooseOne} {
			body := multi(1, semantics, preview, link)
			if got := shown((content.Receiver{NoPreviews: true}).View(body)); got != "[2]" {
				t.Errorf("semantics %d: %s", semantics, got)
			}
		}
		if got := textOf(multi(1, content.ProcessAll, link, preview)); got != "link\nPreview: Your bank" {
			t.Errorf("%q", got)
		}
	})
	t.Run("C-DISP-13 profile and icon rename nobody", func(t *testing.T) {
		for d, want := range map[content.Disposition]string{content.DispositionProfile: "[profile]", content.DispositionIcon: "[icon]"} {
			if s := at(d, external); s.Action != content.ActionNote || s.Fetch(now) || textOf(s.Part) != want {
				t.Errorf("disposition %d: %d, %q", d, s.Action, textOf(s.Part))
			}
			if got := textOf(single(d, "", "text/vcard", "FN:Alice")); strings.Contains(got, "Alice") {
				t.Errorf("%q", got)
			}
		}
	})
	t.Run("C-XP-12 inline is shown, an attachment offered by description and name", func(t *testing.T) {
		video := content.External{ContentType: "video/mp4", URL: "https://a.example/x", Description: "key signing", Filename: "big.mp4"}
		if got := textOf(content.Part{Disposition: content.DispositionAttachment, Body: video}); got != "[attachment: key signing (big.mp4)]" {
			t.Errorf("%q", got)
		}
		if at(content.DispositionInline, external).Action != content.ActionInline {
			t.Error("inline image not shown")
		}
		if s := at(content.DispositionInline, video); s.Action != content.ActionOffer || s.Fetch(now) {
			t.Error("what cannot be shown is not offered")
		}
	})
	t.Run("C-INL-01 an attachment inside of the message", func(t *testing.T) {
		for d, want := range map[content.Disposition]content.Action{content.DispositionAttachment: content.ActionOffer, content.DispositionInline: content.ActionInline} {
			body := single(d, "", "image/png", "octets")
			m := content.Message{Body: body}
			encoded, err := m.Encode()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := (content.Limits{Size: len(encoded) - 1}).Decode(encoded); err != content.ErrSize {
				t.Errorf("limit: %v", err)
			}
			if v := (content.Receiver{}).View(body); v.Parts[0].Action != want || string(v.Parts[0].Part.Body.(content.Single).Content) != "octets" {
				t.Errorf("disposition %d", d)
			}
		}
		if got := textOf(single(content.DispositionAttachment, "", "application/zip", "1234")); got != "[attachment: application/zip, 4 octets]" {
			t.Errorf("%q", got)
		}
	})
	t.Run("C-XP-03 not after its time", func(t *testing.T) {
		for expires, valid := range map[uint32]bool{0: true, 1_800_000_001: true, 1_800_000_000: false, 1: false} {
			e := external
			e.Expires = expires
			if at(content.DispositionInline, e).Fetch(now) != valid || e.Invalid(now) == valid {
				t.Errorf("expires %d", expires)
			}
		}
		unknown := external
		if unknown.Size = 0; unknown.Validate() != nil || unknown.MostOctets(100) != 100 {
			t.Error("size 0 is not unknown")
		}
	})
	t.Run("a disposition goes down to parts that leave it open", func(t *testing.T) {
		body := multi(content.DispositionReaction, content.ProcessAll, single(0, "", "text/plain", "a"), single(content.DispositionRender, "", "text/plain", "b"))
		if got := textOf(body); got != "Reaction: a\nb" {
			t.Errorf("%q", got)
		}
	})
}

func TestMediaTypes(t *testing.T) {
	t.Run("C-MT-01 the required types are understood", func(t *testing.T) {
		want := []string{"application/mimi-content", "text/plain;charset=utf-8", "text/markdown;variant=GFM-MIMI"}
		if !slices.Equal(content.RequiredTypes(), want) {
			t.Errorf("%v", content.RequiredTypes())
		}
		for _, contentType := range want[1:] {
			if got := textOf(say(contentType, "seen")); got != "seen" {
				t.Errorf("%s: %q", contentType, got)
			}
		}
		_, inner, err := content.Unframe(content.Frame(content.MediaType, craft(t, slotTopic, "40")))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := content.Decode(inner); err != nil {
			t.Error(err)
		}
	})
	t.Run("C-MT-02 the recommended types are understood", func(t *testing.T) {
		for contentType, want := range map[string]string{"text/markdown;variant=CommonMark": "<p>seen", "text/html": "seen",
			"image/jpeg": "[image/jpeg]", "image/png": "[image/png]"} {
			if got := textOf(say(contentType, "<p>seen")); got != want {
				t.Errorf("%s: %q", contentType, got)
			}
			if !slices.ContainsFunc(content.RecommendedTypes(), func(r string) bool { return content.MatchMedia(r, contentType) }) {
				t.Errorf("%s not listed", contentType)
			}
		}
	})
	t.Run("C-MT-03 Markdown as plain text", func(t *testing.T) {
		if got := textOf(say(content.TypeMarkdown, "*a* <b>")); got != "*a* <b>" {
			t.Errorf("%q", got)
		}
	})
	t.Run("C-MT-08 media types without regard to case, quotes and space", func(t *testing.T) {
		for _, contentType := range []string{"Text/Markdown; Variant=gfm-mimi", `text/markdown;variant="GFM-MIMI"`, "text/markdown",
			"text/markdown;variant=unknown", " TEXT/PLAIN ", "text/plain ; charset=US-ASCII", `text/plain;charset="UTF-8"`} {
			if got := textOf(say(contentType, "seen")); got != "seen" {
				t.Errorf("%s: %q", contentType, got)
			}
		}
		for _, c := range []struct {
			pattern, contentType string
			want                 bool
		}{
			{"application/vnd.a;v=2", "Application/VND.A; V=\"2\"; x=y", true}, {"application/vnd.a;v=2", "application/vnd.a", false},
			{"application/vnd.a;v=2", "application/vnd.a;v=3", false}, {"application/vnd.a", "application/vnd.a;v=3", true},
			{"text/plain", "text/plainer", false}, {"a b", "a b", false},
		} {
			if got := content.MatchMedia(c.pattern, c.contentType); got != c.want {
				t.Errorf("%s and %s: %v", c.pattern, c.contentType, got)
			}
		}
	})
	t.Run("C-MT-10 the media type of messages has no parameters", func(t *testing.T) {
		framed := append(append([]byte{24}, "application/mimi-content"...), 0, 2, 0x87, 0x50)
		if got := content.Frame(content.MediaType, []byte{0x87, 0x50}); !slices.Equal(got, framed) {
			t.Errorf("%x", got)
		}
	})
	t.Run("C-MT-11 the media type of reports has no parameters", func(t *testing.T) {
		framed := append(append([]byte{31}, "application/mimi-message-status"...), 0, 1, 0x80)
		if got := content.Frame(content.StatusMediaType, content.StatusReport{}.Encode()); !slices.Equal(got, framed) {
			t.Errorf("%x", got)
		}
		if slices.Contains(content.RecommendedTypes(), content.StatusMediaType) {
			t.Error("recommended")
		}
	})
}
