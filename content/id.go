package content

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"

	"parley/uri"
)

// MessageID names a message: one octet for the hash algorithm and 31 octets of the hash (draft-ietf-mimi-content-08 §3.3).
type MessageID [32]byte

// algorithmSHA256 is used whatever the cipher suite of the group (§3.3).
const algorithmSHA256 = 1

// Known reports whether the algorithm of the ID is one we can compute; content that refers to another is discarded (§9.1).
func (id MessageID) Known() bool { return id[0] == algorithmSHA256 }

// String is the ID in hexadecimal.
func (id MessageID) String() string { return hex.EncodeToString(id[:]) }

// Compare orders IDs bytewise: of two messages with the same accepted time the lower ID comes first (§3.4).
func (id MessageID) Compare(other MessageID) int {
	for n := range id {
		if id[n] != other[n] {
			return int(id[n]) - int(other[n])
		}
	}
	return 0
}

// ID computes the ID of a message whose sender and room are written in their normalised form, as all messages made here
// have them. encoded are the octets of the message without framing (A-C5), salt is the message's.
func ID(sender uri.User, room uri.Room, encoded []byte, salt [16]byte) MessageID {
	return compute(sender.String(), room.String(), encoded, salt)
}

// RawID computes the ID with the URIs as they are written, octet for octet (A-C3).
func RawID(sender, room string, encoded []byte, salt [16]byte) (MessageID, error) {
	if len(sender) > 0xffff || len(room) > 0xffff {
		return MessageID{}, ErrURILength
	}
	return compute(sender, room, encoded, salt), nil
}

// ID computes the ID of a message that was received from the given member of the given room: with the URIs of extensions 1
// and 2 as they are written there, with the given ones where an extension is missing (A-C4). encoded are the octets that m
// was decoded from. A message that claims another origin is refused.
func (m Message) ID(encoded []byte, sender uri.User, room uri.Room) (MessageID, error) {
	if err := m.CheckOrigin(sender, room); err != nil {
		return MessageID{}, err
	}
	senderText, found := m.Sender()
	if !found {
		senderText = sender.String()
	}
	roomText, found := m.Room()
	if !found {
		roomText = room.String()
	}
	return RawID(senderText, roomText, encoded, m.Salt)
}

func compute(sender, room string, encoded []byte, salt [16]byte) MessageID {
	input := make([]byte, 0, 4+len(sender)+len(room)+len(encoded)+len(salt))
	input = append(binary.BigEndian.AppendUint16(input, uint16(len(sender))), sender...)
	input = append(binary.BigEndian.AppendUint16(input, uint16(len(room))), room...)
	input = append(append(input, encoded...), salt[:]...)
	sum := sha256.Sum256(input)
	id := MessageID{algorithmSHA256}
	copy(id[1:], sum[:31])
	return id
}
