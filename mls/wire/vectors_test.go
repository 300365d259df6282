package wire_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"parley/internal/vectors"
	"parley/mimitest/wirecase"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
	"parley/syntax/syntaxtest"
)

func readVectors[T any](t testing.TB, name string) []T {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(vectors.Dir(t, "mls"), name))
	if err != nil {
		t.Fatal(err)
	}
	var cases []T
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	return cases
}

// The bodies of some proposals are coded here on their own, as the vectors have them.
type (
	remove struct{ leaf uint32 }
	opaque struct{ content []byte }
)

func (v *remove) Syntax(c *syntax.Codec) { syntax.U32(c, &v.leaf) }
func (v *opaque) Syntax(c *syntax.Codec) { syntax.Opaque(c, &v.content) }

func messageKinds() map[string]func() syntax.Value {
	message := func() syntax.Value { return new(wire.Message) }
	return map[string]func() syntax.Value{
		"mls_welcome": message, "mls_group_info": message, "mls_key_package": message,
		"public_message_application": message, "public_message_proposal": message, "public_message_commit": message, "private_message": message,
		"ratchet_tree":                      func() syntax.Value { return new(wire.RatchetTree) },
		"group_secrets":                     func() syntax.Value { return new(wire.GroupSecrets) },
		"add_proposal":                      func() syntax.Value { return new(wire.KeyPackage) },
		"update_proposal":                   func() syntax.Value { return new(wire.LeafNode) },
		"remove_proposal":                   func() syntax.Value { return new(remove) },
		"pre_shared_key_proposal":           func() syntax.Value { return new(wire.PreSharedKeyID) },
		"re_init_proposal":                  func() syntax.Value { return new(wire.ReInit) },
		"external_init_proposal":            func() syntax.Value { return new(opaque) },
		"group_context_extensions_proposal": func() syntax.Value { return new(wire.Extensions) },
		"commit":                            func() syntax.Value { return new(wire.Commit) },
	}
}

// Each of the MLS working group's messages decodes and encodes to the same octets.
func TestMessages(t *testing.T) {
	kinds := messageKinds()
	for i, c := range readVectors[map[string]string](t, "messages.json") {
		if len(c) != len(kinds) {
			t.Fatalf("case %d has %d messages, %d are known", i, len(c), len(kinds))
		}
		for name, text := range c {
			data, err := hex.DecodeString(text)
			if err != nil {
				t.Fatal(err)
			}
			v := kinds[name]()
			if err := syntax.Unmarshal(data, v); err != nil {
				t.Fatalf("case %d, %s: %v", i, name, err)
			}
			again, err := syntax.Marshal(v)
			if err != nil {
				t.Fatalf("case %d, %s: %v", i, name, err)
			}
			if !bytes.Equal(again, data) {
				t.Fatalf("case %d, %s: other octets", i, name)
			}
		}
	}
}

// A header that claims more than there is must be read right all the same: the error is that the value is cut, not the length.
func TestDeserialization(t *testing.T) {
	for _, c := range readVectors[struct {
		Header string `json:"vlbytes_header"`
		Length int
	}](t, "deserialization.json") {
		data, err := hex.DecodeString(c.Header)
		if err != nil {
			t.Fatal(err)
		}
		if c.Length < 1<<20 {
			v := new(opaque)
			data = append(data, make([]byte, c.Length)...)
			if err := syntax.Unmarshal(data, v); err != nil || len(v.content) != c.Length {
				t.Errorf("%s: %d octets, %v; want %d", c.Header, len(v.content), err, c.Length)
			}
			again, err := syntax.Marshal(v)
			if err != nil || !bytes.Equal(again, data) {
				t.Errorf("%s: other octets, %v", c.Header, err)
			}
			continue
		}
		if err := syntax.Unmarshal(data, new(opaque)); !errors.Is(err, syntax.ErrTruncated) {
			t.Errorf("%s: %v, want ErrTruncated", c.Header, err)
		}
	}
}

func u16s[T ~uint16](in []T) []any { return wirecase.List(in, func(v *T) any { return int(*v) }) }

func entries(in []wire.ComponentData) []any {
	return wirecase.List(in, func(e *wire.ComponentData) any {
		return wirecase.Object{"component_id": int(e.ID), "data": wirecase.Hex(e.Data)}
	})
}

