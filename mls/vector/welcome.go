package vector

import (
	"bytes"
	"slices"

	"parley/mls/internal/schedule"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

type welcome struct {
	Suite      wire.CipherSuite `json:"cipher_suite"`
	InitKey    octets           `json:"init_priv"`
	Signer     octets           `json:"signer_pub"`
	KeyPackage octets           `json:"key_package"`
	Welcome    octets           `json:"welcome"`
}

// verifyWelcome takes the steps of RFC 9420 §12.4.3.1 up to the confirmation tag: the case has no tree.
func verifyWelcome(s *suite.Suite, v *welcome) error {
	kp, err := decode[wire.Message](v.KeyPackage)
	if err != nil {
		return err
	}
	m, err := decode[wire.Message](v.Welcome)
	if err != nil {
		return err
	}
	if kp.KeyPackage == nil || m.Welcome == nil {
		return mismatch("wire format")
	}
	ref, err := s.KeyPackageRef(kp.KeyPackage)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(m.Welcome.Secrets, func(e wire.EncryptedGroupSecrets) bool { return bytes.Equal(e.NewMember, ref) })
	if at < 0 {
		return mismatch("key package reference")
	}
	plain, err := s.DecryptWithLabel(v.InitKey, "Welcome", m.Welcome.EncryptedGroupInfo, m.Welcome.Secrets[at].Secrets)
	if err != nil {
		return err
	}
	secrets, err := decode[wire.GroupSecrets](plain)
	if err != nil {
		return err
	}
	psk, err := schedule.PSKSecret(s, nil)
	if err != nil {
		return err
	}
	info, err := openInfo(s, m.Welcome, secrets.JoinerSecret, psk)
	if err != nil {
		return err
	}
	tbs, err := syntax.Marshal(&wire.GroupInfoTBS{GroupInfo: info})
	if err != nil {
		return err
	}
	if err := s.VerifyWithLabel(v.Signer, "GroupInfoTBS", tbs, info.Signature); err != nil {
		return err
	}
	context, err := syntax.Marshal(&info.Context)
	if err != nil {
		return err
	}
	epoch, err := schedule.FromJoiner(s, secrets.JoinerSecret, psk, context)
	if err != nil {
		return err
	}
	if !epoch.VerifyConfirmation(info.Context.ConfirmedTranscriptHash, info.ConfirmationTag) {
		return mismatch("confirmation_tag")
	}
	return nil
}

func openInfo(s *suite.Suite, w *wire.Welcome, joiner, psk []byte) (*wire.GroupInfo, error) {
	key, nonce := schedule.WelcomeKey(s, schedule.Welcome(s, joiner, psk))
	aead, err := s.AEAD(key)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, nonce, w.EncryptedGroupInfo, nil)
	if err != nil {
		return nil, err
	}
	return decode[wire.GroupInfo](plain)
}

func makeWelcome(s *suite.Suite) ([]any, error) {
	c, err := newScene(s, false, 0, 1)
	if err != nil {
		return nil, err
	}
	if err := c.begin(true); err != nil {
		return nil, err
	}
	return []any{&welcome{
		Suite: s.ID(), InitKey: c.out.InitKey, KeyPackage: c.out.KeyPackage, Welcome: c.out.Welcome, Signer: c.members[0].Public().Leaf(0).SignatureKey,
	}}, nil
}
