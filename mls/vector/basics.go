package vector

import (
	"errors"

	"parley/mls/internal/tree"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

type treeMath struct {
	Leaves  uint32            `json:"n_leaves"`
	Nodes   uint32            `json:"n_nodes"`
	Root    tree.NodeIndex    `json:"root"`
	Left    []*tree.NodeIndex `json:"left"`
	Right   []*tree.NodeIndex `json:"right"`
	Parent  []*tree.NodeIndex `json:"parent"`
	Sibling []*tree.NodeIndex `json:"sibling"`
}

// mathOf computes what a case says of a tree.
func mathOf(leaves uint32) *treeMath {
	v := &treeMath{Leaves: leaves, Nodes: 2*leaves - 1, Root: tree.Root(leaves)}
	for n := range tree.NodeIndex(v.Nodes) {
		v.Left = append(v.Left, index(n.Left()))
		v.Right = append(v.Right, index(n.Right()))
		v.Parent = append(v.Parent, index(n.Parent(leaves)))
		v.Sibling = append(v.Sibling, index(n.Sibling(leaves)))
	}
	return v
}

func index(n tree.NodeIndex, ok bool) *tree.NodeIndex {
	if !ok {
		return nil
	}
	return &n
}

const largestMath = 1 << 14

func verifyTreeMath(_ *suite.Suite, v *treeMath) error {
	if v.Leaves == 0 || v.Leaves > largestMath || v.Leaves&(v.Leaves-1) != 0 {
		return errors.New("n_leaves is no size of a tree that is checked here")
	}
	want := mathOf(v.Leaves)
	if v.Nodes != want.Nodes || v.Root != want.Root {
		return mismatch("root or n_nodes")
	}
	for name, lists := range map[string][2][]*tree.NodeIndex{
		"left": {v.Left, want.Left}, "right": {v.Right, want.Right}, "parent": {v.Parent, want.Parent}, "sibling": {v.Sibling, want.Sibling},
	} {
		if len(lists[0]) != len(lists[1]) {
			return mismatch(name)
		}
		for i := range lists[0] {
			a, b := lists[0][i], lists[1][i]
			if (a == nil) != (b == nil) || a != nil && *a != *b {
				return mismatch(name)
			}
		}
	}
	return nil
}

func makeTreeMath(*suite.Suite) ([]any, error) {
	var out []any
	for leaves := uint32(1); leaves <= 512; leaves *= 2 {
		out = append(out, mathOf(leaves))
	}
	return out, nil
}

type basics struct {
	Suite   wire.CipherSuite `json:"cipher_suite"`
	RefHash struct {
		Label string `json:"label"`
		Value octets `json:"value"`
		Out   octets `json:"out"`
	} `json:"ref_hash"`
	Expand struct {
		Secret  octets `json:"secret"`
		Label   string `json:"label"`
		Context octets `json:"context"`
		Length  uint16 `json:"length"`
		Out     octets `json:"out"`
	} `json:"expand_with_label"`
	Derive struct {
		Secret octets `json:"secret"`
		Label  string `json:"label"`
		Out    octets `json:"out"`
	} `json:"derive_secret"`
	DeriveTree struct {
		Secret     octets `json:"secret"`
		Label      string `json:"label"`
		Generation uint32 `json:"generation"`
		Length     uint16 `json:"length"`
		Out        octets `json:"out"`
	} `json:"derive_tree_secret"`
	Sign struct {
		Private   octets `json:"priv"`
		Public    octets `json:"pub"`
		Content   octets `json:"content"`
		Label     string `json:"label"`
		Signature octets `json:"signature"`
	} `json:"sign_with_label"`
	Encrypt struct {
		Private    octets `json:"priv"`
		Public     octets `json:"pub"`
		Label      string `json:"label"`
		Context    octets `json:"context"`
		Plaintext  octets `json:"plaintext"`
		KEMOutput  octets `json:"kem_output"`
		Ciphertext octets `json:"ciphertext"`
	} `json:"encrypt_with_label"`
}

func verifyBasics(s *suite.Suite, v *basics) error {
	err := checks(
		same("ref_hash", s.RefHash(v.RefHash.Label, v.RefHash.Value), v.RefHash.Out),
		same("expand_with_label", s.ExpandWithLabel(v.Expand.Secret, v.Expand.Label, v.Expand.Context, int(v.Expand.Length)), v.Expand.Out),
		same("derive_secret", s.DeriveSecret(v.Derive.Secret, v.Derive.Label), v.Derive.Out),
		same("derive_tree_secret",
			s.DeriveTreeSecret(v.DeriveTree.Secret, v.DeriveTree.Label, v.DeriveTree.Generation, int(v.DeriveTree.Length)), v.DeriveTree.Out),
		s.VerifyWithLabel(v.Sign.Public, v.Sign.Label, v.Sign.Content, v.Sign.Signature),
	)
	if err != nil {
		return err
	}
	key, err := signer(s, v.Sign.Private)
	if err != nil {
		return err
	}
	signature, err := s.SignWithLabel(key, v.Sign.Label, v.Sign.Content)
	if err != nil {
		return err
	}
	if err := s.VerifyWithLabel(v.Sign.Public, v.Sign.Label, v.Sign.Content, signature); err != nil {
		return err
	}
	e := &v.Encrypt
	got, err := s.DecryptWithLabel(e.Private, e.Label, e.Context, wire.HPKECiphertext{KEMOutput: e.KEMOutput, Ciphertext: e.Ciphertext})
	if err := checks(err, same("encrypt_with_label", got, e.Plaintext)); err != nil {
		return err
	}
	own, err := s.EncryptWithLabel(e.Public, e.Label, e.Context, e.Plaintext)
	if err != nil {
		return err
	}
	got, err = s.DecryptWithLabel(e.Private, e.Label, e.Context, own)
	return checks(err, same("encrypt_with_label, own ciphertext", got, e.Plaintext))
}

func makeBasics(s *suite.Suite) ([]any, error) {
	const length = 16
	var r random
	n := s.HashSize()
	v := &basics{Suite: s.ID()}
	v.RefHash.Label, v.RefHash.Value = "RefHash", r.octets(n)
	v.RefHash.Out = s.RefHash(v.RefHash.Label, v.RefHash.Value)
	v.Expand.Label, v.Expand.Secret, v.Expand.Context, v.Expand.Length = "ExpandWithLabel", r.octets(n), r.octets(n), length
	v.Expand.Out = s.ExpandWithLabel(v.Expand.Secret, v.Expand.Label, v.Expand.Context, length)
	v.Derive.Label, v.Derive.Secret = "DeriveSecret", r.octets(n)
	v.Derive.Out = s.DeriveSecret(v.Derive.Secret, v.Derive.Label)
	t := &v.DeriveTree
	t.Label, t.Secret, t.Generation, t.Length = "DeriveTreeSecret", r.octets(n), 0xA0A0A0A0, length
	t.Out = s.DeriveTreeSecret(t.Secret, t.Label, t.Generation, length)
	key, private, public, err := newSigner(s)
	if err != nil {
		return nil, err
	}
	v.Sign.Label, v.Sign.Private, v.Sign.Public, v.Sign.Content = "SignWithLabel", private, public, r.octets(n)
	if v.Sign.Signature, err = s.SignWithLabel(key, v.Sign.Label, v.Sign.Content); err != nil {
		return nil, err
	}
	e := &v.Encrypt
	e.Label, e.Context, e.Plaintext = "EncryptWithLabel", r.octets(n), r.octets(n)
	if e.Private, e.Public, err = pairOf(s); err != nil {
		return nil, err
	}
	ct, err := s.EncryptWithLabel(e.Public, e.Label, e.Context, e.Plaintext)
	e.KEMOutput, e.Ciphertext = ct.KEMOutput, ct.Ciphertext
	return []any{v}, checks(err, r.err)
}

func pairOf(s *suite.Suite) (private, public octets, err error) {
	a, b, err := s.GenerateKeyPair()
	return a, b, err
}

type header struct {
	Header octets `json:"vlbytes_header"`
	Length uint32 `json:"length"`
}

type opaque struct{ content []byte }

func (v *opaque) Syntax(c *syntax.Codec) { syntax.Opaque(c, &v.content) }

// largestHeader bounds the content that a check really makes; a longer one is only claimed.
const largestHeader = 1 << 20

func verifyHeader(_ *suite.Suite, v *header) error {
	if v.Length < largestHeader {
		data := append(append([]byte(nil), v.Header...), make([]byte, v.Length)...)
		got, err := decode[opaque](data)
		if err != nil {
			return err
		}
		if len(got.content) != int(v.Length) {
			return mismatch("length")
		}
		again, err := syntax.Marshal(got)
		return checks(err, same("vlbytes_header", again, data))
	}
	// The header says a length that is not there: the value is cut, and the header itself is the shortest of that length.
	if _, err := decode[opaque](v.Header); !errors.Is(err, syntax.ErrTruncated) {
		return mismatch("length")
	}
	return same("vlbytes_header", headerOf(v.Length), v.Header)
}

// headerOf is the header of a vector (RFC 9420 §2.1.2).
func headerOf(n uint32) []byte {
	switch {
	case n < 1<<6:
		return []byte{byte(n)}
	case n < 1<<14:
		return []byte{0x40 | byte(n>>8), byte(n)}
	}
	return []byte{0x80 | byte(n>>24), byte(n >> 16), byte(n >> 8), byte(n)}
}

func makeHeaders(*suite.Suite) ([]any, error) {
	var out []any
	for _, n := range []uint32{0, 1, 15, 63, 64, 255, 256, 4095, 16383, 16384, 65535, 1 << 20, 1<<30 - 1} {
		out = append(out, &header{headerOf(n), n})
	}
	return out, nil
}
