package roletest

import (
	"errors"

	"parley/content"
	"parley/hub"
	"parley/mimi"
	"parley/uri"
)

// ReadContent is hub.Config.ReadContent for messages of Franked.
func ReadContent(data []byte) (hub.Authorship, error) {
	_, inner, err := content.Unframe(data)
	if err != nil {
		return hub.Authorship{}, err
	}
	m, err := content.Decode(inner)
	if err != nil {
		return hub.Authorship{}, err
	}
	sender, named := m.Sender()
	at, placed := m.Room()
	if !named || !placed {
		return hub.Authorship{}, errors.New("roletest: no sender or no room")
	}
	return hub.Authorship{Salt: m.Salt[:], Sender: sender, Room: at}, nil
}

// Claim is what a message says of itself; the zero values of Sender and Room stand for what is true.
type Claim struct {
	Salt   byte // of the first octet: no two messages of a test have the same
	Text   string
	Sender uri.User
	Room   uri.Room
}

// Content is the application data of a message.
func (d *Device) Content(at uri.Room, c Claim) []byte {
	w := d.world()
	w.T.Helper()
	if c.Sender.IsZero() {
		c.Sender = d.User
	}
	if c.Room.IsZero() {
		c.Room = at
	}
	m := content.NewText([16]byte{c.Salt}, c.Sender, c.Room, c.Text)
	encoded, err := m.Encode()
	must(w, encoded, err)
	return content.Frame(content.MediaType, encoded)
}

// Franked seals application data with a franking tag over it, or with the given authenticated data.
func (d *Device) Franked(at uri.Room, data, aad []byte) *mimi.SubmitMessageRequest {
	w := d.world()
	w.T.Helper()
	if aad == nil {
		read, err := ReadContent(data)
		must(w, read, err)
		aad, err = mimi.FrankAuthenticatedData(mimi.NewFrankingTag(read.Salt, data))
		must(w, aad, err)
	}
	m, _, err := d.Groups[at].Seal(d.Leaf(at), aad, data)
	must(w, m, err)
	return &mimi.SubmitMessageRequest{Protocol: mimi.MLS10, Message: *m, SendingURI: d.User.String()}
}
