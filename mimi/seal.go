package mimi

import (
	"crypto"

	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
	"parley/uri"
)

// Limits bounds the elements of a value of the given number of octets: enough for the tree of any real group, little enough that a
// small value cannot make a large one in memory.
func Limits(octets int) syntax.Limits {
	const least, memory, times = 2048, 192 << 10, 2
	return syntax.Limits{Elements: least + octets/24, Memory: memory + times*octets}
}

// EncryptGroupInfo seals what a joiner needs to the key of the request (§5.6). The context is the room's URI.
func EncryptGroupInfo(r *GroupInfoRequest, room string, v *GroupInfoRatchetTree, in ...*suite.Table) (wire.HPKECiphertext, error) {
	s, err := suite.Lookup(r.Suite, in...)
	if err != nil {
		return wire.HPKECiphertext{}, ErrSuite
	}
	plaintext, err := syntax.Marshal(v)
	if err != nil {
		return wire.HPKECiphertext{}, err
	}
	return s.EncryptWithLabel(r.PublicKey, LabelGroupInfoEncryption, []byte(room), plaintext)
}

// DecryptGroupInfo opens what EncryptGroupInfo sealed, under either reading of A-49.
func DecryptGroupInfo(id wire.CipherSuite, private []byte, room string, ct wire.HPKECiphertext, in ...*suite.Table) (*GroupInfoRatchetTree, error) {
	s, err := suite.Lookup(id, in...)
	if err != nil {
		return nil, ErrSuite
	}
	plaintext, err := s.DecryptWithLabel(private, LabelGroupInfoEncryption, []byte(room), ct)
	if err != nil {
		prefixed, codeErr := syntax.Marshal(&text{room})
		if codeErr != nil {
			return nil, codeErr
		}
		if plaintext, err = s.DecryptWithLabel(private, LabelGroupInfoEncryption, prefixed, ct); err != nil {
			return nil, ErrDecrypt
		}
	}
	v := new(GroupInfoRatchetTree)
	if err := Limits(len(plaintext)).Unmarshal(plaintext, v); err != nil {
		return nil, err
	}
	return v, nil
}

// SealGroupInfoResponse makes the signed answer to a request that is granted. hub is the entry of external_senders whose key is
// given; its suite must be the request's (P-GI-07).
func SealGroupInfoResponse(r *GroupInfoRequest, room string, hub wire.ExternalSender, key crypto.Signer, v *GroupInfoRatchetTree, in ...*suite.Table) (*GroupInfoResponse, error) {
	public, err := publicOf(r.Suite, key, in...)
	if err != nil {
		return nil, err
	}
	if string(public) != string(hub.SignatureKey) {
		return nil, ErrSuite
	}
	ct, err := EncryptGroupInfo(r, room, v, in...)
	if err != nil {
		return nil, err
	}
	out := &GroupInfoResponse{Protocol: MLS10, Room: room, Status: GroupInfoSuccess, Suite: r.Suite, HubSender: hub, Encrypted: ct}
	return out, out.Sign(key, in...)
}

// Open checks a successful answer for the room that was asked about and opens it with the private key of the request. It requires
// that HubSender is an external sender of the GroupInfo inside (P-GI-10..12); whether its credential is the hub's is for the
// caller's validator.
func (v *GroupInfoResponse) Open(room string, private []byte, in ...*suite.Table) (*GroupInfoRatchetTree, error) {
	if v.Status != GroupInfoSuccess {
		return nil, ErrStatus
	}
	if !uri.Equal(v.Room, room) {
		return nil, ErrRoom
	}
	if err := v.Verify(in...); err != nil {
		return nil, err
	}
	inside, err := DecryptGroupInfo(v.Suite, private, v.Room, v.Encrypted, in...)
	if err != nil {
		return nil, err
	}
	if _, found := inside.GroupInfo.Extensions.Find(wire.RatchetTreeExtension); found {
		return nil, ErrEmbeddedTree
	}
	return inside, v.isExternalSender(&inside.GroupInfo.Context)
}

func (v *GroupInfoResponse) isExternalSender(context *wire.GroupContext) error {
	data, found := context.Extensions.Find(wire.ExternalSendersExtension)
	if !found {
		return ErrHubSender
	}
	var senders wire.ExternalSenders
	if err := syntax.Unmarshal(data, &senders); err != nil {
		return ErrHubSender
	}
	want, err := syntax.Marshal(&v.HubSender)
	if err != nil {
		return err
	}
	for i := range senders.Senders {
		have, err := syntax.Marshal(&senders.Senders[i])
		if err == nil && string(have) == string(want) {
			return nil
		}
	}
	return ErrHubSender
}

type text struct{ s string }

func (v *text) Syntax(c *syntax.Codec) { syntax.Text(c, &v.s) }
