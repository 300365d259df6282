package mimi

import (
	"parley/mls/wire"
	"parley/syntax"
)

// minLeaf and minParent are below the encoded size of a node in every suite: a leaf has two public keys and a signature, a parent
// has a public key.
const (
	minLeaf   = 128
	minParent = 32
)

// treeOption codes a RatchetTreeOption like its own Syntax method does. When decoding it also refuses a tree at its first node
// that is too small to be one: a hostile tree of minimal nodes would take twenty times its size in memory.
func treeOption(c *syntax.Codec, v *wire.RatchetTreeOption) {
	if !c.Decoding() {
		v.Syntax(c)
		return
	}
	syntax.Closed(c, &v.Representation, wire.FullTree, wire.TreeFromDeliveryService)
	switch v.Representation {
	case wire.FullTree:
		syntax.Vector(c, &v.Tree.Nodes, treeNode)
		if n := len(v.Tree.Nodes); n > 0 && v.Tree.Nodes[n-1] == nil {
			c.Fail(syntax.ErrValue)
		}
	case wire.TreeAtURI:
		syntax.Text(c, &v.URL)
	}
}

func treeNode(c *syntax.Codec, node **wire.Node) {
	start := c.Mark()
	syntax.OptionalStruct(c, node)
	if c.Err() != nil || *node == nil {
		return
	}
	least := minLeaf
	if (*node).Parent != nil {
		least = minParent
	}
	if c.Mark()-start < least {
		c.Fail(syntax.ErrValue)
	}
}
