package mimi

import (
	"crypto"

	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

// Sign sets SignatureKey and Signature. Suites are looked up in the given table, here and below; without one, among those of RFC 9420. The first acceptable suite must be of the key's scheme.
func (v *KeyMaterialRequest) Sign(key crypto.Signer, in ...*suite.Table) error {
	if len(v.Suites) == 0 {
		return ErrNoSuites
	}
	var err error
	if v.SignatureKey, err = publicOf(v.Suites[0], key, in...); err != nil {
		return err
	}
	v.Signature, err = sign(v.Suites[0], key, LabelKeyMaterialRequest, &KeyMaterialRequestTBS{Request: *v}, in...)
	return err
}

// Verify checks the signature under SignatureKey: with the scheme of the first suite, then of any other listed suite that the key
// fits. That the key is the credential's, and the credential the user's, is for the caller.
func (v *KeyMaterialRequest) Verify(in ...*suite.Table) error {
	if len(v.Suites) == 0 {
		return ErrNoSuites
	}
	tbs, err := syntax.Marshal(&KeyMaterialRequestTBS{Request: *v})
	if err != nil {
		return err
	}
	tried := make(map[wire.CipherSuite]bool)
	for _, id := range v.Suites {
		s, err := suite.Lookup(id, in...)
		if err != nil || tried[id] {
			continue
		}
		tried[id] = true
		if s.VerifyWithLabel(v.SignatureKey, LabelKeyMaterialRequest, tbs, v.Signature) == nil {
			return nil
		}
	}
	return ErrSignature
}

// Sign sets SignatureKey and Signature, over the literal form of the draft.
func (v *GroupInfoRequest) Sign(key crypto.Signer, in ...*suite.Table) error {
	var err error
	if v.SignatureKey, err = publicOf(v.Suite, key, in...); err != nil {
		return err
	}
	v.Signature, err = sign(v.Suite, key, LabelGroupInfoRequest, v.tbs(), in...)
	return err
}

// Verify checks the signature under SignatureKey, over either reading of A-47.
func (v *GroupInfoRequest) Verify(in ...*suite.Table) error {
	if verify(v.Suite, v.SignatureKey, LabelGroupInfoRequest, v.tbs(), v.Signature, in...) == nil {
		return nil
	}
	return verify(v.Suite, v.SignatureKey, LabelGroupInfoRequest, &plainGroupInfoRequestTBS{v}, v.Signature, in...)
}

func (v *GroupInfoRequest) tbs() *GroupInfoRequestTBS {
	tbs := &GroupInfoRequestTBS{Request: *v}
	if len(v.JoiningCode) > 0 {
		tbs.JoiningCode = &v.JoiningCode
	}
	return tbs
}

// Sign sets the signature of a successful response, with the key of HubSender.
func (v *GroupInfoResponse) Sign(key crypto.Signer, in ...*suite.Table) error {
	var err error
	v.Signature, err = sign(v.Suite, key, LabelGroupInfoResponse, &GroupInfoResponseTBS{Response: *v}, in...)
	return err
}

// Verify checks the signature of a successful response under HubSender's key. That HubSender is the hub is for the caller: it must
// be among the external senders of the GroupInfo inside (P-GI-11).
func (v *GroupInfoResponse) Verify(in ...*suite.Table) error {
	return verify(v.Suite, v.HubSender.SignatureKey, LabelGroupInfoResponse, &GroupInfoResponseTBS{Response: *v}, v.Signature, in...)
}

func publicOf(id wire.CipherSuite, key crypto.Signer, in ...*suite.Table) ([]byte, error) {
	s, err := suite.Lookup(id, in...)
	if err != nil || key == nil {
		return nil, ErrSuite
	}
	public, err := s.SignaturePublicKey(key.Public())
	if err != nil {
		return nil, ErrSuite
	}
	return public, nil
}

func sign(id wire.CipherSuite, key crypto.Signer, label string, tbs syntax.Value, in ...*suite.Table) ([]byte, error) {
	s, err := suite.Lookup(id, in...)
	if err != nil {
		return nil, ErrSuite
	}
	content, err := syntax.Marshal(tbs)
	if err != nil {
		return nil, err
	}
	return s.SignWithLabel(key, label, content)
}

func verify(id wire.CipherSuite, public []byte, label string, tbs syntax.Value, signature []byte, in ...*suite.Table) error {
	s, err := suite.Lookup(id, in...)
	if err != nil {
		return ErrSuite
	}
	content, err := syntax.Marshal(tbs)
	if err != nil {
		return err
	}
	if s.VerifyWithLabel(public, label, content, signature) != nil {
		return ErrSignature
	}
	return nil
}
