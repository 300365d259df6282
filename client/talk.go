package client

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"

	"parley/content"
	"parley/content/timeline"
	"parley/mls"
	"parley/uri"
)

// Sent is what was put into the outbox.
type Sent struct {
	ID     content.MessageID
	Intent uint64
}

// Outgoing is a message to write. The zero value of everything but Text or Body is what people want most of the time.
type Outgoing struct {
	Text     string
	Markdown bool          // Text is GFM-MIMI Markdown; HTML in it is to be made harmless before (render.Outgoing)
	Body     *content.Part // instead of Text: parts of any kind
	ReplyTo  *content.MessageID
	Topic    []byte           // empty: that of the message replied to
	Expires  *content.Expires // nil: as the room's policy says
}

// Errors of what a person wants to say.
var (
	ErrTooLong    = errors.New("client: the message is too long")
	ErrNotAllowed = errors.New("client: the room's policy does not allow that")
	ErrNoMessage  = errors.New("client: there is no such message here")
)

// maxEncoded is the size of a message that every receiver takes (A-C7).
const maxEncoded = 64 << 10

func newSalt() (salt [16]byte, err error) {
	_, err = rand.Read(salt[:])
	return salt, err
}

// Say sends a text.
func (c *Client) Say(ctx context.Context, at uri.Room, text string) (Sent, error) {
	return c.Post(ctx, at, Outgoing{Text: text})
}

// Reply answers a message, in its topic.
func (c *Client) Reply(ctx context.Context, at uri.Room, to content.MessageID, text string) (Sent, error) {
	return c.Post(ctx, at, Outgoing{Text: text, ReplyTo: &to})
}

// Post sends a message. It is stored when Post returns, and sent by Flush.
func (c *Client) Post(ctx context.Context, at uri.Room, o Outgoing) (Sent, error) {
	r, err := c.sending(ctx, at)
	if err != nil {
		return Sent{}, err
	}
	salt, err := newSalt()
	if err != nil {
		return Sent{}, err
	}
	m := content.NewMessage(salt, c.self.User, at, o.body())
	m.Topic, m.Expires = o.Topic, o.Expires
	mine := r.talk.rights[c.self.User]
	if o.ReplyTo != nil {
		to, topic, err := c.answerable(ctx, r, *o.ReplyTo)
		switch {
		case err != nil:
			return Sent{}, err
		case mine&timeline.Reply == 0:
			return Sent{}, ErrNotAllowed
		}
		m.InReplyTo = &to
		if len(m.Topic) == 0 {
			m.Topic = topic
		}
	}
	if len(m.Topic) > 0 && mine&(timeline.StartTopic|timeline.ReplyInTopic) == 0 {
		return Sent{}, ErrNotAllowed
	}
	if rule := r.talk.expiry; rule != nil {
		if m.Expires == nil {
			m.Expires = rule.Initial()
		}
		if rule.Check(m.Expires, uint64(c.cfg.Now().UnixMilli())) != nil {
			return Sent{}, ErrNotAllowed
		}
	}
	return c.submit(ctx, r, m, nil)
}

func (o *Outgoing) body() content.Part {
	if o.Body != nil {
		return *o.Body
	}
	kind := content.TypePlain
	if o.Markdown {
		kind = content.TypeMarkdown
	}
	return content.Part{Disposition: content.DispositionRender, Body: content.Single{ContentType: kind, Content: []byte(strings.ToValidUTF8(o.Text, "\uFFFD"))}}
}

// Edit gives an own message another text, in the format that it has.
func (c *Client) Edit(ctx context.Context, at uri.Room, id content.MessageID, text string) (Sent, error) {
	r, target, old, err := c.editable(ctx, at, id, false)
	if err != nil {
		return Sent{}, err
	}
	salt, err := newSalt()
	if err != nil {
		return Sent{}, err
	}
	o := Outgoing{Text: text}
	if single, ok := old.Body.Body.(content.Single); ok {
		o.Markdown = content.MatchMedia(content.TypeMarkdown, single.ContentType)
	}
	return c.submit(ctx, r, content.NewEdit(salt, c.self.User, at, target, old, o.body()), nil)
}

