package mls

import (
	"crypto"
	"reflect"
	"strconv"

	"parley/mls/internal/tree"
	"parley/mls/suite"
	"parley/mls/wire"
)

// Forge signs and frames content as the member at a leaf would, without any check of what it says. tag is the confirmation tag of a
// commit. Content that names a sender keeps its group and epoch too.
func Forge(g *Group, leaf LeafIndex, format wire.WireFormat, content wire.FramedContent, tag []byte) (*wire.Message, error) {
	o := g.ownAt(leaf)
	if content.Sender.Type == 0 {
		content.GroupID, content.Epoch = g.public.context.GroupID, g.public.context.Epoch
		content.Sender = wire.Sender{Type: wire.MemberSender, Index: uint32(leaf)}
	}
	f, err := signContent(g.public.suite, o.signer, format, content, g.public.octets)
	if err != nil {
		return nil, err
	}
	f.Auth.ConfirmationTag = tag
	m, _, err := g.frame(f)
	return m, err
}

// ForgeSemiPrivate is Forge for a SemiPrivateMessage; change may spoil it before it is encrypted.
func ForgeSemiPrivate(g *Group, leaf LeafIndex, content wire.FramedContent, change func(m *wire.SemiPrivateMessage, auth *wire.AuthData, plain *[]byte)) (*wire.Message, error) {
	content.GroupID, content.Epoch = g.public.context.GroupID, g.public.context.Epoch
	content.Sender = wire.Sender{Type: wire.MemberSender, Index: uint32(leaf)}
	f, err := signContent(g.public.suite, g.ownAt(leaf).signer, wire.SemiPrivateMessageFormat, content, g.public.octets)
	if err != nil {
		return nil, err
	}
	x := g.cryptor()
	change(new(wire.SemiPrivateMessage), &f.Auth, new([]byte))
	s, err := x.beginSemiPrivate(f, g.public.octets)
	if err != nil {
		return nil, err
	}
	change(s.message, new(wire.AuthData), &s.plain)
	err = x.finishSemiPrivate(s, g.public.needs.receivers)
	return &wire.Message{Version: wire.MLS10, Format: wire.SemiPrivateMessageFormat, Semi: s.message}, err
}

// Refresh replaces the membership tag of a message by the right one.
func Refresh(g *Group, m *wire.PublicMessage) error {
	f, err := authenticated(m)
	if err != nil {
		return err
	}
	tbm, err := f.tbm(g.public.octets)
	m.MembershipTag = g.epoch.MembershipTag(tbm...)
	return err
}

// ForgeOutside signs content of somebody who is not a member.
func ForgeOutside(g *PublicGroup, signer crypto.Signer, content wire.FramedContent, tag []byte) (*wire.Message, error) {
	content.GroupID, content.Epoch = g.context.GroupID, g.context.Epoch
	f, err := signContent(g.suite, signer, wire.PublicMessageFormat, content, g.octets)
	if err != nil {
		return nil, err
	}
	f.Auth.ConfirmationTag = tag
	return publicMessage(f, nil), nil
}

// SignLeaf signs a leaf again after a test changed it.
func SignLeaf(s *suite.Suite, signer crypto.Signer, leaf *wire.LeafNode, groupID []byte, index LeafIndex) error {
	return signLeaf(s, signer, leaf, groupID, index)
}

// SignKeyPackage signs a KeyPackage again after a test changed it.
func SignKeyPackage(s *suite.Suite, signer crypto.Signer, kp *wire.KeyPackage) (err error) {
	if err := signLeaf(s, signer, &kp.Leaf, nil, 0); err != nil {
		return err
	}
	kp.Signature, err = signValue(s, signer, "KeyPackageTBS", &wire.KeyPackageTBS{KeyPackage: kp})
	return err
}

// SignInfo signs a GroupInfo again after a test changed it.
func SignInfo(s *suite.Suite, signer crypto.Signer, info *wire.GroupInfo) (err error) {
	info.Signature, err = signValue(s, signer, "GroupInfoTBS", &wire.GroupInfoTBS{GroupInfo: info})
	return err
}

// TreeHash returns the hash of a tree in its wire form.
func TreeHash(s *suite.Suite, w *wire.RatchetTree) ([]byte, error) {
	t, err := tree.FromWire(s, w, tree.Limits{})
	if err != nil {
		return nil, err
	}
	return t.Hash(), nil
}

// Secret is a secret that a value holds in memory: its place, and the octets themselves, not a copy.
type Secret struct {
	Path   string
	Octets []byte
}

// Secrets finds all secrets that a Group or a GroupStaged holds, by walking over everything reachable but what is public.
func Secrets(v any) []Secret {
	w := walker{seen: map[uintptr]bool{}}
	w.walk(reflect.ValueOf(v), "")
	return w.found
}

type walker struct {
	seen  map[uintptr]bool
	found []Secret
}

// public names the fields behind which nothing is secret, or whose secrets belong to somebody else.
var public = map[string]bool{
	"cfg": true, "public": true, "suite": true, "context": true, "leaves": true, "signer": true, "signerOf": true, "hash": true,
	"key": true, "id": true, "group": true, "Staged": true, "get": true, "fetch": true, "limits": true,
}

func (w *walker) walk(v reflect.Value, path string) {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() || w.seen[v.Pointer()] {
			return
		}
		w.seen[v.Pointer()] = true
		w.walk(v.Elem(), path)
	case reflect.Struct:
		for i := range v.NumField() {
			name := v.Type().Field(i).Name
			// the key of a message is secret, that of a signature is not
			if public[name] && !(name == "key" && v.Type().Name() == "messageKey") {
				continue
			}
			w.walk(v.Field(i), path+"."+name)
		}
	case reflect.Map:
		for each := v.MapRange(); each.Next(); {
			w.walk(each.Value(), path+"["+keyText(each.Key())+"]")
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			if v.Len() > 0 {
				w.found = append(w.found, Secret{path, v.Bytes()})
			}
			return
		}
		w.each(v, path)
	case reflect.Array:
		w.each(v, path)
	}
}

func (w *walker) each(v reflect.Value, path string) {
	for i := range v.Len() {
		w.walk(v.Index(i), path+"["+strconv.Itoa(i)+"]")
	}
}

func keyText(k reflect.Value) string {
	switch k.Kind() {
	case reflect.String:
		return k.String()
	case reflect.Uint32:
		return strconv.FormatUint(k.Uint(), 10)
	}
	return "?"
}
