package vector

import (
	"crypto"

	"parley/mls/internal/schedule"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

type protection struct {
	Suite       wire.CipherSuite `json:"cipher_suite"`
	GroupID     octets           `json:"group_id"`
	Epoch       uint64           `json:"epoch"`
	TreeHash    octets           `json:"tree_hash"`
	Confirmed   octets           `json:"confirmed_transcript_hash"`
	Private     octets           `json:"signature_priv"`
	Public      octets           `json:"signature_pub"`
	Encryption  octets           `json:"encryption_secret"`
	SenderData  octets           `json:"sender_data_secret"`
	Membership  octets           `json:"membership_key"`
	Proposal    octets           `json:"proposal"`
	ProposalPub octets           `json:"proposal_pub"`
	ProposalPri octets           `json:"proposal_priv"`
	Commit      octets           `json:"commit"`
	CommitPub   octets           `json:"commit_pub"`
	CommitPri   octets           `json:"commit_priv"`
	Application octets           `json:"application"`
	AppPri      octets           `json:"application_priv"`
}

// sender is the leaf that sends in all cases, among two.
const sender = 1

func (v *protection) context() *wire.GroupContext {
	return &wire.GroupContext{
		Version: wire.MLS10, Suite: v.Suite, GroupID: v.GroupID, Epoch: v.Epoch, TreeHash: v.TreeHash, ConfirmedTranscriptHash: v.Confirmed,
	}
}

func (v *protection) secrets(s *suite.Suite) *schedule.SecretTree {
	return schedule.NewSecretTree(s, append([]byte(nil), v.Encryption...), 2, schedule.Limits{})
}

func (v *protection) verify(s *suite.Suite, ac *wire.AuthenticatedContent) error {
	tbs, err := syntax.Marshal(&wire.FramedContentTBS{Format: ac.Format, Content: &ac.Content, Context: v.context()})
	if err != nil {
		return err
	}
	return s.VerifyWithLabel(v.Public, "FramedContentTBS", tbs, ac.Auth.Signature)
}

func (v *protection) tag(s *suite.Suite, ac *wire.AuthenticatedContent) ([]byte, error) {
	tbm, err := syntax.Marshal(&wire.AuthenticatedContentTBM{
		TBS: wire.FramedContentTBS{Format: ac.Format, Content: &ac.Content, Context: v.context()}, Auth: ac.Auth,
	})
	if err != nil {
		return nil, err
	}
	return s.MAC(v.Membership, tbm), nil
}

// openPublic checks a PublicMessage.
func (v *protection) openPublic(s *suite.Suite, m *wire.Message) (*wire.FramedContent, error) {
	if m.Public == nil {
		return nil, mismatch("wire format")
	}
	ac := &wire.AuthenticatedContent{Format: m.Format, Content: m.Public.Content, Auth: m.Public.Auth}
	tag, err := v.tag(s, ac)
	if err != nil {
		return nil, err
	}
	if !suite.SameTag(tag, m.Public.MembershipTag) {
		return nil, mismatch("membership_tag")
	}
	return &ac.Content, v.verify(s, ac)
}

// box seals or opens with the suite's content encryption.
func box(s *suite.Suite, key, nonce, in []byte, aad syntax.Value, seal bool) ([]byte, error) {
	aead, err := s.AEAD(key)
	if err != nil {
		return nil, err
	}
	bound, err := syntax.Marshal(aad)
	if err != nil {
		return nil, err
	}
	if seal {
		return aead.Seal(nil, nonce, in, bound), nil
	}
	return aead.Open(nil, nonce, in, bound)
}

func ratchet(t wire.ContentType) schedule.Ratchet {
	if t == wire.ApplicationContent {
		return schedule.Application
	}
	return schedule.Handshake
}

func guarded(nonce []byte, guard [4]byte) []byte {
	out := append([]byte(nil), nonce...)
	for i, b := range guard {
		out[i] ^= b
	}
	return out
}

// openPrivate decrypts and checks a PrivateMessage (RFC 9420 §6.3).
func (v *protection) openPrivate(s *suite.Suite, m *wire.Message) (*wire.FramedContent, error) {
	p := m.Private
	if p == nil {
		return nil, mismatch("wire format")
	}
	key, nonce := schedule.SenderDataKey(s, v.SenderData, p.Ciphertext)
	hidden, err := box(s, key, nonce, p.EncryptedSenderData, &wire.SenderDataAAD{GroupID: p.GroupID, Epoch: p.Epoch, Type: p.Type}, false)
	if err != nil {
		return nil, err
	}
	data, err := decode[wire.SenderData](hidden)
	if err != nil {
		return nil, err
	}
	use, err := v.secrets(s).Peek(data.Leaf, ratchet(p.Type), data.Generation)
	if err != nil {
		return nil, err
	}
	plain, err := box(s, use.Key(), guarded(use.Nonce(), data.ReuseGuard), p.Ciphertext, contentAAD(p), false)
	if err != nil {
		return nil, err
	}
	ac := &wire.AuthenticatedContent{Format: m.Format, Content: wire.FramedContent{
		GroupID: p.GroupID, Epoch: p.Epoch, Sender: wire.Sender{Type: wire.MemberSender, Index: data.Leaf},
		AuthenticatedData: p.AuthenticatedData, Type: p.Type,
	}}
	inner := wire.PrivateMessageContent{Content: &ac.Content}
	if err := syntax.Unmarshal(plain, &inner); err != nil {
		return nil, err
	}
	ac.Auth = inner.Auth
	return &ac.Content, v.verify(s, ac)
}

func contentAAD(p *wire.PrivateMessage) syntax.Value {
	return &wire.PrivateContentAAD{GroupID: p.GroupID, Epoch: p.Epoch, Type: p.Type, AuthenticatedData: p.AuthenticatedData}
}

// protect makes a message of content.
func (v *protection) protect(s *suite.Suite, key crypto.Signer, format wire.WireFormat, content wire.FramedContent) (*wire.Message, error) {
	content.GroupID, content.Epoch, content.Sender = v.GroupID, v.Epoch, wire.Sender{Type: wire.MemberSender, Index: sender}
	ac := &wire.AuthenticatedContent{Format: format, Content: content}
	if err := sign(s, key, ac, v.context()); err != nil {
		return nil, err
	}
	if content.Type == wire.CommitContent {
		ac.Auth.ConfirmationTag = s.MAC(v.Membership, []byte("a tag"))
	}
	m := &wire.Message{Version: wire.MLS10, Format: format}
	if format == wire.PublicMessageFormat {
		tag, err := v.tag(s, ac)
		m.Public = &wire.PublicMessage{Content: ac.Content, Auth: ac.Auth, MembershipTag: tag}
		return m, err
	}
	var err error
	m.Private, err = v.seal(s, ac)
	return m, err
}

func (v *protection) seal(s *suite.Suite, ac *wire.AuthenticatedContent) (*wire.PrivateMessage, error) {
	var r random
	plain := r.encode(&wire.PrivateMessageContent{Content: &ac.Content, Auth: ac.Auth, Padding: 10})
	use, err := v.secrets(s).Peek(sender, ratchet(ac.Content.Type), 0)
	if err != nil {
		return nil, err
	}
	data := wire.SenderData{Leaf: sender}
	copy(data.ReuseGuard[:], r.octets(len(data.ReuseGuard)))
	p := &wire.PrivateMessage{GroupID: v.GroupID, Epoch: v.Epoch, Type: ac.Content.Type, AuthenticatedData: ac.Content.AuthenticatedData}
	if p.Ciphertext, err = box(s, use.Key(), guarded(use.Nonce(), data.ReuseGuard), plain, contentAAD(p), true); err != nil {
		return nil, err
	}
	key, nonce := schedule.SenderDataKey(s, v.SenderData, p.Ciphertext)
	p.EncryptedSenderData, err = box(s, key, nonce, r.encode(&data), &wire.SenderDataAAD{GroupID: p.GroupID, Epoch: p.Epoch, Type: p.Type}, true)
	return p, checks(err, r.err)
}

// held is one content of a case with its two messages.
type held struct {
	raw, public, private octets
	content              wire.FramedContent
	body                 func(*wire.FramedContent) syntax.Value
}

func (v *protection) contents() ([]held, error) {
	proposal, err := decode[wire.Proposal](v.Proposal)
	if err != nil {
		return nil, err
	}
	commit, err := decode[wire.Commit](v.Commit)
	if err != nil {
		return nil, err
	}
	return []held{
		{v.Proposal, v.ProposalPub, v.ProposalPri, wire.FramedContent{Type: wire.ProposalContent, Proposal: proposal},
			func(f *wire.FramedContent) syntax.Value { return f.Proposal }},
		{v.Commit, v.CommitPub, v.CommitPri, wire.FramedContent{Type: wire.CommitContent, Commit: commit},
			func(f *wire.FramedContent) syntax.Value { return f.Commit }},
		{v.Application, nil, v.AppPri, wire.FramedContent{Type: wire.ApplicationContent, Application: v.Application}, nil},
	}, nil
}

// check opens a message and compares its content.
func (h *held) check(v *protection, s *suite.Suite, m *wire.Message) error {
	open := v.openPrivate
	if m.Format == wire.PublicMessageFormat {
		open = v.openPublic
	}
	got, err := open(s, m)
	if err != nil {
		return err
	}
	if got.Type != h.content.Type || got.Sender != (wire.Sender{Type: wire.MemberSender, Index: sender}) {
		return mismatch("content type or sender")
	}
	if h.body == nil {
		return same("application", got.Application, h.raw)
	}
	octets, err := syntax.Marshal(h.body(got))
	return checks(err, same("content", octets, h.raw))
}

func verifyProtection(s *suite.Suite, v *protection) error {
	if err := fits(s, v.Private, v.Public); err != nil {
		return err
	}
	key, err := signer(s, v.Private)
	if err != nil {
		return err
	}
	all, err := v.contents()
	if err != nil {
		return err
	}
	for i := range all {
		h := &all[i]
		for format, given := range map[wire.WireFormat]octets{wire.PublicMessageFormat: h.public, wire.PrivateMessageFormat: h.private} {
			if given == nil && format == wire.PublicMessageFormat {
				continue // application data is never sent in the clear; mls refuses to
			}
			m, err := decode[wire.Message](given)
			if err != nil {
				return err
			}
			if err := h.check(v, s, m); err != nil {
				return err
			}
			own, err := v.protect(s, key, format, h.content)
			if err != nil {
				return err
			}
			if err := h.check(v, s, own); err != nil {
				return err
			}
		}
	}
	return nil
}

func makeProtection(s *suite.Suite) ([]any, error) {
	var r random
	n := s.HashSize()
	key, private, public, err := newSigner(s)
	if err != nil {
		return nil, err
	}
	v := &protection{
		Suite: s.ID(), GroupID: r.octets(n), Epoch: 0x1234567890, TreeHash: r.octets(n), Confirmed: r.octets(n), Private: private, Public: public,
		Encryption: r.octets(n), SenderData: r.octets(n), Membership: r.octets(n), Application: r.octets(2 * n),
	}
	proposal := &wire.Proposal{Type: wire.RemoveProposal, Remove: 1}
	v.Proposal = r.encode(proposal)
	v.Commit = r.encode(&wire.Commit{Proposals: []wire.ProposalOrRef{{Proposal: proposal}}})
	all, err := v.contents()
	if err != nil {
		return nil, err
	}
	messages := [][2]*octets{{&v.ProposalPub, &v.ProposalPri}, {&v.CommitPub, &v.CommitPri}, {nil, &v.AppPri}}
	for i, formats := range messages {
		for k, format := range []wire.WireFormat{wire.PublicMessageFormat, wire.PrivateMessageFormat} {
			if formats[k] == nil {
				continue
			}
			m, err := v.protect(s, key, format, all[i].content)
			if err != nil {
				return nil, err
			}
			*formats[k] = r.encode(m)
		}
	}
	return []any{v}, r.err
}
