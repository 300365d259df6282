package api

import (
	"errors"
	"fmt"
	"io"

	"parley/mimi"
	"parley/mls/wire"
	"parley/syntax"
)

// KeyPackages publishes KeyPackages of the calling device.
type KeyPackages struct{ KeyPackages []wire.KeyPackage }

func (v *KeyPackages) Syntax(c *syntax.Codec) { syntax.Structs(c, &v.KeyPackages) }

// CreateRoom gives the hub the public state of a group of one member. The room's URI is in the query and, like the participant
// list and the policies, in the group's GroupContext.
type CreateRoom struct {
	GroupInfo wire.GroupInfo
	Tree      wire.RatchetTree
}

func (v *CreateRoom) Syntax(c *syntax.Codec) {
	v.GroupInfo.Syntax(c)
	v.Tree.Syntax(c)
}

// SubmitMessages brings application messages for one room, in the order in which they are to be accepted: 1 to MaxMessages.
type SubmitMessages struct{ Requests []mimi.SubmitMessageRequest }

func (v *SubmitMessages) Syntax(c *syntax.Codec) { syntax.Structs(c, &v.Requests) }

// MessagesSubmitted answers SubmitMessages: a verdict on each of the first messages, at least on one. It ends with the first that is not
// accepted. A message without a verdict is sent again with the same octets.
type MessagesSubmitted struct{ Answers []mimi.SubmitMessageResponse }

func (v *MessagesSubmitted) Syntax(c *syntax.Codec) { syntax.Structs(c, &v.Answers) }

// Kind tells what an event carries. It is a registry: a client ignores a kind that it does not know, and acknowledges it.
type Kind uint8

const (
	// Fanout is one mimi.FanoutMessage of a room; a Welcome is one too and brings its tree.
	Fanout Kind = 1
	// Consent is a mimi.ConsentEntry without KeyPackages: news of what somebody said about consent. It has no room.
	Consent Kind = 2
)

// Event is one entry of a device's inbox.
type Event struct {
	Cursor    uint64
	Room      string // URI
	Kind      Kind
	Timestamp uint64 // milliseconds since 1970: the hub's accepted timestamp, the time at which lifetimes are judged
	Body      []byte
}

func (v *Event) Syntax(c *syntax.Codec) {
	syntax.U64(c, &v.Cursor)
	syntax.Text(c, &v.Room)
	syntax.U8(c, &v.Kind)
	syntax.U64(c, &v.Timestamp)
	syntax.Opaque(c, &v.Body)
}

// Events answers a poll. More tells that further events wait already.
type Events struct {
	Events []Event
	More   bool
}

func (v *Events) Syntax(c *syntax.Codec) {
	syntax.Structs(c, &v.Events)
	syntax.Bool(c, &v.More)
}

// ErrFrame means that a stream does not hold frames, or one above MaxFrame.
var ErrFrame = errors.New("clientapi: malformed frame on the event stream")

// WriteFrame writes an event as opaque<V> of its encoding; a nil event is a heartbeat, one octet 0. An event above MaxFrame is
// ErrFrame and nothing is written.
func WriteFrame(w io.Writer, e *Event) error {
	frame := frame{e}
	b, err := syntax.Marshal(&frame)
	if err != nil {
		return err
	}
	if len(b) > MaxFrame {
		return ErrFrame
	}
	_, err = w.Write(b)
	return err
}

type frame struct{ event *Event }

func (f *frame) Syntax(c *syntax.Codec) {
	syntax.Sized(c, func(c *syntax.Codec) {
		if f.event != nil {
			f.event.Syntax(c)
		}
	})
}

// ByteReader is what ReadFrame reads from, for example a *bufio.Reader.
type ByteReader interface {
	io.Reader
	io.ByteReader
}

// ReadFrame reads the next frame: an event, or nil for a heartbeat. At a clean end of the stream it returns io.EOF; an end inside
// a frame is io.ErrUnexpectedEOF, and the event will be sent again on the next stream.
func ReadFrame(r ByteReader) (*Event, error) {
	n, err := readLength(r)
	if err != nil {
		return nil, err
	}
	if n == 0 {
		return nil, nil
	}
	body := make([]byte, n)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, unexpected(err)
	}
	e := new(Event)
	if err := syntax.Unmarshal(body, e); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFrame, err)
	}
	return e, nil
}

// readLength reads a variable-size length (RFC 9420 §2.1.2) in its shortest form.
func readLength(r io.ByteReader) (int, error) {
	first, err := r.ReadByte()
	if err != nil {
		return 0, err
	}
	size := 1 << (first >> 6)
	if size == 8 {
		return 0, ErrFrame
	}
	n := int(first & 0x3f)
	for range size - 1 {
		b, err := r.ReadByte()
		if err != nil {
			return 0, unexpected(err)
		}
		n = n<<8 | int(b)
	}
	shortest := n < 1<<6 && size == 1 || n >= 1<<6 && n < 1<<14 && size == 2 || n >= 1<<14 && size == 4
	if !shortest || n > MaxFrame {
		return 0, ErrFrame
	}
	return n, nil
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
