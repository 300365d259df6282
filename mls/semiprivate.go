package mls

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"slices"
	"time"

	"parley/mls/internal/schedule"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

// ExternalReceiver is somebody who reads a group's SemiPrivateMessages without being a member (draft-mahy-mls-semiprivatemessage), in MIMI
// the hub: its entry in the group's external_receivers and the private key to it.
type ExternalReceiver struct {
	Entry   wire.ExternalReceiver
	Private []byte
}

// receiverLabel is the label of the encryption to external receivers (semiprivatemessage §3.1).
const receiverLabel = "SemiPrivateMessageReceiver"

// checkSemiPrivate checks that the group uses SemiPrivateMessage: this client is configured for it, the format is among the required ones,
// and there is somebody to receive it (semiprivatemessage §3, X-SPM-01).
func (g *PublicGroup) checkSemiPrivate() error {
	if !g.cfg.SemiPrivate {
		return broken(RuleFormat)
	}
	if !slices.Contains(g.needs.formats, wire.SemiPrivateMessageFormat) || len(g.needs.receivers) == 0 {
		return broken(RuleSemiPrivate)
	}
	return nil
}

// handshakeFormat is the format of own proposals and commits.
func (g *PublicGroup) handshakeFormat() wire.WireFormat {
	switch {
	case g.checkSemiPrivate() == nil:
		return wire.SemiPrivateMessageFormat
	case g.cfg.EncryptHandshakes:
		return wire.PrivateMessageFormat
	}
	return wire.PublicMessageFormat
}

// externalReceivers returns the external_receivers of a dictionary (A-X6, A-X7).
func externalReceivers(dictionary *wire.AppDataDictionary) ([]wire.ExternalReceiver, error) {
	data, ok := dictionary.Find(wire.ExternalReceiversComponent)
	if !ok {
		return nil, nil
	}
	var list wire.ExternalReceivers
	if err := syntax.Unmarshal(data, &list); err != nil {
		return nil, because(RuleDictionary, err)
	}
	return list.Receivers, nil
}

// semiSealing is a SemiPrivateMessage in the making.
type semiSealing struct {
	message    *wire.SemiPrivateMessage
	sender     wire.SenderData
	key, nonce []byte
	plain      []byte
}

// sealSemiPrivate encrypts a signed handshake to the members and to the external receivers (semiprivatemessage §3.1). It uses up one
// generation of the sender's ratchet.
func (x *cryptor) sealSemiPrivate(f *framed, context []byte, receivers []wire.ExternalReceiver) (*wire.SemiPrivateMessage, error) {
	s, err := x.beginSemiPrivate(f, context)
	if err != nil {
		return nil, err
	}
	defer suite.Wipe(s.key)
	return s.message, x.finishSemiPrivate(s, receivers)
}

// beginSemiPrivate takes a key and fills in what does not depend on it.
func (x *cryptor) beginSemiPrivate(f *framed, context []byte) (*semiSealing, error) {
	content := &f.Content
	plain, err := marshal(&wire.PrivateMessageContent{Content: content, Auth: f.Auth})
	if err != nil {
		return nil, err
	}
	s := &semiSealing{plain: plain, sender: wire.SenderData{Leaf: content.Sender.Index}}
	if _, err := rand.Read(s.sender.ReuseGuard[:]); err != nil {
		return nil, because(RuleRandom, err)
	}
	s.sender.Generation, s.key, s.nonce, err = x.messages.Next(content.Sender.Index, ratchetOf(content.Type))
	if err != nil {
		return nil, because(RuleSecret, err)
	}
	s.message = &wire.SemiPrivateMessage{SemiPrivateContentAAD: wire.SemiPrivateContentAAD{
		GroupID:            content.GroupID,
		Epoch:              content.Epoch,
		Type:               content.Type,
		AuthenticatedData:  content.AuthenticatedData,
		PartialContextHash: x.partialContextHash(s.sender.Leaf, s.nonce),
		ContentHash:        x.suite.Hash(f.tbs(context)...),
	}}
	return s, nil
}