func credential(v *wire.Credential) any {
	if v.Type == wire.BasicCredential {
		return wirecase.Object{"type": int(v.Type), "identity": wirecase.Hex(v.Identity)}
	}
	return wirecase.Object{"type": int(v.Type), "certificates": wirecase.List(v.Certificates, func(b *[]byte) any { return wirecase.Hex(*b) })}
}

func mediaType(v *wire.MediaType) any {
	return wirecase.Object{"type": string(v.Type), "parameters": wirecase.List(v.Parameters, func(p *wire.Parameter) any {
		return wirecase.Object{"name": string(p.Name), "value": string(p.Value)}
	})}
}

func componentStructures() map[string]wirecase.Structure {
	return map[string]wirecase.Structure{
		"AppDataDictionary": wirecase.Of(func(v *wire.AppDataDictionary) any {
			return wirecase.Object{"entries": entries(v.Entries)}
		}, nil),
		"SafeAAD": wirecase.Of(func(v *wire.SafeAAD) any { return wirecase.Object{"items": entries(v.Items)} },
			func(_ string, v *wire.SafeAAD) error {
				for _, item := range v.Items {
					if item.ID == 0x20 && len(item.Data) != 32 { // the item of franking, whose length its component judges
						return errors.New("frank_aad")
					}
				}
				return nil
			}),
		"AppDataUpdate": wirecase.Of(func(v *wire.AppDataUpdate) any {
			o := wirecase.Object{"component_id": int(v.Component), "op": int(v.Operation)}
			if v.Operation == wire.UpdateAppData {
				o["update"] = wirecase.Hex(v.Update)
			}
			return o
		}, nil),
		"AppEphemeral": wirecase.Of(func(v *wire.AppEphemeral) any {
			return wirecase.Object{"component_id": int(v.Component), "data": wirecase.Hex(v.Data)}
		}, nil),
		"ComponentsList": wirecase.Of(func(v *wire.ComponentsList) any { return wirecase.Object{"component_ids": u16s(v.IDs)} }, nil),
		"WireFormats":    wirecase.Of(func(v *wire.WireFormats) any { return wirecase.Object{"wire_formats": u16s(v.Formats)} }, nil),
		"ComponentOperationLabel": wirecase.Of(func(v *wire.ComponentOperationLabel) any {
			return wirecase.Object{"base_label": string(v.BaseLabel), "component_id": int(v.Component), "label": wirecase.Hex(v.Label)}
		}, nil),
		"MediaTypeList": wirecase.Of(func(v *wire.MediaTypeList) any {
			return wirecase.Object{"media_types": wirecase.List(v.Types, mediaType)}
		}, nil),
		"ApplicationFraming": wirecase.Of(func(v *wire.ApplicationFraming) any {
			return wirecase.Object{"media_type": mediaType(&v.MediaType), "inner_application_content": wirecase.Hex(v.Content)}
		}, nil),
		"AppAck": wirecase.Of(func(v *wire.AppAck) any {
			return wirecase.Object{"received_ranges": wirecase.List(v.Ranges, func(r *wire.ReceivedRange) any {
				return wirecase.Object{"sender": r.Sender, "first_generation": r.First, "last_generation": r.Last}
			})}
		}, nil),
		"PreSharedKeyID": wirecase.Of(func(v *wire.PreSharedKeyID) any {
			return wirecase.Object{"psktype": int(v.Type), "component_id": int(v.Component), "psk_id": wirecase.Hex(v.ID), "psk_nonce": wirecase.Hex(v.Nonce)}
		}, nil),
		"DomainList": wirecase.Of(func(v *wire.DomainList) any { return wirecase.Object{"domains": wirecase.Same(v.Domains)} }, nil),
	}
}

func pieceStructures() map[string]wirecase.Structure {
	return map[string]wirecase.Structure{
		"Credential": wirecase.Of(credential, nil),
		"ExternalSender": wirecase.Of(func(v *wire.ExternalSender) any {
			return wirecase.Object{"signature_key": wirecase.Hex(v.SignatureKey), "credential": credential(&v.Credential)}
		}, nil),
		"RequiredCapabilities": wirecase.Of(func(v *wire.RequiredCapabilities) any {
			return wirecase.Object{"extension_types": u16s(v.Extensions), "proposal_types": u16s(v.Proposals), "credential_types": u16s(v.Credentials)}
		}, nil),
		"Capabilities": wirecase.Of(func(v *wire.Capabilities) any {
			return wirecase.Object{
				"versions": u16s(v.Versions), "cipher_suites": u16s(v.Suites), "extensions": u16s(v.Extensions),
				"proposals": u16s(v.Proposals), "credentials": u16s(v.Credentials),
			}
		}, nil),
	}
}

