package client

import (
	"parley/content"
	"parley/mimi"
	"parley/mls"
	"parley/room"
	"parley/syntax"
	"parley/uri"
)

// Franked is what a message in a room that franks brings beside its content (draft-ietf-mimi-protocol-06 §5.4.1): the hub's proof that it
// took these octets from the sender at that time, as far as it holds, and what a report of the message needs (C-SEC-13).
type Franked struct {
	Frame []byte `json:"frame,omitempty"` // of the application data, what stands before the content
	Frank []byte `json:"frank,omitempty"` // encoded mimi.Frank; nil: the message has none
	// Problem says why the frank proves nothing: the message, its time or its frank is not as the hub saw it. "" when all is well.
	Problem string `json:"problem,omitempty"`
	// Doubt says that the frank may be another message's of the same sender.
	Doubt string `json:"doubt,omitempty"`
}

// The problems of a frank.
const (
	ProblemNone      = "the hub has not franked it"
	ProblemAgent     = "the room names no franking agent of its hub"
	ProblemSuite     = "the frank is of another cipher suite than the room"
	ProblemTag       = "the sender's franking tag is not that of the message"
	ProblemSignature = "the frank does not fit sender, room and time"
	DoubtOrder       = "sent before an earlier message of the same device, by its time"
)

// frankBook remembers, while the process runs, who franks in a room and what came last from each sender.
type frankBook struct {
	agents map[uri.Room]agentOf
	last   map[senderKey]lastFrank
}

type agentOf struct {
	epoch uint64
	agent *mimi.FrankingAgentData
}

type senderKey struct {
	room  uri.Room
	epoch uint64
	leaf  mls.LeafIndex
}

type lastFrank struct {
	generation uint32
	time       uint64
	frank      [32]byte
}

// mostSenders bounds the memory for the order of franks; above it all begins anew.
const mostSenders = 1 << 14

// agentIn is the agent whose franks count in a room, nil in one that does not frank.
func (c *Client) agentIn(r *Room) *mimi.FrankingAgentData {
	epoch := r.Epoch()
	if known, ok := c.franks.agents[r.URI]; ok && known.epoch == epoch {
		return known.agent
	}
	if c.franks.agents == nil {
		c.franks.agents = make(map[uri.Room]agentOf)
	}
	agent := room.FrankingAgent(r.group.Public(), c.cfg.MLS.ValidateSender, c.cfg.Now())
	c.franks.agents[r.URI] = agentOf{epoch, agent}
	return agent
}

// tagged is the authenticated data of an own message: with a franking tag where the room franks (P-FR-01, P-FR-04), otherwise as given.
func (c *Client) tagged(r *Room, encoded, otherwise []byte) ([]byte, error) {
	if c.agentIn(r) == nil {
		return otherwise, nil
	}
	m, err := content.Decode(encoded)
	if err != nil {
		return otherwise, nil // nothing that could be reported
	}
	return mimi.FrankAuthenticatedData(mimi.NewFrankingTag(m.Salt[:], wrap(r.group.Public(), encoded)))
}

// arrival is a message as it came from the hub, and its place among the sender's.
type arrival struct {
	item       *mimi.FanoutMessage
	leaf       mls.LeafIndex
	epoch      uint64
	generation uint32
	own        bool // by this device: its place is not known, and not needed
}

// franked checks the frank of a message (P-FR-13 to P-FR-17). data is the application data whole, encoded the content in it. It is nil
// in a room that does not frank, for messages without one.
func (s *step) franked(a *arrival, data, encoded []byte, m *content.Message) *Franked {
	frank := a.item.Frank
	agent := s.client.agentIn(s.room)
	if agent == nil && frank == nil {
		return nil
	}
	out := &Franked{Frame: data[:len(data)-len(encoded)]}
	if frank == nil {
		out.Problem = ProblemNone
		return out
	}
	var err error
	out.Frank, err = syntax.Marshal(frank)
	s.keep(err)
	out.Problem = s.problem(a, agent, data, m)
	if out.Problem == "" && !a.own {
		out.Doubt = s.client.franks.order(s.room.URI, a)
	}
	return out
}

func (s *step) problem(a *arrival, agent *mimi.FrankingAgentData, data []byte, m *content.Message) string {
	frank := a.item.Frank
	tag, tagged := mimi.FrankingTagOf(a.item.Message.Private.AuthenticatedData)
	sender, _ := m.Sender()
	at, _ := m.Room()
	switch {
	case agent == nil:
		return ProblemAgent
	case frank.Suite != s.room.group.Public().Suite().ID():
		return ProblemSuite
	case !tagged || tag != mimi.NewFrankingTag(m.Salt[:], data):
		return ProblemTag
	case frank.Verify(agent.SignatureKey, &mimi.FrankingContext{Sender: sender, Room: at, AcceptedAt: a.item.Timestamp}, s.client.table()) != nil:
		return ProblemSignature
	}
	return ""
}

// order holds a frank against the one before it of the same device: times have to follow the order in which the device encrypted. Franks
// that were exchanged between two messages break that.
func (b *frankBook) order(at uri.Room, a *arrival) string {
	key := senderKey{at, a.epoch, a.leaf}
	last, known := b.last[key]
	next := lastFrank{a.generation, a.item.Timestamp, a.item.Frank.ServerFrank}
	if b.last == nil || len(b.last) >= mostSenders {
		b.last = make(map[senderKey]lastFrank)
	}
	doubt := ""
	switch {
	case !known:
	case next.frank == last.frank,
		next.generation > last.generation && next.time < last.time,
		next.generation < last.generation && next.time > last.time:
		doubt = DoubtOrder
	}
	if !known || next.generation > last.generation {
		b.last[key] = next
	}
	return doubt
}