// Delete takes a message back: an own one, or with the right to, that of somebody else.
func (c *Client) Delete(ctx context.Context, at uri.Room, id content.MessageID) (Sent, error) {
	r, target, old, err := c.editable(ctx, at, id, true)
	if err != nil {
		return Sent{}, err
	}
	salt, err := newSalt()
	if err != nil {
		return Sent{}, err
	}
	return c.submit(ctx, r, content.NewDelete(salt, c.self.User, at, target, old), nil)
}

// React reacts to a message with one character as a person sees it.
func (c *Client) React(ctx context.Context, at uri.Room, id content.MessageID, reaction string) (Sent, error) {
	r, err := c.sending(ctx, at)
	if err != nil {
		return Sent{}, err
	}
	if r.talk.rights[c.self.User]&timeline.React == 0 {
		return Sent{}, ErrNotAllowed
	}
	to, topic, err := c.answerable(ctx, r, id)
	if err != nil {
		return Sent{}, err
	}
	salt, err := newSalt()
	if err != nil {
		return Sent{}, err
	}
	m, err := content.NewReaction(salt, c.self.User, at, to, reaction)
	if err != nil {
		return Sent{}, err
	}
	m.Topic = topic
	return c.submit(ctx, r, m, nil)
}

// Unreact takes own reactions to a message back: the given one, or all when it is empty.
func (c *Client) Unreact(ctx context.Context, at uri.Room, id content.MessageID, reaction string) ([]Sent, error) {
	m, found, err := c.Message(ctx, at, id)
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, ErrNoMessage
	}
	var out []Sent
	for _, of := range m.Reactions {
		if reaction != "" && of.Text != reaction {
			continue
		}
		for _, by := range of.By {
			if by.User != c.self.User {
				continue
			}
			sent, err := c.Delete(ctx, at, by.Root)
			if err != nil {
				return out, err
			}
			out = append(out, sent)
		}
	}
	if len(out) == 0 {
		return nil, ErrNoMessage
	}
	return out, nil
}

// sending is a room in which this device can write, with its view.
func (c *Client) sending(ctx context.Context, at uri.Room) (*Room, error) {
	r, err := c.opened(ctx, at)
	if err != nil {
		return nil, err
	}
	if r.group == nil {
		return nil, ErrNoRoom
	}
	return r, nil
}

func (c *Client) answerable(ctx context.Context, r *Room, id content.MessageID) (to content.MessageID, topic []byte, err error) {
	if err := c.pull(ctx, r, id); err != nil {
		return to, nil, err
	}
	to, topic, err = r.talk.view.Answerable(id, c.cfg.Now())
	return to, topic, explained(err)
}

func (c *Client) editable(ctx context.Context, at uri.Room, id content.MessageID, null bool) (*Room, content.MessageID, content.Message, error) {
	r, err := c.sending(ctx, at)
	if err != nil {
		return nil, content.MessageID{}, content.Message{}, err
	}
	if err := c.pull(ctx, r, id); err != nil {
		return nil, content.MessageID{}, content.Message{}, err
	}
	target, m, err := r.talk.view.Editable(id, null, r.talk.rights[c.self.User], c.cfg.Now())
	return r, target, m, explained(err)
}

func explained(err error) error {
	switch {
	case errors.Is(err, timeline.ErrTarget):
		return ErrNoMessage
	case errors.Is(err, timeline.ErrRight):
		return ErrNotAllowed
	}
	return err
}

// submit puts a message into the outbox, and with it what belongs to it.
func (c *Client) submit(ctx context.Context, r *Room, m content.Message, with mls.Delta) (Sent, error) {
	if err := m.CheckSend(c.self.User, r.URI); err != nil {
		return Sent{}, err
	}
	encoded, err := m.Encode()
	if err != nil {
		return Sent{}, err
	}
	if len(encoded) > maxEncoded {
		return Sent{}, ErrTooLong
	}
	id := content.ID(c.self.User, r.URI, encoded, m.Salt)
	_, auto, err := m.Status()
	if err != nil {
		return Sent{}, err
	}
	if r.talk.Request {
		r.talk.Request = false // who answers accepts
		rec, err := r.talkRecord()
		if err != nil {
			return Sent{}, err
		}
		with = append(with, rec)
	}
	n, err := c.intend(ctx, &Intent{Kind: SendMessage, Room: r.URI.String(), Content: encoded, MessageID: id[:], Auto: auto}, with...)
	return Sent{ID: id, Intent: n}, err
}