func (x *cryptor) finishSemiPrivate(s *semiSealing, receivers []wire.ExternalReceiver) error {
	m := s.message
	given := wire.PerMessageKeyAndNonces{Key: s.key, Nonce: s.nonce, ReuseGuard: s.sender.ReuseGuard, Leaf: s.sender.Leaf}
	var err error
	if m.Keys, err = x.keysFor(m, &given, receivers); err != nil {
		return err
	}
	nonce := bytes.Clone(s.nonce)
	guard(nonce, s.sender.ReuseGuard)
	if m.Ciphertext, err = x.box(s.key, nonce, s.plain, &m.SemiPrivateContentAAD, true); err != nil {
		return err
	}
	hidden, err := marshal(&s.sender)
	if err != nil {
		return err
	}
	senderKey, senderNonce := x.sender(m.Ciphertext)
	m.EncryptedSenderData, err = x.box(senderKey, senderNonce, hidden, semiSenderAAD(m), true)
	return err
}

func semiSenderAAD(m *wire.SemiPrivateMessage) syntax.Value {
	return &wire.SenderDataAAD{GroupID: m.GroupID, Epoch: m.Epoch, Type: m.Type}
}

// partialContextHash binds a message to its sender's leaf and nonce, before the reuse guard (A-X8).
func (x *cryptor) partialContextHash(leaf uint32, nonce []byte) []byte {
	return x.suite.Hash(binary.BigEndian.AppendUint32(nil, leaf), nonce)
}

// keysFor seals the message's key to each external receiver.
func (x *cryptor) keysFor(m *wire.SemiPrivateMessage, given *wire.PerMessageKeyAndNonces, receivers []wire.ExternalReceiver) ([]wire.KeyForExternalReceiver, error) {
	plain, err := marshal(given)
	if err != nil {
		return nil, err
	}
	defer suite.Wipe(plain)
	context, err := marshal(receiverContext(m))
	if err != nil {
		return nil, err
	}
	keys := make([]wire.KeyForExternalReceiver, len(receivers))
	for i := range receivers {
		if keys[i].Ref, err = receiverRef(x.suite, &receivers[i]); err != nil {
			return nil, err
		}
		if keys[i].Key, err = x.suite.EncryptWithLabel(receivers[i].Key, receiverLabel, context, plain); err != nil {
			return nil, because(RuleSemiPrivate, err)
		}
	}
	return keys, nil
}

func receiverContext(m *wire.SemiPrivateMessage) syntax.Value {
	return &wire.SemiPrivateMessageContext{GroupID: m.GroupID, Epoch: m.Epoch, PartialContextHash: m.PartialContextHash}
}

// receiverRef is an ExternalReceiverRef: the plain hash of the entry (A-X8).
func receiverRef(s *suite.Suite, r *wire.ExternalReceiver) ([]byte, error) {
	octets, err := marshal(r)
	if err != nil {
		return nil, err
	}
	return s.Hash(octets), nil
}

// openSemiPrivate decrypts a message as a member, without using up its key (semiprivatemessage §3.2). context is the encoded GroupContext.
// The signature is left to the common checks.
func (x *cryptor) openSemiPrivate(m *wire.SemiPrivateMessage, context []byte) (*framed, *schedule.Use, error) {
	key, nonce := x.sender(m.Ciphertext)
	hidden, err := x.box(key, nonce, m.EncryptedSenderData, semiSenderAAD(m), false)
	if err != nil {
		return nil, nil, err
	}
	var data wire.SenderData
	if err := syntax.Unmarshal(hidden, &data); err != nil {
		return nil, nil, because(RuleDecrypt, err)
	}
	if x.own(data.Leaf) {
		return nil, nil, broken(RuleOwnMessage)
	}
	use, err := x.messages.Peek(data.Leaf, ratchetOf(m.Type), data.Generation)
	if err != nil {
		return nil, nil, because(RuleDecrypt, err)
	}
	f, err := x.semiContent(m, data.Leaf, use.Key(), use.Nonce(), data.ReuseGuard, context)
	if err != nil {
		use.Discard()
		return nil, nil, err
	}
	return f, use, nil
}

