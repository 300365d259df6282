package wire

import "parley/syntax"

// LeafNode is a member's leaf (RFC 9420 §7.2).
type LeafNode struct {
	EncryptionKey []byte
	SignatureKey  []byte
	Credential    Credential
	Capabilities  Capabilities
	Source        LeafNodeSource
	Lifetime      Lifetime // KeyPackageSource
	ParentHash    []byte   // CommitSource
	Extensions    Extensions
	Signature     []byte
}

func (v *LeafNode) Syntax(c *syntax.Codec) {
	v.unsigned(c)
	syntax.Opaque(c, &v.Signature)
}

func (v *LeafNode) unsigned(c *syntax.Codec) {
	syntax.Opaque(c, &v.EncryptionKey)
	syntax.Opaque(c, &v.SignatureKey)
	v.Credential.Syntax(c)
	v.Capabilities.Syntax(c)
	syntax.Closed(c, &v.Source, KeyPackageSource, CommitSource)
	switch v.Source {
	case KeyPackageSource:
		v.Lifetime.Syntax(c)
	case CommitSource:
		syntax.Opaque(c, &v.ParentHash)
	}
	v.Extensions.Syntax(c)
}

// LeafNodeTBS is what a leaf's signature covers. GroupID and Leaf are used for leaves that came by an Update or a Commit.
type LeafNodeTBS struct {
	Node    *LeafNode
	GroupID []byte
	Leaf    uint32
}

func (v *LeafNodeTBS) Syntax(c *syntax.Codec) {
	v.Node.unsigned(c)
	if v.Node.Source == KeyPackageSource {
		return
	}
	syntax.Opaque(c, &v.GroupID)
	syntax.U32(c, &v.Leaf)
}

// ParentNode is an inner node of the ratchet tree (RFC 9420 §7.1).
type ParentNode struct {
	EncryptionKey  []byte
	ParentHash     []byte
	UnmergedLeaves []uint32 // leaf indices, ascending
}

func (v *ParentNode) Syntax(c *syntax.Codec) {
	syntax.Opaque(c, &v.EncryptionKey)
	syntax.Opaque(c, &v.ParentHash)
	syntax.U32s(c, &v.UnmergedLeaves)
	for i := 1; i < len(v.UnmergedLeaves); i++ {
		if v.UnmergedLeaves[i-1] >= v.UnmergedLeaves[i] {
			c.Fail(syntax.ErrValue)
			return
		}
	}
}

// Node is a leaf or a parent; exactly one pointer is set (RFC 9420 §7.4).
type Node struct {
	Leaf   *LeafNode
	Parent *ParentNode
}

func (v *Node) Syntax(c *syntax.Codec) {
	kind := uint8(1)
	if v.Parent != nil {
		kind = 2
	}
	syntax.Closed(c, &kind, 1, 2)
	if c.Err() != nil {
		return
	}
	if kind == 1 {
		if v.Leaf == nil {
			if !c.Decoding() {
				c.Fail(syntax.ErrValue)
				return
			}
			v.Leaf = syntax.New[LeafNode](c)
		}
		v.Leaf.Syntax(c)
		return
	}
	if c.Decoding() {
		v.Parent = syntax.New[ParentNode](c)
	}
	v.Parent.Syntax(c)
}

// RatchetTree is the content of the ratchet_tree extension (RFC 9420 §12.4.3.3): the nodes of the tree in array order, blank
// ones nil, the last one not blank.
type RatchetTree struct{ Nodes []*Node }

func (v *RatchetTree) Syntax(c *syntax.Codec) {
	syntax.Vector(c, &v.Nodes, func(c *syntax.Codec, n **Node) { syntax.OptionalStruct(c, n) })
	if n := len(v.Nodes); n > 0 && v.Nodes[n-1] == nil {
		c.Fail(syntax.ErrValue)
	}
}

// KeyPackage is what a client publishes so that others can add it to groups (RFC 9420 §10).
type KeyPackage struct {
	Version    ProtocolVersion
	Suite      CipherSuite
	InitKey    []byte
	Leaf       LeafNode
	Extensions Extensions
	Signature  []byte
}

func (v *KeyPackage) Syntax(c *syntax.Codec) {
	v.unsigned(c)
	syntax.Opaque(c, &v.Signature)
}

func (v *KeyPackage) unsigned(c *syntax.Codec) {
	syntax.U16(c, &v.Version)
	syntax.U16(c, &v.Suite)
	syntax.Opaque(c, &v.InitKey)
	v.Leaf.Syntax(c)
	v.Extensions.Syntax(c)
}

// KeyPackageTBS is what a KeyPackage's signature covers.
type KeyPackageTBS struct{ KeyPackage *KeyPackage }

func (v *KeyPackageTBS) Syntax(c *syntax.Codec) { v.KeyPackage.unsigned(c) }

// HPKECiphertext is one sealed box (RFC 9420 §7.6).
type HPKECiphertext struct {
	KEMOutput  []byte
	Ciphertext []byte
}

func (v *HPKECiphertext) Syntax(c *syntax.Codec) {
	syntax.Opaque(c, &v.KEMOutput)
	syntax.Opaque(c, &v.Ciphertext)
}

// UpdatePathNode is a new key pair on the committer's direct path, its secret sealed to the copath's resolution
// (RFC 9420 §7.6).
type UpdatePathNode struct {
	EncryptionKey []byte
	Secrets       []HPKECiphertext
}

func (v *UpdatePathNode) Syntax(c *syntax.Codec) {
	syntax.Opaque(c, &v.EncryptionKey)
	syntax.Structs(c, &v.Secrets)
}

// UpdatePath is a committer's fresh leaf and path (RFC 9420 §7.6).
type UpdatePath struct {
	Leaf  LeafNode
	Nodes []UpdatePathNode
}

func (v *UpdatePath) Syntax(c *syntax.Codec) {
	v.Leaf.Syntax(c)
	syntax.Structs(c, &v.Nodes)
}
