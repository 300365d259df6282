package mls_test

import (
	"bytes"
	"slices"
	"testing"

	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

// semiParts is what makes a group use SemiPrivateMessage.
type semiParts struct {
	receiver *mls.ExternalReceiver
	context  wire.Extensions
	leaf     func(*mls.KeyPackageParams)
}

// newSemiParts makes an external receiver and the extensions; without may leave one out.
func newSemiParts(t testing.TB, id wire.CipherSuite, without string) *semiParts {
	t.Helper()
	s, err := suite.Lookup(id)
	if err != nil {
		t.Fatal(err)
	}
	private, public, err := s.GenerateKeyPair()
	if err != nil {
		t.Fatal(err)
	}
	p := &semiParts{receiver: &mls.ExternalReceiver{Private: private, Entry: wire.ExternalReceiver{
		Key: public, Credential: wire.Credential{Type: wire.BasicCredential, Identity: []byte("hub")},
	}}}
	formats := encode(t, &wire.WireFormats{Formats: []wire.WireFormat{wire.SemiPrivateMessageFormat}})
	p.leaf = func(k *mls.KeyPackageParams) {
		k.LeafExtensions = append(k.LeafExtensions, wire.Extension{Type: wire.SupportedWireFormatsExtension, Data: formats})
	}
	list := wire.ExternalReceivers{Receivers: []wire.ExternalReceiver{p.receiver.Entry}}
	if without == "receivers" {
		list.Receivers = nil
	}
	var d wire.AppDataDictionary
	d = d.With(wire.ExternalReceiversComponent, encode(t, &list))
	p.context = wire.Extensions{{Type: wire.AppDataDictionaryExtension, Data: encode(t, &d)}}
	if without != "format" {
		p.context = append(p.context, wire.Extension{Type: wire.RequiredWireFormatsExtension, Data: formats})
	}
	return p
}

// room makes a group of three whose hub is the external receiver.
func (p *semiParts) room(t testing.TB, cfg *mls.Config, id wire.CipherSuite) *room {
	t.Helper()
	r := &room{t: t, cfg: cfg, suite: id, records: store{}, receiver: p.receiver}
	x := r.newMember()
	b, signer := x.bundle(id, p.leaf)
	var err error
	if x.group, err = mls.Create(cfg, mls.CreateParams{GroupID: []byte("g"), Bundle: b, Signer: signer, Extensions: p.context}, start); err != nil {
		t.Fatal(err)
	}
	x.save(x.group.Save())
	r.members = []*member{x}
	r.follow(x)
	var adds []wire.Proposal
	var own [][]mls.OwnLeaf
	joining := []*member{r.newMember(), r.newMember()}
	for _, y := range joining {
		b, signer := y.bundle(id, p.leaf)
		adds = append(adds, wire.Proposal{Type: wire.AddProposal, Add: &b.KeyPackage})
		own = append(own, []mls.OwnLeaf{{Bundle: b, Signer: signer}})
	}
	result := r.commit(x, mls.CommitOptions{ByValue: adds})
	for i, y := range joining {
		r.join(y, result, own[i], false)
	}
	r.agree()
	return r
}

func TestSemiPrivateRows(t *testing.T) {
	cfg := &mls.Config{SemiPrivate: true}
	remover := func(r *room) wire.FramedContent {
		p := remove(r.members[2].leaf())
		return wire.FramedContent{Type: wire.ProposalContent, Proposal: &p}
	}
	nothing := func(*wire.SemiPrivateMessage, *wire.AuthData, *[]byte) {}
	// both gives a message to a member and to the hub, and returns what each says; nothing may have changed.
	both := func(t *testing.T, r *room, m *wire.Message) (member, hub error) {
		t.Helper()
		x := r.members[0]
		before := x.dump()
		staged, member := x.group.Process(copyMessage(t, m), start)
		if member == nil {
			staged.Discard()
		}
		if at := before.differs(x.dump()); at != "" {
			t.Errorf("record %s changed", at)
		}
		_, hub = r.process(copyMessage(t, m))
		return member, hub
	}
	forge := func(t *testing.T, r *room, change func(*wire.SemiPrivateMessage, *wire.AuthData, *[]byte)) *wire.Message {
		t.Helper()
		m, err := mls.ForgeSemiPrivate(r.members[1].group, r.members[1].leaf(), remover(r), change)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}

	t.Run("handshakes of a life go through member and hub", func(t *testing.T) {
		suites(t, func(t *testing.T, id wire.CipherSuite) {
			r := newSemiParts(t, id, "").room(t, cfg, id)
			x, y := r.members[0], r.members[1]
			m, d, err := y.group.Propose(y.leaf(), remove(r.members[2].leaf()), nil, start)
			y.save(d, err)
			if m.Semi == nil {
				t.Fatal("the proposal is no SemiPrivateMessage")
			}
			r.deliver(m)
			r.update(y, nil)
			x.reload(cfg)
			if result := r.commit(x, mls.CommitOptions{}); result.Message.Semi == nil {
				t.Error("the commit is no SemiPrivateMessage")
			}
			if len(r.members) != 2 {
				t.Errorf("%d members", len(r.members))
			}
			r.commit(y, mls.CommitOptions{})
			r.talk()
		})
	})
	t.Run("X-SPM-01 only when the format is required and somebody receives it", func(t *testing.T) {
		for _, without := range []string{"format", "receivers", "configuration"} {
			p := newSemiParts(t, suite.X25519AES128, without)
			used := cfg
			rule := mls.RuleSemiPrivate
			if without == "configuration" {
				used, rule = &mls.Config{}, mls.RuleFormat
			}
			r := p.room(t, used, suite.X25519AES128)
			if result := r.commit(r.members[0], mls.CommitOptions{}); result.Message.Public == nil {
				t.Errorf("without %s: the commit is not in the clear", without)
			}
			member, hub := both(t, r, forge(t, r, nothing))
			wantRule(t, member, rule)
			wantRule(t, hub, rule)
		}
	})
	r := newSemiParts(t, suite.X25519AES128, "").room(t, cfg, suite.X25519AES128)
	s := r.hub.Suite()
	t.Run("X-SPM-02 application data does not travel so", func(t *testing.T) {
		octets := encode(t, forge(t, r, nothing))
		if at := 4 + 2 + 8; octets[at] != byte(wire.ProposalContent) {
			t.Fatalf("%x", octets[:20])
		} else {
			octets[at] = byte(wire.ApplicationContent)
		}
		if syntax.Unmarshal(octets, new(wire.Message)) == nil {
			t.Error("it decodes")
		}
		m := r.say(r.members[0], []byte("hello"))
		if m.Private == nil {
			t.Error("no PrivateMessage")
		}
	})
	t.Run("X-SPM-03 the receiver gets key, nonce, guard and leaf", func(t *testing.T) {
		m := forge(t, r, nothing).Semi
		if len(m.Keys) != 1 || !bytes.Equal(m.Keys[0].Ref, s.Hash(encode(t, &r.receiver.Entry))) {
			t.Fatalf("%d keys", len(m.Keys))
		}
		// by hand: group ID, epoch, partial context hash
		context := slices.Concat([]byte{1, 'g', 0, 0, 0, 0, 0, 0, 0, byte(m.Epoch), 32}, m.PartialContextHash)
		plain, err := s.DecryptWithLabel(r.receiver.Private, "SemiPrivateMessageReceiver", context, m.Keys[0].Key)
		if err != nil {
			t.Fatal(err)
		}
		// key of 16, nonce of 12, guard of 4, leaf
		if len(plain) != 17+13+4+4 || plain[0] != 16 || plain[17] != 12 {
			t.Fatalf("%d octets", len(plain))
		}
		key, nonce, reuse, leaf := plain[1:17], bytes.Clone(plain[18:30]), plain[30:34], plain[34:]
		if !bytes.Equal(leaf, []byte{0, 0, 0, 1}) || !bytes.Equal(m.PartialContextHash, s.Hash(leaf, nonce)) {
			t.Errorf("leaf %x", leaf)
		}
		for i := range reuse {
			nonce[i] ^= reuse[i]
		}
		aead, err := s.AEAD(key)
		if err != nil {
			t.Fatal(err)
		}
		whole := encode(t, m)
		aad := whole[:len(whole)-len(encodeOpaques(t, m.EncryptedSenderData, m.Ciphertext))]
		content, err := aead.Open(nil, nonce, m.Ciphertext, aad)
		if err != nil || !bytes.HasPrefix(content, []byte{0, 3, 0, 0, 0, 2}) { // Remove of leaf 2
			t.Errorf("%x, %v", content, err)
		}
	})
	t.Run("X-SPM-04 what stands before the ciphertext is bound to it", func(t *testing.T) {
		other := forge(t, r, nothing).Semi
		for name, swap := range map[string]func(m *wire.SemiPrivateMessage){
			"keys":    func(m *wire.SemiPrivateMessage) { m.Keys = append(m.Keys, other.Keys...) },
			"partial": func(m *wire.SemiPrivateMessage) { m.PartialContextHash = other.PartialContextHash },
			"content": func(m *wire.SemiPrivateMessage) { m.ContentHash = bytes.Repeat([]byte{1}, 32) },
			"aad":     func(m *wire.SemiPrivateMessage) { m.AuthenticatedData = []byte("x") },
		} {
			m := forge(t, r, nothing)
			swap(m.Semi)
			if member, hub := both(t, r, m); member == nil || hub == nil {
				t.Errorf("%s: the member says %v, the hub %v", name, member, hub)
			}
		}
	})
	// the four things that members and receivers check once they have decrypted
	spoil := map[string]struct {
		member, hub string
		change      func(m *wire.SemiPrivateMessage, auth *wire.AuthData, plain *[]byte)
	}{
		"partial context hash": {mls.RuleSemiContent, mls.RuleSemiContent, func(m *wire.SemiPrivateMessage, _ *wire.AuthData, _ *[]byte) {
			m.PartialContextHash = bytes.Repeat([]byte{1}, 32)
		}},
		"padding": {mls.RuleDecrypt, mls.RuleDecrypt, func(_ *wire.SemiPrivateMessage, _ *wire.AuthData, plain *[]byte) {
			*plain = append(*plain, 0, 0, 1)
		}},
		"content hash": {mls.RuleSemiContent, mls.RuleSemiContent, func(m *wire.SemiPrivateMessage, _ *wire.AuthData, _ *[]byte) {
			m.ContentHash = bytes.Repeat([]byte{1}, 32)
		}},
		"signature": {mls.RuleSignature, mls.RuleSignature, func(_ *wire.SemiPrivateMessage, auth *wire.AuthData, _ *[]byte) {
			if auth.Signature != nil {
				auth.Signature[5] ^= 1
			}
		}},
	}
	t.Run("X-SPM-05 a member checks partial hash, padding, content hash and signature", func(t *testing.T) {
		for name, c := range spoil {
			t.Run(name, func(t *testing.T) { member, _ := both(t, r, forge(t, r, c.change)); wantRule(t, member, c.member) })
		}
		if member, _ := both(t, r, forge(t, r, nothing)); member != nil {
			t.Error(member)
		}
	})
	t.Run("X-SPM-06 an external receiver finds its key and checks the same", func(t *testing.T) {
		for name, c := range spoil {
			t.Run(name, func(t *testing.T) { _, hub := both(t, r, forge(t, r, c.change)); wantRule(t, hub, c.hub) })
		}
		m := forge(t, r, nothing)
		if _, hub := both(t, r, m); hub != nil {
			t.Error(hub)
		}
		stranger := newSemiParts(t, suite.X25519AES128, "").receiver
		_, err := r.hub.ProcessSemiPrivate(m, stranger, start)
		wantRule(t, err, mls.RuleSemiPrivate)
		m = forge(t, r, nothing)
		m.Semi.Epoch++
		_, hub := both(t, r, m)
		wantRule(t, hub, mls.RuleEpoch)
	})
	t.Run("X-SR-02 leaving stays in the clear", func(t *testing.T) {
		m, d, err := r.members[2].group.Propose(r.members[2].leaf(), wire.Proposal{Type: wire.SelfRemoveProposal}, nil, start)
		r.members[2].save(d, err)
		if m.Public == nil {
			t.Error("a SelfRemove is encrypted")
		}
		p := wire.Proposal{Type: wire.SelfRemoveProposal}
		m, err = mls.ForgeSemiPrivate(r.members[1].group, r.members[1].leaf(), wire.FramedContent{Type: wire.ProposalContent, Proposal: &p}, nothing)
		if err != nil {
			t.Fatal(err)
		}
		member, hub := both(t, r, m)
		wantRule(t, member, mls.RuleSelfRemoveForm)
		wantRule(t, hub, mls.RuleSelfRemoveForm)
	})
}

func encodeOpaques(t *testing.T, parts ...[]byte) (out []byte) {
	t.Helper()
	for _, p := range parts {
		out = append(out, encode(t, &wire.ExternalPub{Key: p})...) // any structure of one octet string
	}
	return out
}
