package vector

import (
	"crypto"

	"parley/mls/internal/schedule"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

type keySchedule struct {
	Suite   wire.CipherSuite `json:"cipher_suite"`
	GroupID octets           `json:"group_id"`
	Init    octets           `json:"initial_init_secret"`
	Epochs  []scheduleEpoch  `json:"epochs"`
}

type scheduleEpoch struct {
	TreeHash      octets `json:"tree_hash"`
	Commit        octets `json:"commit_secret"`
	PSK           octets `json:"psk_secret"`
	Confirmed     octets `json:"confirmed_transcript_hash"`
	Context       octets `json:"group_context"`
	Joiner        octets `json:"joiner_secret"`
	Welcome       octets `json:"welcome_secret"`
	Init          octets `json:"init_secret"`
	SenderData    octets `json:"sender_data_secret"`
	Encryption    octets `json:"encryption_secret"`
	Exporter      octets `json:"exporter_secret"`
	Authenticator octets `json:"epoch_authenticator"`
	External      octets `json:"external_secret"`
	Confirmation  octets `json:"confirmation_key"`
	Membership    octets `json:"membership_key"`
	Resumption    octets `json:"resumption_psk"`
	ExternalPub   octets `json:"external_pub"`
	Export        struct {
		Label   string `json:"label"`
		Context octets `json:"context"`
		Length  uint32 `json:"length"`
		Secret  octets `json:"secret"`
	} `json:"exporter"`
}

// compute fills in what follows from the chosen values and returns the next init secret. The secrets that an epoch does not give away
// are derived beside it, and checked by what it does with them.
func (e *scheduleEpoch) compute(s *suite.Suite, groupID []byte, n int, init []byte) error {
	context, err := syntax.Marshal(&wire.GroupContext{
		Version: wire.MLS10, Suite: s.ID(), GroupID: groupID, Epoch: uint64(n), TreeHash: e.TreeHash, ConfirmedTranscriptHash: e.Confirmed,
	})
	if err != nil {
		return err
	}
	e.Context = context
	e.Joiner = schedule.Joiner(s, init, e.Commit, context)
	e.Welcome = schedule.Welcome(s, e.Joiner, e.PSK)
	secret := s.ExpandWithLabel(s.Extract(e.Joiner, e.PSK), "epoch", context, s.HashSize())
	for label, out := range map[string]*octets{
		"sender data": &e.SenderData, "exporter": &e.Exporter, "external": &e.External, "confirm": &e.Confirmation, "membership": &e.Membership,
	} {
		*out = s.DeriveSecret(secret, label)
	}
	epoch, err := schedule.FromJoiner(s, e.Joiner, e.PSK, context)
	if err != nil {
		return err
	}
	if e.Encryption, err = epoch.TakeEncryptionSecret(); err != nil {
		return err
	}
	e.Init, e.Authenticator, e.Resumption = epoch.InitSecret(), epoch.Authenticator(), epoch.ResumptionPSK()
	_, public, err := epoch.ExternalKeyPair()
	if err != nil {
		return err
	}
	_, derived, err := s.DeriveKeyPair(e.External)
	if err != nil {
		return err
	}
	e.ExternalPub = public
	e.Export.Secret = epoch.Export(e.Export.Label, e.Export.Context, int(e.Export.Length))
	senderData, _ := epoch.SenderDataKey(e.Context)
	wantSenderData, _ := schedule.SenderDataKey(s, e.SenderData, e.Context)
	return checks(
		same("external key pair", derived, public),
		same("sender data key", senderData, wantSenderData),
		same("confirmation tag", epoch.ConfirmationTag(e.Confirmed), s.MAC(e.Confirmation, e.Confirmed)),
		same("membership tag", epoch.MembershipTag(e.Context), s.MAC(e.Membership, e.Context)),
	)
}

const longestExport = 255 * 32

func verifySchedule(s *suite.Suite, v *keySchedule) error {
	if len(v.Epochs) == 0 {
		return mismatch("number of epochs")
	}
	init := []byte(v.Init)
	for i := range v.Epochs {
		given := &v.Epochs[i]
		if given.Export.Length > longestExport {
			return mismatch("exporter length")
		}
		got := *given
		if err := got.compute(s, v.GroupID, i, init); err != nil {
			return err
		}
		err := checks(
			same("group_context", got.Context, given.Context), same("joiner_secret", got.Joiner, given.Joiner),
			same("welcome_secret", got.Welcome, given.Welcome), same("init_secret", got.Init, given.Init),
			same("sender_data_secret", got.SenderData, given.SenderData), same("encryption_secret", got.Encryption, given.Encryption),
			same("exporter_secret", got.Exporter, given.Exporter), same("epoch_authenticator", got.Authenticator, given.Authenticator),
			same("external_secret", got.External, given.External), same("confirmation_key", got.Confirmation, given.Confirmation),
			same("membership_key", got.Membership, given.Membership), same("resumption_psk", got.Resumption, given.Resumption),
			same("external_pub", got.ExternalPub, given.ExternalPub), same("exporter", got.Export.Secret, given.Export.Secret),
		)
		if err != nil {
			return err
		}
		init = got.Init
	}
	return nil
}

func makeSchedule(s *suite.Suite) ([]any, error) {
	const epochs, label = 5, 32
	var r random
	n := s.HashSize()
	v := &keySchedule{Suite: s.ID(), GroupID: r.octets(n), Init: r.octets(n)}
	init := []byte(v.Init)
	for i := range epochs {
		e := scheduleEpoch{TreeHash: r.octets(n), Commit: r.octets(n), PSK: r.octets(n), Confirmed: r.octets(n)}
		e.Export.Label, e.Export.Context, e.Export.Length = "an exporter's label", r.octets(label), uint32(n)
		if err := e.compute(s, v.GroupID, i, init); err != nil {
			return nil, err
		}
		v.Epochs = append(v.Epochs, e)
		init = e.Init
	}
	return []any{v}, r.err
}

type pskCase struct {
	Suite wire.CipherSuite `json:"cipher_suite"`
	PSKs  []struct {
		ID    octets `json:"psk_id"`
		PSK   octets `json:"psk"`
		Nonce octets `json:"psk_nonce"`
	} `json:"psks"`
	Secret octets `json:"psk_secret"`
}

func (v *pskCase) compute(s *suite.Suite) (octets, error) {
	var list []schedule.PSK
	for _, p := range v.PSKs {
		list = append(list, schedule.PSK{ID: wire.PreSharedKeyID{Type: wire.ExternalPSK, ID: p.ID, Nonce: p.Nonce}, Secret: p.PSK})
	}
	return schedule.PSKSecret(s, list)
}

func verifyPSK(s *suite.Suite, v *pskCase) error {
	got, err := v.compute(s)
	return checks(err, same("psk_secret", got, v.Secret))
}

func makePSK(s *suite.Suite) ([]any, error) {
	var r random
	var out []any
	n := s.HashSize()
	for count := range 11 {
		v := &pskCase{Suite: s.ID()}
		v.PSKs = append(v.PSKs, make([]struct {
			ID    octets `json:"psk_id"`
			PSK   octets `json:"psk"`
			Nonce octets `json:"psk_nonce"`
		}, count)...)
		for i := range v.PSKs {
			v.PSKs[i].ID, v.PSKs[i].PSK, v.PSKs[i].Nonce = r.octets(n), r.octets(n), r.octets(n)
		}
		var err error
		if v.Secret, err = v.compute(s); err != nil {
			return nil, err
		}
		out = append(out, v)
	}
	return out, r.err
}

type secretTree struct {
	Suite      wire.CipherSuite `json:"cipher_suite"`
	SenderData struct {
		Secret     octets `json:"sender_data_secret"`
		Ciphertext octets `json:"ciphertext"`
		Key        octets `json:"key"`
		Nonce      octets `json:"nonce"`
	} `json:"sender_data"`
	Encryption octets        `json:"encryption_secret"`
	Leaves     [][]messageAt `json:"leaves"`
}

type messageAt struct {
	Generation       uint32 `json:"generation"`
	HandshakeKey     octets `json:"handshake_key"`
	HandshakeNonce   octets `json:"handshake_nonce"`
	ApplicationKey   octets `json:"application_key"`
	ApplicationNonce octets `json:"application_nonce"`
}

// at takes the keys of one generation out of a secret tree.
func at(t *schedule.SecretTree, leaf, generation uint32) (*messageAt, error) {
	v := &messageAt{Generation: generation}
	for ratchet, out := range map[schedule.Ratchet][2]*octets{
		schedule.Handshake:   {&v.HandshakeKey, &v.HandshakeNonce},
		schedule.Application: {&v.ApplicationKey, &v.ApplicationNonce},
	} {
		use, err := t.Peek(leaf, ratchet, generation)
		if err != nil {
			return nil, err
		}
		*out[0], *out[1] = append(octets(nil), use.Key()...), append(octets(nil), use.Nonce()...)
		t.Consume(use)
	}
	return v, nil
}

const largestSecretTree = 1 << 14

func verifySecretTree(s *suite.Suite, v *secretTree) error {
	key, nonce := schedule.SenderDataKey(s, v.SenderData.Secret, v.SenderData.Ciphertext)
	if err := checks(same("sender data key", key, v.SenderData.Key), same("sender data nonce", nonce, v.SenderData.Nonce)); err != nil {
		return err
	}
	if len(v.Leaves) == 0 || len(v.Leaves) > largestSecretTree {
		return mismatch("number of leaves")
	}
	t := schedule.NewSecretTree(s, append([]byte(nil), v.Encryption...), uint32(len(v.Leaves)), schedule.Limits{})
	for leaf, list := range v.Leaves {
		for _, want := range list {
			got, err := at(t, uint32(leaf), want.Generation)
			if err != nil {
				return err
			}
			err = checks(
				same("handshake_key", got.HandshakeKey, want.HandshakeKey), same("handshake_nonce", got.HandshakeNonce, want.HandshakeNonce),
				same("application_key", got.ApplicationKey, want.ApplicationKey), same("application_nonce", got.ApplicationNonce, want.ApplicationNonce),
			)
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func makeSecretTree(s *suite.Suite) ([]any, error) {
	var r random
	var out []any
	n := s.HashSize()
	for _, leaves := range []uint32{1, 8, 32} {
		v := &secretTree{Suite: s.ID(), Encryption: r.octets(n)}
		v.SenderData.Secret, v.SenderData.Ciphertext = r.octets(n), r.octets(n+13)
		key, nonce := schedule.SenderDataKey(s, v.SenderData.Secret, v.SenderData.Ciphertext)
		v.SenderData.Key, v.SenderData.Nonce = key, nonce
		t := schedule.NewSecretTree(s, append([]byte(nil), v.Encryption...), leaves, schedule.Limits{})
		for leaf := range leaves {
			var list []messageAt
			for _, generation := range []uint32{0, 1, 15} {
				m, err := at(t, leaf, generation)
				if err != nil {
					return nil, err
				}
				list = append(list, *m)
			}
			v.Leaves = append(v.Leaves, list)
		}
		out = append(out, v)
	}
	return out, r.err
}

type transcript struct {
	Suite           wire.CipherSuite `json:"cipher_suite"`
	ConfirmationKey octets           `json:"confirmation_key"`
	Content         octets           `json:"authenticated_content"`
	InterimBefore   octets           `json:"interim_transcript_hash_before"`
	ConfirmedAfter  octets           `json:"confirmed_transcript_hash_after"`
	InterimAfter    octets           `json:"interim_transcript_hash_after"`
}

func (v *transcript) confirmed(s *suite.Suite, ac *wire.AuthenticatedContent) (octets, error) {
	content, err := syntax.Marshal(&ac.Content)
	if err != nil {
		return nil, err
	}
	return schedule.ConfirmedHash(s, v.InterimBefore, ac.Format, content, ac.Auth.Signature)
}

func verifyTranscript(s *suite.Suite, v *transcript) error {
	ac, err := decode[wire.AuthenticatedContent](v.Content)
	if err != nil {
		return err
	}
	if ac.Content.Commit == nil {
		return mismatch("content, which is no commit,")
	}
	confirmed, err := v.confirmed(s, ac)
	if err := checks(err, same("confirmed_transcript_hash_after", confirmed, v.ConfirmedAfter)); err != nil {
		return err
	}
	if !s.VerifyMAC(v.ConfirmationKey, confirmed, ac.Auth.ConfirmationTag) {
		return mismatch("confirmation_tag")
	}
	interim, err := schedule.InterimHash(s, confirmed, ac.Auth.ConfirmationTag)
	return checks(err, same("interim_transcript_hash_after", interim, v.InterimAfter))
}

func makeTranscript(s *suite.Suite) ([]any, error) {
	var r random
	n := s.HashSize()
	key, _, _, err := newSigner(s)
	if err != nil {
		return nil, err
	}
	v := &transcript{Suite: s.ID(), ConfirmationKey: r.octets(n), InterimBefore: r.octets(n)}
	context := &wire.GroupContext{Version: wire.MLS10, Suite: s.ID(), GroupID: r.octets(n), Epoch: 7, TreeHash: r.octets(n), ConfirmedTranscriptHash: r.octets(n)}
	ac := &wire.AuthenticatedContent{Format: wire.PublicMessageFormat, Content: wire.FramedContent{
		GroupID: context.GroupID, Epoch: context.Epoch, Sender: wire.Sender{Type: wire.MemberSender}, Type: wire.CommitContent,
		Commit: &wire.Commit{Proposals: []wire.ProposalOrRef{{Proposal: &wire.Proposal{Type: wire.RemoveProposal, Remove: 1}}}},
	}}
	if err := sign(s, key, ac, context); err != nil {
		return nil, err
	}
	if v.ConfirmedAfter, err = v.confirmed(s, ac); err != nil {
		return nil, err
	}
	ac.Auth.ConfirmationTag = s.MAC(v.ConfirmationKey, v.ConfirmedAfter)
	if v.InterimAfter, err = schedule.InterimHash(s, v.ConfirmedAfter, ac.Auth.ConfirmationTag); err != nil {
		return nil, err
	}
	v.Content = r.encode(ac)
	return []any{v}, r.err
}

// sign signs content as RFC 9420 §6.1 says.
func sign(s *suite.Suite, key crypto.Signer, ac *wire.AuthenticatedContent, context *wire.GroupContext) error {
	tbs, err := syntax.Marshal(&wire.FramedContentTBS{Format: ac.Format, Content: &ac.Content, Context: context})
	if err != nil {
		return err
	}
	ac.Auth.Signature, err = s.SignWithLabel(key, "FramedContentTBS", tbs)
	return err
}