func TestComponentVectors(t *testing.T) {
	wirecase.Suite{
		Structures: componentStructures(),
		Worked:     map[string]func(*testing.T, wirecase.Case){"ProposalEncoding": checkProposal, "SafeSignWithLabel": checkSafeSign},
		Elsewhere:  map[string]string{"AppDataUpdateApply": "mls", "SafeExportSecret": "mls/internal/schedule"},
	}.Run(t, "mls-extensions")
}

func TestPieceVectors(t *testing.T) {
	wirecase.Suite{
		Structures: pieceStructures(),
		Worked:     map[string]func(*testing.T, wirecase.Case){"KeyPackageRef": checkRef},
	}.Run(t, "mls-pieces")
}

func checkProposal(t *testing.T, c wirecase.Case) {
	var in struct {
		Type         wire.ProposalType `json:"proposal_type"`
		Component    wire.ComponentID  `json:"component_id"`
		Update, Data string
	}
	var out struct{ Hex string }
	wirecase.Into(t, c.Inputs, &in)
	wirecase.Into(t, c.Outputs, &out)
	p := wire.Proposal{Type: in.Type}
	if in.Type == wire.AppDataUpdateProposal {
		p.AppDataUpdate = &wire.AppDataUpdate{Component: in.Component, Operation: wire.UpdateAppData, Update: wirecase.Bytes(t, in.Update)}
	} else {
		p.AppEphemeral = &wire.AppEphemeral{Component: in.Component, Data: wirecase.Bytes(t, in.Data)}
	}
	if got := wirecase.Encode(&p); got != out.Hex {
		t.Errorf("%s, want %s", got, out.Hex)
	}
}

// checkSafeSign signs under the label of a component's operation.
func checkSafeSign(t *testing.T, c wirecase.Case) {
	var in struct {
		Component      wire.ComponentID `json:"component_id"`
		Label, Content string
		Seed           string `json:"private_seed"`
	}
	var out struct{ Signature string }
	wirecase.Into(t, c.Inputs, &in)
	wirecase.Into(t, c.Outputs, &out)
	s, err := suite.Lookup(suite.X25519AES128)
	if err != nil {
		t.Fatal(err)
	}
	operation := wire.NewComponentOperationLabel(in.Component, string(wirecase.Bytes(t, in.Label)))
	label, err := syntax.Marshal(&operation)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := s.SignWithLabel(ed25519.NewKeyFromSeed(wirecase.Bytes(t, in.Seed)), string(label), wirecase.Bytes(t, in.Content))
	if err != nil || wirecase.Hex(signature) != out.Signature {
		t.Errorf("%x, %v; want %s", signature, err, out.Signature)
	}
}

func checkRef(t *testing.T, c wirecase.Case) {
	var in struct{ KeyPackage string }
	var out struct{ Ref string }
	wirecase.Into(t, c.Inputs, &in)
	wirecase.Into(t, c.Outputs, &out)
	kp := new(wire.KeyPackage)
	wirecase.Decode(t, in.KeyPackage, kp)
	s, err := suite.Lookup(kp.Suite)
	if err != nil {
		t.Fatal(err)
	}
	if ref, err := s.KeyPackageRef(kp); err != nil || wirecase.Hex(ref) != out.Ref {
		t.Errorf("%x, %v; want %s", ref, err, out.Ref)
	}
}

// seeds are encodings of one kind from the vectors, a few of them.
func seeds(f *testing.F, kind string) [][]byte {
	f.Helper()
	var out [][]byte
	for i, c := range readVectors[map[string]string](f, "messages.json") {
		data, err := hex.DecodeString(c[kind])
		if err != nil {
			f.Fatal(err)
		}
		if i%60 == 0 && len(data) < 1<<12 {
			out = append(out, data)
		}
	}
	return out
}

