// Package xmpp joins an XMPP server as a component (XEP-0114): each user of MIMI is an address of the component's domain
// (alice\40a.example@mimi.example, XEP-0106), rooms are members-only multi-user chats (XEP-0045) that the component owns, and
// conversations of two are ordinary chats.
//
// That the server has taken a message is known by the answer to a ping (XEP-0199) that follows it on the stream: the server works
// stanzas off in order, and an error about the message comes first. If the stream ends before, the message is sent again with the same id.
//
// Invariants:
//   - Text is written through one writer that escapes it; nothing is pasted into XML.
//   - What comes in is bounded in size, depth and number of elements; declarations, instructions and comments end the stream.
//   - Of a group's messages only the copy to the component's own occupant counts. What its ghosts have said is dropped (loop guard),
//     and who speaks is known by the real address that the room shows its owner.
//   - An address is the bare one that the server put into the stanza. A message without a sender in it is nobody's.
//
// The package must not import mls, a store or a server role.
package xmpp
