package tree

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"parley/mls/suite"
	"parley/mls/wire"
)

// update is a commit of leaf 1 in a tree, ready to be spoiled.
type update struct {
	before, after *Tree
	path          *Path
	up            *wire.UpdatePath
}

func newUpdate(t testing.TB, before *Tree) *update {
	t.Helper()
	after, path, err := before.NewPath(1, before.Leaf(1), noSign)
	if err != nil {
		t.Fatal(err)
	}
	up, err := path.Seal([]byte("context"), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &update{before, after, path, up}
}

func TestPathRules(t *testing.T) {
	tree := grownTree(t)
	cases := map[string]struct {
		change func(*wire.UpdatePath)
		want   error
	}{
		"unchanged":         {func(up *wire.UpdatePath) {}, nil},
		"a node less":       {func(up *wire.UpdatePath) { up.Nodes = up.Nodes[1:] }, ErrPath},
		"a node more":       {func(up *wire.UpdatePath) { up.Nodes = append(up.Nodes, up.Nodes[0]) }, ErrPath},
		"a ciphertext less": {func(up *wire.UpdatePath) { up.Nodes[2].Secrets = up.Nodes[2].Secrets[1:] }, ErrPath},
		"a ciphertext more": {func(up *wire.UpdatePath) {
			up.Nodes[0].Secrets = append(up.Nodes[0].Secrets, wire.HPKECiphertext{})
		}, ErrPath},
		"leaf of an update": {func(up *wire.UpdatePath) { up.Leaf.Source = wire.UpdateSource }, ErrPath},
		"leaf keeps its key": {func(up *wire.UpdatePath) {
			up.Leaf.EncryptionKey = tree.Leaf(1).EncryptionKey
		}, ErrDuplicateKey},
		"leaf has another's signature key": {func(up *wire.UpdatePath) {
			up.Leaf.SignatureKey = tree.Leaf(0).SignatureKey
		}, ErrDuplicateKey},
		"node keeps its key": {func(up *wire.UpdatePath) {
			up.Nodes[2].EncryptionKey = tree.Node(7).Parent.EncryptionKey
		}, ErrDuplicateKey},
		"key that is none":  {func(up *wire.UpdatePath) { up.Nodes[0].EncryptionKey = []byte("short") }, ErrPath},
		"wrong parent hash": {func(up *wire.UpdatePath) { up.Leaf.ParentHash = tree.Hash() }, ErrParentHash},
		"no parent hash":    {func(up *wire.UpdatePath) { up.Leaf.ParentHash = nil }, ErrParentHash},
		"keys change places": {func(up *wire.UpdatePath) {
			up.Nodes[0].EncryptionKey, up.Nodes[1].EncryptionKey = up.Nodes[1].EncryptionKey, up.Nodes[0].EncryptionKey
		}, ErrParentHash},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			u := newUpdate(t, tree)
			c.change(u.up)
			if _, err := tree.ApplyPath(1, u.up, nil); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
	u := newUpdate(t, tree)
	for _, i := range []LeafIndex{0, 8, 9, 1 << 31} {
		if _, err := tree.ApplyPath(i, u.up, nil); err == nil {
			t.Errorf("path of leaf 1 was taken for leaf %d", i)
		}
	}
	if _, err := tree.ApplyPath(1, u.up, []LeafIndex{5}); !errors.Is(err, ErrPath) {
		t.Errorf("ciphertext for a new leaf was taken: %v", err)
	}
}

// Whatever is wrong with a secret is an error, never another secret.
func TestOpenPathRules(t *testing.T) {
	c := newCrowd(t, 5)
	c.commit(0, 0, 0, 6, true, false)
	u := newUpdate(t, c.tree)
	own := c.keys[4]
	cases := map[string]struct {
		open func() error
		want error
	}{
		"unchanged":     {func() error { return u.open(own, 1, "context") }, nil},
		"other context": {func() error { return u.open(own, 1, "another") }, suite.ErrHPKE},
		"no private keys": {func() error {
			return u.open(&Keys{own: 4, pairs: map[NodeIndex]*pair{}}, 1, "context")
		}, ErrPathSecret},
		"private key of another": {func() error {
			wrong := &Keys{own: 4, pairs: map[NodeIndex]*pair{8: {c.tree.Leaf(4).EncryptionKey, c.keys[5].Leaf()}}}
			return u.open(wrong, 1, "context")
		}, ErrPathSecret},
		"own commit":              {func() error { return u.open(c.keys[1], 1, "context") }, ErrLeaf},
		"keys of a leaf outside":  {func() error { return u.open(&Keys{own: 99}, 1, "context") }, ErrLeaf},
		"sender outside":          {func() error { return u.open(own, 99, "context") }, ErrLeaf},
		"newly added receiver":    {func() error { return u.openAs(own, []LeafIndex{4}) }, ErrLeaf},
		"path shorter than it is": {func() error { return u.spoiled(own, func(up *wire.UpdatePath) { up.Nodes = up.Nodes[:1] }) }, ErrPath},
		"ciphertext missing": {func() error {
			return u.spoiled(own, func(up *wire.UpdatePath) { up.Nodes[2].Secrets = nil })
		}, ErrPath},
		"ciphertext changed": {func() error {
			return u.spoiled(own, func(up *wire.UpdatePath) {
				up.Nodes[2].Secrets = slices.Clone(up.Nodes[2].Secrets)
				for k := range up.Nodes[2].Secrets {
					up.Nodes[2].Secrets[k].Ciphertext = make([]byte, 48)
				}
			})
		}, ErrPathSecret},
		"secret of another node": {func() error { return u.sealed(own, u.path.secrets[0]) }, ErrPathSecret},
		"secret of zeros":        {func() error { return u.sealed(own, make([]byte, 32)) }, ErrPathSecret},
		"short secret":           {func() error { return u.sealed(own, []byte{1}) }, ErrPathSecret},
		"empty secret":           {func() error { return u.sealed(own, nil) }, ErrPathSecret},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if err := c.open(); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
	for name, err := range map[string]error{
		"wrong path secret":      welcomeError(u.after, 4, make([]byte, 32), 1),
		"secret of another node": welcomeError(u.after, 4, u.path.secrets[0], 1),
		"short path secret":      welcomeError(u.after, 4, []byte{}, 1),
		"blank own leaf":         welcomeError(u.after, 7, u.path.secrets[2], 1),
		"own commit":             welcomeError(u.after, 1, u.path.secrets[0], 1),
		"signer outside":         welcomeError(u.after, 4, u.path.secrets[2], 77),
	} {
		if err == nil {
			t.Errorf("welcome: %s was taken", name)
		}
	}
	if err := welcomeError(u.after, 4, u.path.secrets[2], 1); err != nil {
		t.Errorf("welcome: %v", err)
	}
}

func welcomeError(tree *Tree, own LeafIndex, secret []byte, signer LeafIndex) error {
	_, err := tree.KeysFromWelcome(own, make([]byte, 32), secret, signer)
	return err
}

func (u *update) open(k *Keys, from LeafIndex, context string) error {
	_, _, err := u.after.OpenPath(u.before, k, from, u.up, []byte(context), nil)
	return err
}

func (u *update) openAs(k *Keys, added []LeafIndex) error {
	_, _, err := u.after.OpenPath(u.before, k, 1, u.up, []byte("context"), added)
	return err
}

func (u *update) spoiled(k *Keys, change func(*wire.UpdatePath)) error {
	up := *u.up
	up.Nodes = slices.Clone(up.Nodes)
	change(&up)
	_, _, err := u.after.OpenPath(u.before, k, 1, &up, []byte("context"), nil)
	return err
}

// sealed opens a path in which every ciphertext of the root holds the given secret.
func (u *update) sealed(k *Keys, secret []byte) error {
	lie := *u.path
	lie.secrets = slices.Clone(lie.secrets)
	lie.secrets[2] = secret
	up, err := lie.Seal([]byte("context"), nil, nil)
	if err != nil {
		return err
	}
	_, _, err = u.after.OpenPath(u.before, k, 1, up, []byte("context"), nil)
	return err
}

// A caller's way to seal in parallel gives what sealing in order gives, in the same places.
func TestSealParallel(t *testing.T) {
	c := newCrowd(t, 6)
	c.commit(0, 0, 0, 9, false, false)
	after, path, err := c.tree.NewPath(0, c.tree.Leaf(0), noSign)
	if err != nil {
		t.Fatal(err)
	}
	backwards := func(n int, f func(int)) {
		for i := n - 1; i >= 0; i-- {
			f(i)
		}
	}
	up, err := path.Seal(nil, nil, backwards)
	if err != nil {
		t.Fatal(err)
	}
	for i, k := range c.keys {
		if i == 0 {
			continue
		}
		if _, secret, err := after.OpenPath(c.tree, k, 0, up, nil, nil); err != nil || !bytes.Equal(secret, path.CommitSecret()) {
			t.Errorf("leaf %d: %v", i, err)
		}
	}
	failing := errors.New("no key at hand")
	if _, _, err := c.tree.NewPath(0, c.tree.Leaf(0), func(*wire.LeafNode) error { return failing }); !errors.Is(err, failing) {
		t.Errorf("failed signature: %v", err)
	}
}
