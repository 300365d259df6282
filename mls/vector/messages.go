package vector

import (
	"encoding/hex"
	"time"

	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
	"parley/syntax"
)

// removal is the body of a Remove proposal on its own.
type removal struct{ leaf uint32 }

func (v *removal) Syntax(c *syntax.Codec) { syntax.U32(c, &v.leaf) }

// messageKinds tells what each member of a case is.
func messageKinds() map[string]func() syntax.Value {
	message := func() syntax.Value { return new(wire.Message) }
	return map[string]func() syntax.Value{
		"mls_welcome": message, "mls_group_info": message, "mls_key_package": message,
		"public_message_application": message, "public_message_proposal": message, "public_message_commit": message, "private_message": message,
		"ratchet_tree":                      func() syntax.Value { return new(wire.RatchetTree) },
		"group_secrets":                     func() syntax.Value { return new(wire.GroupSecrets) },
		"add_proposal":                      func() syntax.Value { return new(wire.KeyPackage) },
		"update_proposal":                   func() syntax.Value { return new(wire.LeafNode) },
		"remove_proposal":                   func() syntax.Value { return new(removal) },
		"pre_shared_key_proposal":           func() syntax.Value { return new(wire.PreSharedKeyID) },
		"re_init_proposal":                  func() syntax.Value { return new(wire.ReInit) },
		"external_init_proposal":            func() syntax.Value { return new(opaque) },
		"group_context_extensions_proposal": func() syntax.Value { return new(wire.Extensions) },
		"commit":                            func() syntax.Value { return new(wire.Commit) },
	}
}

// formats are the wire formats that the messages of a case must have.
func formats() map[string]wire.WireFormat {
	return map[string]wire.WireFormat{
		"mls_welcome": wire.WelcomeFormat, "mls_group_info": wire.GroupInfoFormat, "mls_key_package": wire.KeyPackageFormat,
		"public_message_application": wire.PublicMessageFormat, "public_message_proposal": wire.PublicMessageFormat,
		"public_message_commit": wire.PublicMessageFormat, "private_message": wire.PrivateMessageFormat,
	}
}

func verifyMessages(_ *suite.Suite, v *map[string]string) error {
	for name, fresh := range messageKinds() {
		text, there := (*v)[name]
		if !there {
			return mismatch(name + ", which is missing,")
		}
		data, err := hex.DecodeString(text)
		if err != nil {
			return err
		}
		value := fresh()
		if err := syntax.Unmarshal(data, value); err != nil {
			return mismatch(name + ", which does not decode,")
		}
		if m, ok := value.(*wire.Message); ok && m.Format != formats()[name] {
			return mismatch("wire format of " + name)
		}
		again, err := syntax.Marshal(value)
		if err := checks(err, same(name, again, data)); err != nil {
			return err
		}
	}
	return nil
}

// makeMessages takes what a real group sends.
func makeMessages(s *suite.Suite) ([]any, error) {
	c, err := newScene(s, false, 1, 3)
	if err != nil {
		return nil, err
	}
	if err := c.begin(true); err != nil {
		return nil, err
	}
	var r random
	out := map[string]octets{"mls_welcome": c.out.Welcome, "mls_key_package": c.out.KeyPackage}
	g := c.members[0]
	info, err := g.GroupInfo(0)
	if err != nil {
		return nil, err
	}
	out["mls_group_info"] = r.encode(&wire.Message{Version: wire.MLS10, Format: wire.GroupInfoFormat, GroupInfo: info})
	tree := g.Public().Tree()
	out["ratchet_tree"] = r.encode(&tree)
	secret := []byte(r.octets(s.HashSize()))
	psk := c.psk(0)
	out["group_secrets"] = r.encode(&wire.GroupSecrets{JoinerSecret: r.octets(s.HashSize()), PathSecret: &secret, PSKs: []wire.PreSharedKeyID{*psk.PSK}})
	kp, err := decode[wire.Message](c.out.KeyPackage)
	if err != nil {
		return nil, err
	}
	out["add_proposal"] = r.encode(kp.KeyPackage)
	out["remove_proposal"] = r.encode(&removal{1})
	out["pre_shared_key_proposal"] = r.encode(psk.PSK)
	out["re_init_proposal"] = r.encode(&wire.ReInit{GroupID: r.octets(16), Version: wire.MLS10, Suite: s.ID(), Extensions: wire.Extensions{}})
	kem, _, err := s.ExternalInit(kp.KeyPackage.InitKey)
	if err != nil {
		return nil, err
	}
	out["external_init_proposal"] = r.encode(&opaque{kem})
	out["group_context_extensions_proposal"] = r.encode(&wire.Extensions{{Type: wire.ExternalSendersExtension, Data: []byte{0}}})
	if err := c.framed(out, &r); err != nil {
		return nil, err
	}
	return []any{out}, r.err
}

// framed adds the messages with content.
func (c *scene) framed(out map[string]octets, r *random) error {
	by := c.members[1]
	update, _, err := by.ProposeUpdate(by.OwnLeaves()[0], nil, nil, time.Time{})
	if err != nil {
		return err
	}
	out["public_message_proposal"] = r.encode(update)
	out["update_proposal"] = r.encode(update.Public.Content.Proposal.Update)
	commit, _, err := by.Commit(mls.CommitOptions{Leaf: by.OwnLeaves()[0]}, time.Time{})
	if err != nil {
		return err
	}
	out["public_message_commit"] = r.encode(commit.Message)
	out["commit"] = r.encode(commit.Message.Public.Content.Commit)
	sealed, _, err := by.Seal(by.OwnLeaves()[0], nil, []byte("application data"))
	if err != nil {
		return err
	}
	out["private_message"] = r.encode(sealed)
	clear := *update.Public // no member sends application data like this; the format has it all the same
	clear.Content.Type, clear.Content.Proposal, clear.Content.Application = wire.ApplicationContent, nil, []byte("application data")
	out["public_message_application"] = r.encode(&wire.Message{Version: wire.MLS10, Format: wire.PublicMessageFormat, Public: &clear})
	return nil
}
