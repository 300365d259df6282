package xmpp

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"

	"parley/gateway/convert"
)

// Bounds of one stanza.
const (
	mostOctets   = 512 << 10
	mostDepth    = 24
	mostElements = 2000
)

var (
	errXML   = errors.New("xmpp: the server sent what is no stanza")
	errEnded = errors.New("xmpp: the stream has ended")
)

// element is a piece of a stanza. Its text is that between all of its children.
type element struct {
	space, name string
	attrs       map[string]string // those without a namespace
	children    []*element
	text        string
	before      string // what stands in front of the element in its parent, for mixed content
	after       string // what stands behind the last child
}

func (e *element) attr(name string) string {
	if e == nil {
		return ""
	}
	return e.attrs[name]
}

// child is the first with a name and a namespace; space "" takes any.
func (e *element) child(space, name string) *element {
	if e == nil {
		return nil
	}
	for _, c := range e.children {
		if c.name == name && (space == "" || c.space == space) {
			return c
		}
	}
	return nil
}

func (e *element) content() string {
	if e == nil {
		return ""
	}
	return e.text
}

// meter ends a stanza that is too long.
type meter struct {
	from io.Reader
	left int
}

func (m *meter) Read(p []byte) (int, error) {
	if m.left <= 0 {
		return 0, errXML
	}
	n, err := m.from.Read(p[:min(len(p), m.left)])
	m.left -= n
	return n, err
}

// reader reads a stream.
type reader struct {
	meter   *meter
	decoder *xml.Decoder
}

func newReader(from io.Reader) *reader {
	m := &meter{from: from, left: mostOctets}
	return &reader{m, xml.NewDecoder(m)}
}

// open reads the header of the stream and returns its id.
func (r *reader) open() (id string, err error) {
	for {
		token, err := r.decoder.Token()
		if err != nil {
			return "", err
		}
		switch t := token.(type) {
		case xml.ProcInst:
			if t.Target != "xml" {
				return "", errXML
			}
		case xml.CharData:
			if strings.TrimSpace(string(t)) != "" {
				return "", errXML
			}
		case xml.StartElement:
			if t.Name.Local != "stream" {
				return "", errXML
			}
			return start(t).attr("id"), nil
		default:
			return "", errXML
		}
	}
}

func start(t xml.StartElement) *element {
	e := &element{space: t.Name.Space, name: t.Name.Local, attrs: map[string]string{}}
	for _, a := range t.Attr {
		if a.Name.Space == "" {
			e.attrs[a.Name.Local] = a.Value
		}
	}
	return e
}

// next reads a stanza.
func (r *reader) next() (*element, error) {
	for {
		r.meter.left = mostOctets
		token, err := r.decoder.Token()
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.CharData:
			if strings.TrimSpace(string(t)) != "" {
				return nil, errXML
			}
		case xml.EndElement:
			return nil, errEnded
		case xml.StartElement:
			return r.rest(start(t))
		default:
			return nil, errXML
		}
	}
}

// rest reads a stanza of which the first tag is known.
func (r *reader) rest(root *element) (*element, error) {
	open := []*element{root}
	for n := 0; len(open) > 0; {
		top := open[len(open)-1]
		token, err := r.decoder.Token()
		if err != nil {
			return nil, err
		}
		switch t := token.(type) {
		case xml.StartElement:
			if n++; n > mostElements || len(open) >= mostDepth {
				return nil, errXML
			}
			child := start(t)
			child.before, top.after = top.after, ""
			top.children = append(top.children, child)
			open = append(open, child)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			top.text += string(t)
			top.after += string(t)
		default:
			return nil, errXML // comments, instructions, declarations: RFC 6120 §11.1
		}
	}
	return root, nil
}

// html writes the inside of an element as HTML, for the converter, which judges it.
func (e *element) html(to *strings.Builder) {
	for _, c := range e.children {
		escape(to, c.before)
		to.WriteString("<" + c.name)
		for _, name := range []string{"href", "style", "src", "alt"} {
			if v, ok := c.attrs[name]; ok {
				to.WriteString(" " + name + `="`)
				escape(to, v)
				to.WriteString(`"`)
			}
		}
		to.WriteString(">")
		c.html(to)
		if c.name != "br" && c.name != "img" && c.name != "hr" {
			to.WriteString("</" + c.name + ">")
		}
	}
	escape(to, e.after)
}

// escape writes text; what XML does not have is left out.
func escape(to *strings.Builder, s string) {
	clean, _ := convert.Clean(s)
	for _, r := range clean {
		switch r {
		case '<':
			to.WriteString("&lt;")
		case '>':
			to.WriteString("&gt;")
		case '&':
			to.WriteString("&amp;")
		case '"':
			to.WriteString("&quot;")
		case '\'':
			to.WriteString("&apos;")
		default:
			to.WriteRune(r)
		}
	}
}

// part is something that stands in a stanza that we write: an element, or what the converter has written.
type part struct {
	name   string
	attrs  []string // name, value, ...; those with an empty value are left out
	text   string
	inside []part
	markup string // well-formed XML, made by gateway/convert
}

func (p part) write(to *strings.Builder) {
	to.WriteString("<" + p.name)
	for n := 0; n+1 < len(p.attrs); n += 2 {
		if p.attrs[n+1] == "" {
			continue
		}
		to.WriteString(" " + p.attrs[n] + "='")
		escape(to, p.attrs[n+1])
		to.WriteString("'")
	}
	to.WriteString(">")
	escape(to, p.text)
	to.WriteString(p.markup)
	for _, c := range p.inside {
		c.write(to)
	}
	to.WriteString("</" + p.name + ">")
}

func (p part) String() string {
	var b strings.Builder
	p.write(&b)
	return b.String()
}

// Namespaces.
const (
	nsMUC        = "http://jabber.org/protocol/muc"
	nsUser       = "http://jabber.org/protocol/muc#user"
	nsAdmin      = "http://jabber.org/protocol/muc#admin"
	nsOwner      = "http://jabber.org/protocol/muc#owner"
	nsForm       = "jabber:x:data"
	nsPing       = "urn:xmpp:ping"
	nsInfo       = "http://jabber.org/protocol/disco#info"
	nsXHTMLIM    = "http://jabber.org/protocol/xhtml-im"
	nsXHTML      = "http://www.w3.org/1999/xhtml"
	nsReceipts   = "urn:xmpp:receipts"
	nsMarkers    = "urn:xmpp:chat-markers:0"
	nsCorrect    = "urn:xmpp:message-correct:0"
	nsRetract    = "urn:xmpp:message-retract:1"
	nsReactions  = "urn:xmpp:reactions:0"
	nsReply      = "urn:xmpp:reply:0"
	nsFallback   = "urn:xmpp:fallback:0"
	nsStanzaID   = "urn:xmpp:sid:0"
	nsHints      = "urn:xmpp:hints"
	nsDelay      = "urn:xmpp:delay"
	nsChatStates = "http://jabber.org/protocol/chatstates"
	nsStanzas    = "urn:ietf:params:xml:ns:xmpp-stanzas"
)
