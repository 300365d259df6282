package mls

import (
	"crypto"
	"crypto/rand"

	"parley/mls/internal/schedule"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

// framed is content with its authentication, and the encoding that signature, tag and transcript have in common.
type framed struct {
	*wire.AuthenticatedContent
	octets []byte // of Content
}

func frame(ac *wire.AuthenticatedContent) (*framed, error) {
	octets, err := marshal(&ac.Content)
	return &framed{ac, octets}, err
}

// tbs is FramedContentTBS in parts (RFC 9420 §6.1). context is the encoded GroupContext, which is used for members' and external
// joiners' content only.
func (f *framed) tbs(context []byte) [][]byte {
	head := []byte{byte(wire.MLS10 >> 8), byte(wire.MLS10), byte(f.Format >> 8), byte(f.Format)}
	switch f.Content.Sender.Type {
	case wire.MemberSender, wire.NewMemberCommitSender:
		return [][]byte{head, f.octets, context}
	}
	return [][]byte{head, f.octets}
}

// tbm is AuthenticatedContentTBM in parts, which the membership tag covers (RFC 9420 §6.2).
func (f *framed) tbm(context []byte) ([][]byte, error) {
	auth, err := marshal(&wire.FramedAuth{AuthData: f.Auth, Type: f.Content.Type})
	return append(f.tbs(context), auth), err
}

func (f *framed) verify(s *suite.Suite, public, context []byte) error {
	return because(RuleSignature, s.VerifyParts(public, "FramedContentTBS", f.Auth.Signature, f.tbs(context)...))
}

func (f *framed) confirmedHash(s *suite.Suite, interim []byte) ([]byte, error) {
	hash, err := schedule.ConfirmedHash(s, interim, f.Format, f.octets, f.Auth.Signature)
	return hash, because(RuleEncoding, err)
}

// signContent signs a FramedContent for the given wire format (RFC 9420 §6.1).
func signContent(s *suite.Suite, signer crypto.Signer, format wire.WireFormat, content wire.FramedContent, context []byte) (*framed, error) {
	f, err := frame(&wire.AuthenticatedContent{Format: format, Content: content})
	if err != nil {
		return nil, err
	}
	f.Auth.Signature, err = s.SignWithLabel(signer, "FramedContentTBS", f.tbs(context)...)
	return f, because(RuleSignature, err)
}

// publicMessage frames content in the clear; tag is nil for those who are not members.
func publicMessage(f *framed, tag []byte) *wire.Message {
	return &wire.Message{Version: wire.MLS10, Format: wire.PublicMessageFormat, Public: &wire.PublicMessage{
		Content: f.Content, Auth: f.Auth, MembershipTag: tag,
	}}
}

// authenticated returns the content of a PublicMessage as it was signed.
func authenticated(m *wire.PublicMessage) (*framed, error) {
	return frame(&wire.AuthenticatedContent{Format: wire.PublicMessageFormat, Content: m.Content, Auth: m.Auth})
}

// cryptor holds what sealing and opening the private messages of one epoch needs. The steps (ratchet key, associated data,
// content, sender data) are apart, because other wire formats reuse some of them.
type cryptor struct {
	suite    *suite.Suite
	sender   func(ciphertext []byte) (key, nonce []byte) // sender data key (RFC 9420 §6.3.2)
	messages *schedule.SecretTree
	own      func(leaf uint32) bool // a leaf of this client, whose keys were used up by sending
}

// opened is a decrypted private message whose key is not used up yet.
type opened struct {
	content    *wire.AuthenticatedContent
	use        *schedule.Use
	generation uint32
}

func ratchetOf(t wire.ContentType) schedule.Ratchet {
	if t == wire.ApplicationContent {
		return schedule.Application
	}
	return schedule.Handshake
}

// seal encrypts authenticated content of a member (RFC 9420 §6.3). It uses up one generation of the sender's ratchet.
func (x *cryptor) seal(ac *wire.AuthenticatedContent, padding int) (*wire.PrivateMessage, error) {
	content := &ac.Content
	plain, err := marshal(&wire.PrivateMessageContent{Content: content, Auth: ac.Auth, Padding: padding})
	if err != nil {
		return nil, err
	}
	m := &wire.PrivateMessage{GroupID: content.GroupID, Epoch: content.Epoch, Type: content.Type, AuthenticatedData: content.AuthenticatedData}
	generation, key, nonce, err := x.messages.Next(content.Sender.Index, ratchetOf(content.Type))
	if err != nil {
		return nil, because(RuleSecret, err)
	}
	defer suite.Wipe(key)
	data := wire.SenderData{Leaf: content.Sender.Index, Generation: generation}
	if _, err := rand.Read(data.ReuseGuard[:]); err != nil {
		return nil, because(RuleRandom, err)
	}
	guard(nonce, data.ReuseGuard)
	if m.Ciphertext, err = x.box(key, nonce, plain, contentAAD(m), true); err != nil {
		return nil, err
	}
	hidden, err := marshal(&data)
	if err != nil {
		return nil, err
	}
	senderKey, senderNonce := x.sender(m.Ciphertext)
	m.EncryptedSenderData, err = x.box(senderKey, senderNonce, hidden, senderAAD(m), true)
	return m, err
}

// open decrypts a private message without using up its key; the use in the result does that.
func (x *cryptor) open(m *wire.PrivateMessage) (*opened, error) {
	key, nonce := x.sender(m.Ciphertext)
	hidden, err := x.box(key, nonce, m.EncryptedSenderData, senderAAD(m), false)
	if err != nil {
		return nil, err
	}
	var data wire.SenderData
	if err := syntax.Unmarshal(hidden, &data); err != nil {
		return nil, because(RuleDecrypt, err)
	}
	if x.own(data.Leaf) {
		return nil, broken(RuleOwnMessage)
	}
	use, err := x.messages.Peek(data.Leaf, ratchetOf(m.Type), data.Generation)
	if err != nil {
		return nil, because(RuleDecrypt, err)
	}
	messageNonce := append([]byte(nil), use.Nonce()...)
	guard(messageNonce, data.ReuseGuard)
	plain, err := x.box(use.Key(), messageNonce, m.Ciphertext, contentAAD(m), false)
	if err != nil {
		use.Discard()
		return nil, err
	}
	ac := &wire.AuthenticatedContent{Format: wire.PrivateMessageFormat, Content: wire.FramedContent{
		GroupID:           m.GroupID,
		Epoch:             m.Epoch,
		Sender:            wire.Sender{Type: wire.MemberSender, Index: data.Leaf},
		AuthenticatedData: m.AuthenticatedData,
		Type:              m.Type,
	}}
	inner := wire.PrivateMessageContent{Content: &ac.Content}
	if err := syntax.Unmarshal(plain, &inner); err != nil {
		use.Discard()
		return nil, because(RuleDecrypt, err)
	}
	ac.Auth = inner.Auth
	return &opened{ac, use, data.Generation}, nil
}

// box seals or opens in with the suite's AEAD; the associated data is the encoding of aad.
func (x *cryptor) box(key, nonce, in []byte, aad syntax.Value, seal bool) ([]byte, error) {
	aead, err := x.suite.AEAD(key)
	if err != nil {
		return nil, because(RuleSecret, err)
	}
	bound, err := marshal(aad)
	if err != nil {
		return nil, err
	}
	if seal {
		return aead.Seal(nil, nonce, in, bound), nil
	}
	out, err := aead.Open(nil, nonce, in, bound)
	return out, because(RuleDecrypt, err)
}

func contentAAD(m *wire.PrivateMessage) syntax.Value {
	return &wire.PrivateContentAAD{GroupID: m.GroupID, Epoch: m.Epoch, Type: m.Type, AuthenticatedData: m.AuthenticatedData}
}

func senderAAD(m *wire.PrivateMessage) syntax.Value {
	return &wire.SenderDataAAD{GroupID: m.GroupID, Epoch: m.Epoch, Type: m.Type}
}

// guard mixes the reuse guard into the nonce (RFC 9420 §6.3.1).
func guard(nonce []byte, reuse [4]byte) {
	for i, b := range reuse {
		nonce[i] ^= b
	}
}
