package mls_test

import (
	"bytes"
	"crypto/ed25519"
	"slices"
	"testing"

	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

func TestScopeRows(t *testing.T) {
	r := newTestRoom(t, &mls.Config{}, 3, nil)
	x, y := r.members[0], r.members[1]
	s, leaf := r.hub.Suite(), r.hub.Leaf(y.leaf())
	mine, other := y.group.Scope(testComponent), y.group.Scope(otherComponent)
	t.Run("X-HPK-01 what is encrypted to a component is under the serialised label", func(t *testing.T) {
		ct, err := mls.EncryptForComponent(s, leaf.EncryptionKey, testComponent, "greet", []byte("context"), []byte("hello"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := mine.Decrypt(y.leaf(), "greet", []byte("context"), ct)
		if err != nil || string(got) != "hello" {
			t.Errorf("%q, %v", got, err)
		}
		// the label as written by hand: base label, ID, label
		private, public, err := s.GenerateKeyPair()
		if err != nil {
			t.Fatal(err)
		}
		if ct, err = mls.EncryptForComponent(s, public, 0x20, "x", []byte("context"), []byte("hello")); err != nil {
			t.Fatal(err)
		}
		got, err = s.DecryptWithLabel(private, "\x0dMLS Component\x00\x20\x01x", []byte("context"), ct)
		if err != nil || string(got) != "hello" {
			t.Errorf("%q, %v", got, err)
		}
		for name, open := range map[string]func() ([]byte, error){
			"label":   func() ([]byte, error) { return mine.Decrypt(y.leaf(), "other", []byte("context"), ct) },
			"context": func() ([]byte, error) { return mine.Decrypt(y.leaf(), "greet", nil, ct) },
		} {
			if _, err := open(); err == nil {
				t.Errorf("another %s opens it", name)
			}
		}
	})
	t.Run("X-HPK-02 a component opens and exports only what is its own", func(t *testing.T) {
		ct, err := mls.EncryptForComponent(s, leaf.EncryptionKey, testComponent, "greet", nil, []byte("hello"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = other.Decrypt(y.leaf(), "greet", nil, ct)
		wantRule(t, err, mls.RuleDecrypt)
		_, err = y.group.Scope(0).Decrypt(y.leaf(), "greet", nil, ct)
		wantRule(t, err, mls.RuleComponentUnknown)
		// nor does a label that looks like one of MLS itself lead to the engine's own ciphertexts
		sealed, err := s.EncryptWithLabel(leaf.EncryptionKey, "UpdatePathNode", nil, []byte("secret"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = mine.Decrypt(y.leaf(), "UpdatePathNode", nil, sealed)
		wantRule(t, err, mls.RuleDecrypt)
		_, err = mine.Decrypt(x.leaf(), "greet", nil, ct)
		wantRule(t, err, mls.RuleOwnLeaf)
	})
	t.Run("X-HPK-03 the external key pair serves the whole group, the root's is not offered", func(t *testing.T) {
		info, err := x.group.GroupInfo(x.leaf())
		if err != nil {
			t.Fatal(err)
		}
		data, _ := info.Extensions.Find(wire.ExternalPubExtension)
		public := decode[wire.ExternalPub](t, data).Key
		ct, err := mls.EncryptForComponent(s, public, testComponent, "greet", nil, []byte("hello"))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range r.members {
			if got, err := m.group.Scope(testComponent).DecryptExternal("greet", nil, ct); err != nil || string(got) != "hello" {
				t.Errorf("%s: %q, %v", m.name, got, err)
			}
		}
		r.commit(x, mls.CommitOptions{})
		if _, err := mine.DecryptExternal("greet", nil, ct); err == nil {
			t.Error("the key of the last epoch is kept")
		}
		tree := r.hub.Tree()
		root := tree.Nodes[3].Parent
		if root == nil {
			t.Fatal("no root")
		}
		if ct, err = mls.EncryptForComponent(s, root.EncryptionKey, testComponent, "greet", nil, []byte("hello")); err != nil {
			t.Fatal(err)
		}
		_, leafErr := mine.Decrypt(y.leaf(), "greet", nil, ct)
		_, externalErr := mine.DecryptExternal("greet", nil, ct)
		if leafErr == nil || externalErr == nil {
			t.Error("the root's key is used")
		}
	})
	t.Run("X-SIG-01 a component signs under its own ID and verifies any", func(t *testing.T) {
		content := []byte("content")
		signature, err := mine.Sign(y.leaf(), "claim", content)
		if err != nil {
			t.Fatal(err)
		}
		if err := mls.VerifyForComponent(s, leaf.SignatureKey, testComponent, "claim", content, signature); err != nil {
			t.Error(err)
		}
		wantRule(t, mls.VerifyForComponent(s, leaf.SignatureKey, otherComponent, "claim", content, signature), mls.RuleSignature)
		wantRule(t, mls.VerifyForComponent(s, leaf.SignatureKey, testComponent, "other", content, signature), mls.RuleSignature)
		wantRule(t, mls.VerifyForComponent(s, leaf.SignatureKey, testComponent, "claim", content[1:], signature), mls.RuleSignature)
		theirs, err := other.Sign(y.leaf(), "claim", content)
		if err != nil {
			t.Fatal(err)
		}
		if err := mls.VerifyForComponent(s, leaf.SignatureKey, otherComponent, "claim", content, theirs); err != nil {
			t.Error(err)
		}
		if bytes.Equal(theirs, signature) {
			t.Error("two components sign alike")
		}
		// SignContent by hand: "MLS 1.0 " and the label, then the content
		key := ed25519.NewKeyFromSeed(make([]byte, 32))
		signature, err = mls.SignForComponent(s, key, 0x20, "x", content)
		signed := []byte("\x1aMLS 1.0 \x0dMLS Component\x00\x20\x01x\x07content")
		if err != nil || !ed25519.Verify(key.Public().(ed25519.PublicKey), signed, signature) {
			t.Errorf("%x, %v", signature, err)
		}
		_, err = y.group.Scope(0).Sign(y.leaf(), "claim", content)
		wantRule(t, err, mls.RuleComponentUnknown)
	})
	t.Run("a scope exports once", func(t *testing.T) {
		secret, d, err := mine.Export()
		y.save(d, err)
		if len(secret) == 0 || mine.Component() != testComponent {
			t.Error("nothing")
		}
		_, _, err = mine.Export()
		wantRule(t, err, mls.RuleSecret)
	})
}

// mediaList is the data of content_media_types.
func mediaList(t testing.TB, types ...string) []byte {
	t.Helper()
	var list wire.MediaTypeList
	for _, name := range types {
		list.Types = append(list.Types, wire.MediaType{Type: []byte(name)})
	}
	octets, err := syntax.Marshal(&list)
	if err != nil {
		t.Fatal(err)
	}
	return octets
}

// mediaLeaf gives a leaf content_media_types.
func mediaLeaf(t testing.TB, types ...string) func(*mls.KeyPackageParams) {
	t.Helper()
	e, err := mls.LeafComponents(testComponent, wire.ContentMediaTypesComponent)
	if err != nil {
		t.Fatal(err)
	}
	d := *decode[wire.AppDataDictionary](t, e.Data)
	if types != nil {
		d = d.With(wire.ContentMediaTypesComponent, mediaList(t, types...))
	}
	e.Data = encode(t, &d)
	return func(p *mls.KeyPackageParams) { p.LeafExtensions = wire.Extensions{e} }
}

// mediaContext is a GroupContext with content_media_types.
func mediaContext(t testing.TB, types ...string) wire.Extensions {
	t.Helper()
	list := componentsContext(t, testComponent)
	d := *decode[wire.AppDataDictionary](t, list[0].Data)
	d = d.With(wire.AppComponentsComponent, encode(t, &wire.ComponentsList{IDs: []wire.ComponentID{testComponent, wire.ContentMediaTypesComponent}}))
	d = d.With(wire.ContentMediaTypesComponent, mediaList(t, types...))
	list[0].Data = encode(t, &d)
	return list
}

func TestContentAdvertisementRows(t *testing.T) {
	cfg := &mls.Config{}
	leaf := mediaLeaf(t, "text/plain", "image/png")
	// start a group of two whose members read text and pictures
	begin := func(t *testing.T, cfg *mls.Config) *room {
		r := &room{t: t, cfg: cfg, suite: suite.X25519AES128, records: store{}, light: true}
		x := r.newMember()
		b, signer := x.bundle(r.suite, leaf)
		g, err := mls.Create(cfg, mls.CreateParams{GroupID: []byte("g"), Bundle: b, Signer: signer, Extensions: mediaContext(t, "text/plain")}, start)
		if err != nil {
			t.Fatal(err)
		}
		x.group = g
		x.save(g.Save())
		r.members = []*member{x}
		r.follow(x)
		y := r.newMember()
		b, signer = y.bundle(r.suite, leaf)
		result := r.commit(x, mls.CommitOptions{AAD: r.aad(), ByValue: []wire.Proposal{{Type: wire.AddProposal, Add: &b.KeyPackage}}})
		r.join(y, result, []mls.OwnLeaf{{Bundle: b, Signer: signer}}, false)
		return r
	}
	framed := func(t *testing.T, name string) []byte {
		return encode(t, &wire.ApplicationFraming{MediaType: wire.MediaType{Type: []byte(name)}, Content: []byte("hi")})
	}
	t.Run("X-CMT-01 a list of media types is not empty", func(t *testing.T) {
		if syntax.Unmarshal([]byte{0}, new(wire.MediaTypeList)) == nil {
			t.Error("an empty list decodes")
		}
		r := begin(t, cfg)
		r.refusedBy(mls.RuleComponentRefused, component(wire.ContentMediaTypesComponent, 0))
		b, _ := newBundle(t, r.suite, "x", func(p *mls.KeyPackageParams) {
			leaf(p)
			d := *decode[wire.AppDataDictionary](t, p.LeafExtensions[0].Data)
			d = d.With(wire.ContentMediaTypesComponent, []byte{0})
			p.LeafExtensions[0].Data = encode(t, &d)
		})
		wantRule(t, mls.ValidateKeyPackage(cfg, &b.KeyPackage, start), mls.RuleDictionary)
		r.byValue(r.members[0], true, component(wire.ContentMediaTypesComponent, mediaList(t, "image/png")...))
	})
	t.Run("X-CMT-04 a client that lacks a required media type is not added", func(t *testing.T) {
		assumed := false
		r := begin(t, &mls.Config{AssumeMediaType: func(*wire.LeafNode, *wire.MediaType) bool { return assumed }})
		x := r.members[0]
		for name, types := range map[string][]string{"none": nil, "others": {"image/png"}} {
			b, _ := newBundle(t, r.suite, "x", mediaLeaf(t, types...))
			add := wire.Proposal{Type: wire.AddProposal, Add: &b.KeyPackage}
			_, _, err := x.group.Commit(mls.CommitOptions{AAD: r.aad(), ByValue: []wire.Proposal{add}}, start)
			wantRule(t, err, mls.RuleMediaType)
			assumed = true // configured to know better
			if _, d, err := x.group.Commit(mls.CommitOptions{AAD: r.aad(), ByValue: []wire.Proposal{add}}, start); err != nil {
				t.Errorf("%s: %v", name, err)
			} else {
				x.save(d, err)
			}
			assumed = false
		}
		// nor does a type become required that somebody lacks
		_, _, err := x.group.Commit(mls.CommitOptions{AAD: r.aad(), ByValue: []wire.Proposal{
			component(wire.ContentMediaTypesComponent, mediaList(t, "text/html")...)}}, start)
		wantRule(t, err, mls.RuleMediaType)
		// a waiting Add of such a client is passed over, and does not keep anybody from committing
		b, _ := newBundle(t, r.suite, "x", mediaLeaf(t, "image/png"))
		r.propose(r.members[1], wire.Proposal{Type: wire.AddProposal, Add: &b.KeyPackage})
		r.commit(x, mls.CommitOptions{AAD: r.aad()})
		if r.hub.Members() != 2 {
			t.Error("it is in")
		}
	})
	t.Run("X-CMT-05 X-CMT-06 application data is framed", func(t *testing.T) {
		r := begin(t, cfg)
		x, y := r.members[0], r.members[1]
		for _, name := range []string{"image/png", ""} {
			got := r.open(y, r.say(x, framed(t, name)))
			f, err := got.Framing()
			if name == "" {
				name = "text/plain" // the first one that the group requires
			}
			if err != nil || string(f.MediaType.Type) != name || string(f.Content) != "hi" {
				t.Errorf("%v, %v", f, err)
			}
		}
		bare := []byte{0x83, 0x01, 0x02, 0x03}
		_, _, err := x.group.Seal(x.leaf(), r.aad(), bare)
		wantRule(t, err, mls.RuleFraming)
		m, err := mls.Forge(x.group, x.leaf(), wire.PrivateMessageFormat, wire.FramedContent{
			Type: wire.ApplicationContent, Application: bare, AuthenticatedData: r.aad(),
		}, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, err = r.open(y, m).Framing()
		wantRule(t, err, mls.RuleFraming)
		q := newTestRoom(t, cfg, 2, nil)
		if f, err := q.open(q.members[1], q.say(q.members[0], bare)).Framing(); f != nil || err != nil {
			t.Errorf("a group without content_media_types: %v, %v", f, err)
		}
	})
}

func TestGreaseRows(t *testing.T) {
	params := func(t *testing.T) func(*mls.KeyPackageParams) {
		return func(p *mls.KeyPackageParams) {
			mediaLeaf(t, "text/plain")(p)
			d := wire.AppDataDictionary{}
			d = d.With(wire.LastResortComponent, nil)
			p.Extensions = wire.Extensions{{Type: wire.AppDataDictionaryExtension, Data: encode(t, &d)}}
			p.Grease = true
		}
	}
	grease := func(v uint16) bool { return v&0x0f0f == 0x0a0a && v>>8 == v&0xff }
	count := func(list []uint16) (n int) {
		for _, v := range list {
			if grease(v) {
				n++
			}
		}
		return n
	}
	seen := map[wire.ComponentID]bool{}
	t.Run("X-GRS-02 random components in leaf and KeyPackage, of the eight that are public", func(t *testing.T) {
		for range 40 {
			b, _ := newBundle(t, suite.X25519AES128, "x", params(t))
			if err := mls.ValidateKeyPackage(&mls.Config{}, &b.KeyPackage, start); err != nil {
				t.Fatal(err)
			}
			for name, list := range map[string]wire.Extensions{"leaf": b.KeyPackage.Leaf.Extensions, "KeyPackage": b.KeyPackage.Extensions} {
				d := dictionaryOf(t, list)
				entries := 0
				for _, e := range d.Entries {
					if grease(uint16(e.ID)) {
						entries++
						seen[e.ID] = true
						if !e.ID.IsGREASE() || e.ID >= 0x8000 {
							t.Errorf("%s: entry %x", name, e.ID)
						}
					}
				}
				if entries != 1 {
					t.Errorf("%s: %d entries", name, entries)
				}
			}
			d := dictionaryOf(t, b.KeyPackage.Leaf.Extensions)
			for _, id := range []wire.ComponentID{wire.AppComponentsComponent, wire.SafeAADComponent} {
				data, _ := d.Find(id)
				n := 0
				for _, c := range decode[wire.ComponentsList](t, data).IDs {
					if c.IsGREASE() {
						n++
					}
				}
				if n != 1 {
					t.Errorf("component %d lists %d", id, n)
				}
			}
			if !mls.IsLastResort(&b.KeyPackage) {
				t.Error("the last resort is lost")
			}
		}
		if len(seen) < 4 {
			t.Errorf("%d values in 80 draws", len(seen))
		}
		// none in the GroupContext, and the group works
		r := newTestRoom(t, &mls.Config{}, 2, componentsContext(t, testComponent))
		x := r.newMember()
		b, signer := x.bundle(r.suite, params(t))
		result := r.byValue(r.members[0], false, wire.Proposal{Type: wire.AddProposal, Add: &b.KeyPackage})
		r.join(x, result, []mls.OwnLeaf{{Bundle: b, Signer: signer}}, false)
		r.commit(x, mls.CommitOptions{AAD: r.aad()})
		r.talk()
		for _, e := range dictionaryOf(t, r.hub.Context().Extensions).Entries {
			if e.ID.IsGREASE() {
				t.Errorf("GroupContext has %x", e.ID)
			}
		}
	})
	t.Run("X-GRS-03 one value in each list of capabilities", func(t *testing.T) {
		b, _ := newBundle(t, suite.X25519AES128, "x", params(t))
		caps, plain := &b.KeyPackage.Leaf.Capabilities, mls.DefaultCapabilities(suite.X25519AES128)
		for name, c := range map[string][2]int{
			"suites":      {count(raw(caps.Suites)), len(caps.Suites) - len(plain.Suites)},
			"extensions":  {count(raw(caps.Extensions)), len(caps.Extensions) - len(plain.Extensions)},
			"proposals":   {count(raw(caps.Proposals)), len(caps.Proposals) - len(plain.Proposals)},
			"credentials": {count(raw(caps.Credentials)), len(caps.Credentials) - len(plain.Credentials)},
		} {
			if c != [2]int{1, 1} {
				t.Errorf("%s: %v", name, c)
			}
		}
	})
}

func raw[T ~uint16](list []T) (out []uint16) {
	for _, v := range list {
		out = append(out, uint16(v))
	}
	return out
}

func TestAppAckRows(t *testing.T) {
	t.Run("X-ACK-01 an acknowledgement in a commit shows what was dropped", func(t *testing.T) {
		var d wire.AppDataDictionary
		d = d.With(wire.AppAckComponent, nil) // the group uses it
		r := newTestRoom(t, &mls.Config{}, 3, wire.Extensions{{Type: wire.AppDataDictionaryExtension, Data: encode(t, &d)}})
		x, y, z := r.members[0], r.members[1], r.members[2]
		var heard, missed wire.AppAck // of y and z
		for i := range 5 {
			m := r.say(x, []byte("hello"))
			got := r.open(y, m)
			heard.Note(uint32(got.Index), got.Generation)
			if i != 1 && i != 4 { // one gap, and the end, which no gap shows
				got = r.open(z, m)
				missed.Note(uint32(got.Index), got.Generation)
			}
		}
		encodesAs(t, &heard, "0c"+"00000000"+"00000000"+"00000004")
		ack := &wire.AppEphemeral{Component: wire.AppAckComponent, Data: encode(t, &heard)}
		result, delta, err := y.group.Commit(mls.CommitOptions{Leaf: y.leaf(), NoPath: true, ByValue: []wire.Proposal{
			{Type: wire.AppEphemeralProposal, AppEphemeral: ack}}}, start)
		y.save(delta, err)
		staged, err := z.group.Process(copyMessage(t, result.Message), start)
		if err != nil {
			t.Fatal(err)
		}
		told := decode[wire.AppAck](t, staged.Proposals()[0].Proposal.AppEphemeral.Data)
		staged.Discard()
		want := []wire.ReceivedRange{{Sender: 0, First: 1, Last: 1}, {Sender: 0, First: 4, Last: 4}}
		if got := missed.Lacks(told); !slices.Equal(got, want) {
			t.Errorf("z lacks %v, want %v", got, want)
		}
		if got := heard.Lacks(told); got != nil {
			t.Errorf("y lacks %v", got)
		}
		r.deliver(result.Message)
		if syntax.Unmarshal([]byte{12, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 1}, new(wire.AppAck)) == nil {
			t.Error("a range that ends before it begins")
		}
	})
}

func TestBindingRows(t *testing.T) {
	t.Run("X-MC-03 a binding is signed for one leaf under its own label", func(t *testing.T) {
		for _, id := range []wire.CipherSuite{suite.X25519AES128, suite.P256AES128} {
			s, err := suite.Lookup(id)
			if err != nil {
				t.Fatal(err)
			}
			signer, err := s.GenerateSignatureKey()
			if err != nil {
				t.Fatal(err)
			}
			leafKey := []byte("the key of a leaf")
			b := wire.CredentialBinding{Suite: id, Credential: wire.Credential{Type: wire.BasicCredential, Identity: []byte("x")}}
			if err := mls.SignBinding(&b, signer, leafKey); err != nil {
				t.Fatal(err)
			}
			credential, err := wire.NewMultiCredential(wire.MultiCredential, []wire.CredentialBinding{b})
			if err != nil {
				t.Fatal(err)
			}
			list, err := decode[wire.Credential](t, encode(t, &credential)).Bindings()
			if err != nil || len(list) != 1 {
				t.Fatalf("%v, %v", list, err)
			}
			if err := mls.VerifyBinding(&list[0], leafKey); err != nil {
				t.Error(err)
			}
			wantRule(t, mls.VerifyBinding(&list[0], []byte("another")), mls.RuleSignature)
			other := list[0]
			other.Credential.Identity = []byte("y")
			wantRule(t, mls.VerifyBinding(&other, leafKey), mls.RuleSignature)
			other = list[0]
			other.Suite = 4
			wantRule(t, mls.VerifyBinding(&other, leafKey), mls.RuleSuite)
		}
		// by hand: suite, credential, key, and then the leaf's key where the signature stood
		key := ed25519.NewKeyFromSeed(make([]byte, 32))
		public := key.Public().(ed25519.PublicKey)
		b := wire.CredentialBinding{Suite: 1, Credential: wire.Credential{Type: wire.BasicCredential, Identity: []byte("x")}}
		if err := mls.SignBinding(&b, key, []byte{7}); err != nil {
			t.Fatal(err)
		}
		content := slices.Concat([]byte{0, 1, 0, 1, 1, 'x', 32}, public, []byte{1, 7})
		signed := slices.Concat([]byte("\x1cMLS 1.0 CredentialBindingTBS"), []byte{byte(len(content))}, content)
		if !ed25519.Verify(public, signed, b.Signature) {
			t.Error("other octets are signed")
		}
	})
}

func TestTreeOptionRows(t *testing.T) {
	domains := wire.Extension{Type: wire.TreeSourceDomainsExtension, Data: encode(t, &wire.DomainList{Domains: []string{"trees.example", "b.example"}})}
	r := newRoom(t, &mls.Config{}, suite.X25519AES128, nil)
	check := func(g *mls.PublicGroup, representation wire.TreeRepresentation, url string, format wire.WireFormat) error {
		o := wire.RatchetTreeOption{Representation: representation, URL: url}
		if representation == wire.FullTree {
			o.Tree = r.hub.Tree()
		}
		return g.CheckTreeOption(&o, format)
	}
	t.Run("X-RTO-02 a tree comes from a host that the group names", func(t *testing.T) {
		b, signer := newBundle(t, r.suite, "x", func(p *mls.KeyPackageParams) {
			p.Capabilities = mls.DefaultCapabilities(r.suite)
			p.Capabilities.Extensions = append(p.Capabilities.Extensions, wire.TreeSourceDomainsExtension)
		})
		bound, err := mls.Create(r.cfg, mls.CreateParams{GroupID: []byte("g"), Bundle: b, Signer: signer, Extensions: wire.Extensions{domains}}, start)
		if err != nil {
			t.Fatal(err)
		}
		for url, ok := range map[string]bool{
			"https://trees.example/1": true, "https://TREES.example:444/1": true, "https://c.example/1": false, "https://a.b.example/1": false,
			"https://b.example@c.example/1": false, "https://c.example/?b.example": false, "http://b.example/": false, "b.example": false, "": false,
		} {
			if err := check(bound.Public(), wire.TreeAtURI, url, wire.PublicMessageFormat); ok != (err == nil) {
				t.Errorf("%q: %v", url, err)
			} else if err != nil {
				wantRule(t, err, mls.RuleTreeSource)
			}
		}
		if err := check(r.hub, wire.TreeAtURI, "https://c.example/1", wire.PublicMessageFormat); err != nil {
			t.Errorf("a group without the extension: %v", err)
		}
	})
	t.Run("X-RTO-03 a delivery service that cannot read handshakes has no tree", func(t *testing.T) {
		wantRule(t, check(r.hub, wire.TreeFromDeliveryService, "", wire.PrivateMessageFormat), mls.RuleTreeSource)
		for _, format := range []wire.WireFormat{wire.PublicMessageFormat, wire.SemiPrivateMessageFormat} {
			if err := check(r.hub, wire.TreeFromDeliveryService, "", format); err != nil {
				t.Errorf("format %x: %v", format, err)
			}
		}
		if err := check(r.hub, wire.TreeOutOfBand, "", wire.PrivateMessageFormat); err != nil {
			t.Error(err)
		}
	})
	t.Run("X-RTO-04 a full tree is the group's", func(t *testing.T) {
		if err := check(r.hub, wire.FullTree, "", wire.PublicMessageFormat); err != nil {
			t.Error(err)
		}
		q := newTestRoom(t, &mls.Config{}, 2, nil)
		wantRule(t, check(q.hub, wire.FullTree, "", wire.PublicMessageFormat), mls.RuleTree)
	})
}

func TestUnbuiltRows(t *testing.T) {
	t.Run("X-VC-01 component 6, which two drafts claim, is one like any other", func(t *testing.T) {
		const claimed wire.ComponentID = 6
		r := newTestRoom(t, &mls.Config{}, 2, componentsContext(t, testComponent))
		var d wire.AppDataDictionary
		e, err := mls.LeafComponents(testComponent, claimed)
		if err != nil {
			t.Fatal(err)
		}
		d = *decode[wire.AppDataDictionary](t, e.Data)
		d = d.With(claimed, []byte("whatever it means"))
		x := r.newMember()
		b, signer := x.bundle(r.suite, func(p *mls.KeyPackageParams) {
			p.LeafExtensions = wire.Extensions{{Type: wire.AppDataDictionaryExtension, Data: encode(t, &d)}}
		})
		result := r.byValue(r.members[0], false, wire.Proposal{Type: wire.AddProposal, Add: &b.KeyPackage})
		r.join(x, result, []mls.OwnLeaf{{Bundle: b, Signer: signer}}, false)
		kept := dictionaryOf(t, r.hub.Leaf(x.leaf()).Extensions)
		if data, _ := kept.Find(claimed); string(data) != "whatever it means" {
			t.Errorf("%q", data)
		}
		r.refusedBy(mls.RuleComponentUnknown, component(claimed, 1))
	})
}