// semiContent decrypts the content with its key and checks what binds the message together: partial context hash, padding, and the hash of
// what is signed, with this wire format and the GroupContext (A-X9), which shows that members and receivers were told the same.
func (x *cryptor) semiContent(m *wire.SemiPrivateMessage, leaf uint32, key, nonce []byte, reuse [4]byte, context []byte) (*framed, error) {
	if !bytes.Equal(m.PartialContextHash, x.partialContextHash(leaf, nonce)) {
		return nil, broken(RuleSemiContent)
	}
	nonce = bytes.Clone(nonce)
	if len(nonce) != x.suite.NonceSize() {
		return nil, broken(RuleSemiContent)
	}
	guard(nonce, reuse)
	plain, err := x.box(key, nonce, m.Ciphertext, &m.SemiPrivateContentAAD, false)
	if err != nil {
		return nil, err
	}
	ac := &wire.AuthenticatedContent{Format: wire.SemiPrivateMessageFormat, Content: wire.FramedContent{
		GroupID:           m.GroupID,
		Epoch:             m.Epoch,
		Sender:            wire.Sender{Type: wire.MemberSender, Index: leaf},
		AuthenticatedData: m.AuthenticatedData,
		Type:              m.Type,
	}}
	inner := wire.PrivateMessageContent{Content: &ac.Content}
	if err := syntax.Unmarshal(plain, &inner); err != nil {
		return nil, because(RuleDecrypt, err)
	}
	ac.Auth = inner.Auth
	f, err := frame(ac)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(m.ContentHash, x.suite.Hash(f.tbs(context)...)) {
		return nil, broken(RuleSemiContent)
	}
	return f, nil
}

// ProcessSemiPrivate is Process for a SemiPrivateMessage, by one of the group's external receivers (semiprivatemessage §3.3). Everything that
// a hub checks of a PublicMessage is checked of it.
func (g *PublicGroup) ProcessSemiPrivate(m *wire.Message, r *ExternalReceiver, now time.Time) (*Staged, error) {
	if m.Semi == nil {
		return nil, broken(RuleFormat)
	}
	if err := g.checkSemiMessage(m.Semi); err != nil {
		return nil, err
	}
	ref, err := receiverRef(g.suite, &r.Entry)
	if err != nil {
		return nil, err
	}
	at := slices.IndexFunc(m.Semi.Keys, func(k wire.KeyForExternalReceiver) bool { return bytes.Equal(k.Ref, ref) })
	if at < 0 {
		return nil, broken(RuleSemiPrivate)
	}
	context, err := marshal(receiverContext(m.Semi))
	if err != nil {
		return nil, err
	}
	plain, err := g.suite.DecryptWithLabel(r.Private, receiverLabel, context, m.Semi.Keys[at].Key)
	if err != nil {
		return nil, because(RuleDecrypt, err)
	}
	defer suite.Wipe(plain)
	var given wire.PerMessageKeyAndNonces
	if err := syntax.Unmarshal(plain, &given); err != nil {
		return nil, because(RuleDecrypt, err)
	}
	x := &cryptor{suite: g.suite}
	f, err := x.semiContent(m.Semi, given.Leaf, given.Key, given.Nonce, given.ReuseGuard, g.octets)
	if err != nil {
		return nil, err
	}
	return g.stage(f, nil, now)
}

// checkSemiMessage makes the checks that need no key.
func (g *PublicGroup) checkSemiMessage(m *wire.SemiPrivateMessage) error {
	if !bytes.Equal(m.GroupID, g.GroupID()) {
		return broken(RuleGroupID)
	}
	if m.Epoch != g.Epoch() {
		return broken(RuleEpoch)
	}
	return g.checkSemiPrivate()
}

// signedSemiPrivate decrypts a SemiPrivateMessage as a member.
func (s *GroupStaged) signedSemiPrivate(m *wire.Message) (*framed, error) {
	g := s.group
	if err := g.public.checkSemiMessage(m.Semi); err != nil {
		return nil, err
	}
	if g.epoch == nil {
		return nil, broken(RuleState)
	}
	if mine, err := g.sentContent(m); mine != nil || err != nil {
		s.mine = true
		if err != nil {
			return nil, err
		}
		return frame(mine)
	}
	f, use, err := g.cryptor().openSemiPrivate(m.Semi, g.public.octets)
	s.use = use
	return f, err
}
