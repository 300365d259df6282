package mimi

import (
	"parley/mls/wire"
	"parley/syntax"
)

// FanoutMessage is one accepted message on its way from the hub to a follower (§5.5). It has no protocol octet. The message
// selects the fields: a PrivateMessage is application data, a Welcome is one, a PublicMessage is a proposal or a commit.
type FanoutMessage struct {
	Timestamp         uint64 // ms: when the hub accepted it
	Message           wire.Message
	Frank             *Frank                 // application: nil when the room does not frank
	Tree              wire.RatchetTreeOption // Welcome
	MoreProposals     []wire.Message         // proposal
	ExternalProposals []wire.Message         // commit: what the hub stapled to it
}

func (v *FanoutMessage) Syntax(c *syntax.Codec) {
	syntax.U64(c, &v.Timestamp)
	v.Message.Syntax(c)
	if c.Err() != nil {
		return
	}
	m := &v.Message
	switch {
	case m.Welcome != nil:
		treeOption(c, &v.Tree)
	case m.Private != nil && m.ContentType() == wire.ApplicationContent:
		syntax.OptionalStruct(c, &v.Frank)
	case (m.Public != nil || m.Semi != nil) && m.ContentType() == wire.ProposalContent:
		proposals(c, &v.MoreProposals)
	case (m.Public != nil || m.Semi != nil) && m.ContentType() == wire.CommitContent:
		proposals(c, &v.ExternalProposals)
	default:
		c.Fail(syntax.ErrValue)
	}
}

// ValidateForNewcomer checks an item for a provider that has no state of the room: a Welcome must bring its tree or a URL for
// it.
func (v *FanoutMessage) ValidateForNewcomer() error {
	if v.Message.Welcome == nil {
		return nil
	}
	switch v.Tree.Representation {
	case wire.FullTree, wire.TreeAtURI:
		return nil
	}
	return ErrTreeNotGiven
}

// NotifyBody is the body of one notify request: one or more items to the end, without a count or a length (§5.5).
type NotifyBody struct{ Items []FanoutMessage }

// MaxItems is how many items one notify request may hold.
const MaxItems = 4096

func (v *NotifyBody) Syntax(c *syntax.Codec) {
	if !c.Decoding() {
		for i := range v.Items {
			v.Items[i].Syntax(c)
		}
	}
	for c.More() {
		if len(v.Items) == MaxItems {
			c.Fail(syntax.ErrLimit)
			return
		}
		var item FanoutMessage
		item.Syntax(c)
		v.Items = append(v.Items, item)
	}
	if len(v.Items) == 0 {
		c.Fail(syntax.ErrTruncated)
	}
}