func FuzzMessage(f *testing.F) {
	var all [][]byte
	for _, kind := range []string{"mls_welcome", "mls_group_info", "mls_key_package", "public_message_proposal", "public_message_commit", "private_message"} {
		all = append(all, seeds(f, kind)...)
	}
	syntaxtest.RoundTrip[wire.Message](f, all...)
}

func FuzzRatchetTree(f *testing.F) {
	syntaxtest.RoundTrip[wire.RatchetTree](f, seeds(f, "ratchet_tree")...)
}

func FuzzGroupSecrets(f *testing.F) {
	syntaxtest.RoundTrip[wire.GroupSecrets](f, seeds(f, "group_secrets")...)
}

func FuzzCommit(f *testing.F) { syntaxtest.RoundTrip[wire.Commit](f, seeds(f, "commit")...) }

func FuzzProposal(f *testing.F) {
	var all [][]byte
	for i, kind := range []string{"add_proposal", "update_proposal", "remove_proposal", "pre_shared_key_proposal", "re_init_proposal", "external_init_proposal"} {
		for _, body := range seeds(f, kind) {
			all = append(all, append([]byte{0, byte(i + 1)}, body...))
		}
	}
	all = append(all, []byte{0, 8, 0, 0x22, 1, 1, 0}, []byte{0, 9, 0, 5, 1, 0}, []byte{0, 10}, []byte{0x0a, 0x0a, 2, 1, 2})
	syntaxtest.RoundTrip[wire.Proposal](f, all...)
}

func FuzzPartialGroupInfo(f *testing.F) {
	syntaxtest.RoundTrip[wire.PartialGroupInfo](f, []byte{0, 4, 0, 4, 1, 1, 1, 7})
}

func FuzzSemiPrivateMessage(f *testing.F) {
	m := wire.SemiPrivateMessage{EncryptedSenderData: []byte{1}, Ciphertext: []byte{2}}
	m.GroupID, m.Type, m.PartialContextHash, m.ContentHash = []byte("g"), wire.CommitContent, []byte{3}, []byte{4}
	m.Keys = []wire.KeyForExternalReceiver{{Ref: []byte{5}, Key: wire.HPKECiphertext{KEMOutput: []byte{6}}}}
	octets, err := syntax.Marshal(&m)
	if err != nil {
		f.Fatal(err)
	}
	syntaxtest.RoundTrip[wire.SemiPrivateMessage](f, octets)
}

func FuzzCredential(f *testing.F) {
	syntaxtest.RoundTrip[wire.Credential](f, []byte{0, 1, 1, 'x'}, []byte{0, 2, 3, 2, 1, 2}, []byte{0, 3, 8, 0, 1, 0, 1, 1, 'x', 0, 0})
}

func FuzzRatchetTreeOption(f *testing.F) {
	syntaxtest.RoundTrip[wire.RatchetTreeOption](f, []byte{1, 0}, []byte{2, 1, 'u'}, []byte{3}, []byte{4})
}

// The values inside extensions and components.
func FuzzComponents(f *testing.F) {
	f.Add([]byte{0})
	f.Add([]byte{4, 0, 0x22, 1, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		syntaxtest.Check[wire.AppDataDictionary](t, data)
		syntaxtest.Check[wire.SafeAAD](t, data)
		syntaxtest.Check[wire.ComponentsList](t, data)
		syntaxtest.Check[wire.WireFormats](t, data)
		syntaxtest.Check[wire.MediaTypeList](t, data)
		syntaxtest.Check[wire.ApplicationFraming](t, data)
		syntaxtest.Check[wire.AppAck](t, data)
		syntaxtest.Check[wire.DomainList](t, data)
		syntaxtest.Check[wire.ComponentOperationLabel](t, data)
		syntaxtest.Check[wire.RequiredCapabilities](t, data)
		syntaxtest.Check[wire.Capabilities](t, data)
		syntaxtest.Check[wire.ExternalSenders](t, data)
		syntaxtest.Check[wire.ExternalPub](t, data)
		syntaxtest.Check[wire.SenderData](t, data)
		syntaxtest.Check[wire.ExternalReceivers](t, data)
		syntaxtest.Check[wire.PerMessageKeyAndNonces](t, data)
		syntaxtest.Check[wire.SemiPrivateMessageContext](t, data)
		syntaxtest.Check[wire.MultiCredentialContent](t, data)
	})
}
