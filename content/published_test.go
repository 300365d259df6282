package content_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"parley/content"
	"parley/internal/vectors"
	"parley/uri"
)

// The examples of draft-ietf-mimi-content-08, rebuilt from values. IDs are those of the .edn comments (A-C1).
const (
	idOriginal = "017ce54837404c3696e0c747b985cb172716d0ed0a3d249ca63ace7d82a096f4"
	idReply    = "015354973c2b65ca937bf1e035ae53a5ab80e947afa43d46920d4202e5cc0b27"
	idReaction = "0158c4288911e50a8f6be3f47746b6682f10fd91bc8c05557aa589a3157aff68"
)

func user(t testing.TB, s string) uri.User {
	t.Helper()
	u, err := uri.ParseUser(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func room(t testing.TB, s string) uri.Room {
	t.Helper()
	r, err := uri.ParseRoom(s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func single(d content.Disposition, language, contentType, text string) content.Part {
	return content.Part{Disposition: d, Language: language, Body: content.Single{ContentType: contentType, Content: []byte(text)}}
}

func multi(d content.Disposition, s content.Semantics, parts ...content.Part) content.Part {
	return content.Part{Disposition: d, Body: content.Multi{Semantics: s, Parts: parts}}
}

type example struct {
	file, id string
	message  content.Message
}

func examples(t testing.TB) []example {
	hub := room(t, "mimi://example.com/r/engineering_team")
	alice, bob := user(t, "mimi://example.com/u/alice-smith"), user(t, "mimi://example.com/u/bob-jones")
	cathy := user(t, "mimi://example.com/u/cathy-washington")
	markdown := func(text string) content.Part {
		return single(content.DispositionRender, "", content.TypeMarkdown, text)
	}
	salt := func(s string) [16]byte { return [16]byte(unhex(t, s)) }
	original, reply, reactionID := messageID(t, idOriginal), messageID(t, idReply), messageID(t, idReaction)

	replyMessage := content.NewReply(salt("11a458c73b8dd2cf404db4b378b8fe4d"), bob, hub, original, nil, "")
	replyMessage.Body = markdown(`Right on! _Congratulations_ 'all!`)
	reaction, err := content.NewReaction(salt("d37bc0e6a8b4f04e9e6382375f587bf6"), cathy, hub, original, "\u2764")
	if err != nil {
		t.Fatal(err)
	}
	mention := content.NewMessage(salt("04f290e215d0f82d1750bfa8b7dc089d"), cathy, hub,
		markdown("Kudos to [@Alice Smith](mimi://example.com/u/alice-smith) for making the release happen!"))
	mention.InReplyTo = &original
	mentionHTML := content.NewMessage(salt("15d9705fd5bf5e02b0af47c85f8b98fe"), cathy, hub,
		single(content.DispositionRender, "", "text/html;charset=utf-8", `<p>Kudos to <a href="mimi://example.com/u/alice-smith">`+
			`@Alice Smith</a> for making the release happen!</p>`))
	mentionHTML.InReplyTo = &original
	expiring := content.NewMessage(salt("33be993eb39f418f9295afc2ae160d2d"), alice, hub,
		markdown(`__*VPN GOING DOWN*__ I'm rebooting the VPN in ten minutes unless anyone objects.`))
	expiring.Expires = &content.Expires{Time: 1644390004}
	conferencing := content.NewMessage(salt("678ac6cd54de049c3e9665cd212470fa"), alice, hub, content.Part{
		Disposition: content.DispositionSession,
		Body:        content.External{URL: "https://example.com/join/12345", Description: "Join the Foo 118 conference"},
	})
	conferencing.Topic = []byte("Foo 118")

	return []example{
		{"original", idOriginal, content.NewMessage(salt("5eed9406c2545547ab6f09f20a18b003"), alice, hub,
			markdown("Hi everyone, we just shipped release 2.0. __Good  work__!"))},
		{"reply", idReply, replyMessage},
		{"reaction", idReaction, reaction},
		{"mention", "018d825adf9f6be00dcafc5704c4102f5022e74219d0b603e4ba7622654042af", mention},
		{"mention-html", "01967ff8e9a66819738ad5cf26d2e0388a3b81d86b0f61d129c077d043ee2a4e", mentionHTML},
		{"edit", "014028c0deddbdea56bec26172f6ede953d11024cb82b8192b5e2aea62d7fb47", content.NewEdit(
			salt("b8c2e6d8800ecf45df39be6c45f4c042"), bob, hub, reply, replyMessage, markdown(`Right on! _Congratulations_ y'all!`))},
		{"delete", "011d9efc78d04d4dcf4d82b07d5199bbef37011c1f0c7e004b6111c6dda504b4", content.NewDelete(
			salt("0a590d73b2c7761c39168be5ebf7f2e6"), bob, hub, reply, replyMessage)},
		{"unlike", "013aadbb8f313253c8930f4e93c6ca54b2ed06d258185bdcec3870534c8a4ec4", content.NewDelete(
			salt("c5ba86dc9fd272e58ca52ec805b79199"), cathy, hub, reactionID, reaction)},
		{"expiring", "01e59db8173939facc2c8a4a0f0ae8d0c7a11a81239626630c9464a8d6717a03", expiring},
		{"attachment", "0176180c7d19a925021fe446d241134d05c38e0d999cdc0f39c391d2377ed9d1", content.NewMessage(
			salt("18fac6371e4e53f1aeaf8a013155c166"), bob, hub, content.Part{
				Disposition: content.DispositionAttachment, Language: "en", Body: content.External{
					ContentType: "video/mp4", URL: "https://example.com/storage/8ksB4bSrrRE.mp4", Size: 708234961,
					AEAD: content.AEADAES128GCM, Key: unhex(t, "21399320958a6f4c745dde670d95e0d8"),
					Nonce: unhex(t, "c86cf2c33f21527d1dd76f5b"), Hash: content.HashSHA256,
					ContentHash: unhex(t, "9ab17a8cf0890baaae7ee016c7312fcc080ba46498389458ee44f0276e783163"),
					Description: "2 hours of key signing video", Filename: "bigfile.mp4"}})},
		{"conferencing", "01496d15a8dba28d7397f9868b70768e4a67f765d5b5b1ae9e03848c5fdeb0ba", conferencing},
		{"multipart-1", "01da5a515ec5db42cc4dcc19b90c3c31245d8a1cfcce11318f24eb11dce0990e", content.NewMessage(
			salt("261c953e178af653fe3d42641b91d814"), alice, hub, multi(content.DispositionRender, content.ChooseOne,
				markdown("# Welcome!"), single(content.DispositionRender, "", "application/vnd.examplevendor-fancy-im-message",
					string(unhex(t, "dc861ebaa718fd7c3ca159f71a2001")))))},
		{"multipart-2", "01d65918c6c51c8e76546337276ae6f4bfd873d867d5cb57c76bcdca3d999dd7", content.NewMessage(
			salt("8528dc2d92e4f1944d62042907ab94d0"), alice, hub, multi(content.DispositionReaction, content.ProcessAll,
				single(content.DispositionReaction, "", content.TypePlain, "\u2764"),
				single(content.DispositionReaction, "", content.TypePlain, "\U0001F973"),
				single(content.DispositionReaction, "", content.TypePlain, "\U0001F91E")))},
		{"multipart-3", "01cfebeadbdb83c1eefb6403ba4852daf8bbbf9cd53bf5035a74d5d741950c9f", content.NewMessage(
			salt("b8362793168d18c049b882d4642a2274"), alice, hub, multi(content.DispositionRender, content.ChooseOne,
				welcome("5", single(content.DispositionInline, "", "image/gif", string(unhex(t, "dc861ebaa718fd7c3ca159f71a2001a7")))),
				welcome("10", single(content.DispositionInline, "", "image/png", string(unhex(t, "fa444237451a05a72bb0f67037cc1669"))))))},
	}
}

// welcome is half of multipart-3: a text in two languages that shows the image with the given part index.
func welcome(index string, image content.Part) content.Part {
	text := func(language, title, alt string) content.Part {
		return single(content.DispositionRender, language, "text/html;charset=utf-8", "<html><body><h1>"+title+
			"</h1>\n<img src=\"cid:"+index+"@local.invalid\" alt=\""+alt+"\"/>\n</body></html>")
	}
	return multi(content.DispositionRender, content.ProcessAll,
		multi(content.DispositionRender, content.ChooseOne,
			text("en", "Welcome!", "Welcome image"), text("fr", "Bienvenue!", "Image bienvenue")), image)
}

func TestPublishedExamples(t *testing.T) {
	dir := vectors.Dir(t, "mimi-content")
	all := examples(t)
	if len(all) != 14 {
		t.Fatalf("%d examples", len(all))
	}
	t.Run("C-CBOR-02 encoded by the deterministic rules", func(t *testing.T) {
		for _, e := range all {
			t.Run(e.file, func(t *testing.T) {
				golden, err := os.ReadFile(filepath.Join(dir, e.file+".cbor"))
				if err != nil {
					t.Fatal(err)
				}
				encoded, err := e.message.Encode()
				if err != nil || !bytes.Equal(encoded, golden) {
					t.Errorf("built   %x\nexample %x\n%v", encoded, golden, err)
				}
				decoded, err := content.Decode(golden)
				if err != nil {
					t.Fatal(err)
				}
				if again, err := decoded.Encode(); err != nil || !bytes.Equal(again, golden) {
					t.Errorf("re-encoded to %x, %v", again, err)
				}
			})
		}
	})
	t.Run("C-ID-01 one octet and 31 octets of SHA-256", func(t *testing.T) { checkIDs(t, all, true) })
	t.Run("C-ID-02 URIs with length, message, salt again", func(t *testing.T) { checkIDs(t, all, false) })
}

func checkIDs(t *testing.T, all []example, typed bool) {
	for _, e := range all {
		encoded, err := e.message.Encode()
		if err != nil {
			t.Fatal(err)
		}
		sender, _ := e.message.Sender()
		hub, _ := e.message.Room()
		id, err := content.RawID(sender, hub, encoded, e.message.Salt)
		if typed {
			id = content.ID(user(t, sender), room(t, hub), encoded, e.message.Salt)
		}
		if err != nil || id.String() != e.id || !id.Known() {
			t.Errorf("%s: ID %s, %v", e.file, id, err)
		}
	}
}

func TestPublishedDerived(t *testing.T) {
	golden, err := os.ReadFile(filepath.Join(vectors.Dir(t, "mimi-content"), "implied-original.cbor"))
	if err != nil {
		t.Fatal(err)
	}
	d, err := content.DecodeDerived(golden)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := d.Encode(); err != nil || !bytes.Equal(again, golden) {
		t.Fatalf("re-encoded to %x, %v", again, err)
	}
	t.Run("C-DER-02 seven derived values", func(t *testing.T) {
		want := content.Derived{
			// The file has the ID of the formula of -07 (A-C1); all else is as in the .edn file.
			ID:       messageID(t, "01b0084467273cc43d6f0ebeac13eb84229c4fffe8f6c3594c905f47779e5a79"),
			Accepted: content.AcceptedAt(1644387225019), Leaf: 4,
			Group:  unhex(t, "eeee0d12a7b5b5b78115ad1a1ddb13811c83fd7387c43e66799a594beeda26bf"),
			Client: "mimi://example.com/d/3b52249d-68f9-45ce-8bf5-c799f3cad7ec/0003",
			User:   "mimi://example.com/u/alice-smith", Room: "mimi://example.com/r/engineering_team",
		}
		if encoded, err := want.Encode(); err != nil || !bytes.Equal(encoded, golden) {
			t.Fatalf("%x, %v", encoded, err)
		}
		short := want
		short.Accepted = content.TextValue("now")
		if _, err := short.Encode(); err == nil {
			t.Error("text as accepted time encoded")
		}
	})
}
