package ohttp

import (
	"encoding/binary"
	"errors"
	"math"
	"strings"
)

// ErrMessage means that octets are no binary HTTP message.
var ErrMessage = errors.New("ohttp: not a binary HTTP message")

// Field is one line of a header or trailer section. Names are in lower case.
type Field struct{ Name, Value string }

// Request is an HTTP request.
type Request struct {
	Method, Scheme, Authority, Path string
	Header                          []Field
	Content                         []byte
	Trailer                         []Field
}

// Response is an HTTP response. Informational responses before it are dropped when it is decoded.
type Response struct {
	Status  int
	Header  []Field
	Content []byte
	Trailer []Field
}

// Get returns the first value of a field; the name is in lower case.
func Get(fields []Field, name string) string {
	for _, f := range fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// The framing indicators (RFC 9292 §3.3).
const (
	knownRequest uint64 = iota
	knownResponse
	openRequest
	openResponse
)

// Encode makes the known-length form.
func (r *Request) Encode() []byte {
	b := appendInt(nil, knownRequest)
	for _, s := range []string{r.Method, r.Scheme, r.Authority, r.Path} {
		b = appendText(b, s)
	}
	return appendRest(b, r.Header, r.Content, r.Trailer)
}

// Encode makes the known-length form.
func (r *Response) Encode() []byte {
	b := appendInt(make([]byte, 0, len(r.Content)+256), knownResponse)
	b = appendInt(b, uint64(r.Status))
	return appendRest(b, r.Header, r.Content, r.Trailer)
}

func appendRest(b []byte, header []Field, content []byte, trailer []Field) []byte {
	b = appendSection(b, header)
	b = appendInt(b, uint64(len(content)))
	b = append(b, content...)
	return appendSection(b, trailer)
}

func appendSection(b []byte, fields []Field) []byte {
	var section []byte
	for _, f := range fields {
		section = appendText(appendText(section, strings.ToLower(f.Name)), f.Value)
	}
	return append(appendInt(b, uint64(len(section))), section...)
}

func appendText(b []byte, s string) []byte { return append(appendInt(b, uint64(len(s))), s...) }

// appendInt writes an integer of QUIC (RFC 9000 §16).
func appendInt(b []byte, v uint64) []byte {
	switch {
	case v < 1<<6:
		return append(b, byte(v))
	case v < 1<<14:
		return binary.BigEndian.AppendUint16(b, uint16(v)|1<<14)
	case v < 1<<30:
		return binary.BigEndian.AppendUint32(b, uint32(v)|2<<30)
	}
	return binary.BigEndian.AppendUint64(b, v|3<<62)
}

// DecodeRequest reads either form of a request. Its content shares memory with b where the form allows that.
func DecodeRequest(b []byte) (*Request, error) {
	r := &reader{rest: b}
	framing := r.int()
	if framing != knownRequest && framing != openRequest {
		return nil, ErrMessage
	}
	out := new(Request)
	for _, s := range []*string{&out.Method, &out.Scheme, &out.Authority, &out.Path} {
		*s = r.text()
	}
	out.Header, out.Content, out.Trailer = r.sections(framing == openRequest)
	if r.bad || !token(out.Method) || out.Scheme == "" || !printable(out.Scheme+out.Authority+out.Path) {
		return nil, ErrMessage
	}
	return out, nil
}

// DecodeResponse reads either form of a response.
func DecodeResponse(b []byte) (*Response, error) {
	r := &reader{rest: b}
	framing := r.int()
	if framing != knownResponse && framing != openResponse {
		return nil, ErrMessage
	}
	for {
		status := r.int()
		if r.bad || status < 100 || status > 599 {
			return nil, ErrMessage
		}
		if status < 200 {
			r.section(framing == openResponse)
			continue
		}
		out := &Response{Status: int(status)}
		out.Header, out.Content, out.Trailer = r.sections(framing == openResponse)
		if r.bad {
			return nil, ErrMessage
		}
		return out, nil
	}
}

// reader takes octets off the front. Once something was wrong, nothing else is read.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) fail() { r.bad, r.rest = true, nil }

func (r *reader) int() uint64 {
	if len(r.rest) == 0 {
		r.fail()
		return 0
	}
	size := 1 << (r.rest[0] >> 6)
	if len(r.rest) < size {
		r.fail()
		return 0
	}
	v := uint64(r.rest[0] & 0x3f)
	for _, c := range r.rest[1:size] {
		v = v<<8 | uint64(c)
	}
	r.rest = r.rest[size:]
	return v
}

func (r *reader) octets() []byte {
	n := r.int()
	if r.bad || n > uint64(len(r.rest)) || n > math.MaxInt32 {
		r.fail()
		return nil
	}
	out := r.rest[:n:n]
	r.rest = r.rest[n:]
	return out
}

func (r *reader) text() string { return string(r.octets()) }

// sections reads all that follows the control data. A message may end before any section that would be empty (§3.8), and only there:
// what is cut elsewhere is invalid. Zeros may follow (§3.8, padding).
func (r *reader) sections(open bool) (header []Field, content []byte, trailer []Field) {
	if r.ended() {
		return nil, nil, nil
	}
	header = r.section(open)
	if r.ended() {
		return header, nil, nil
	}
	if open {
		content = r.chunks()
	} else if content = r.octets(); len(content) == 0 {
		content = nil
	}
	if !r.ended() {
		trailer = r.section(open)
	}
	for _, c := range r.rest {
		if c != 0 {
			r.fail()
			break
		}
	}
	return header, content, trailer
}

func (r *reader) ended() bool { return r.bad || len(r.rest) == 0 }

// chunks reads content of a length that is not told, up to its terminator.
func (r *reader) chunks() []byte {
	var out []byte
	for {
		chunk := r.octets()
		if r.bad || len(chunk) == 0 {
			return out
		}
		out = append(out, chunk...)
	}
}

func (r *reader) section(open bool) []Field {
	from := r
	if !open {
		from = &reader{rest: r.octets()}
	}
	var out []Field
	for {
		if !open && len(from.rest) == 0 {
			break
		}
		name := from.text()
		if open && name == "" {
			break
		}
		f := Field{name, from.text()}
		// No pseudo-field is of use here, and those of HTTP/2 are invalid.
		if from.bad || !token(f.Name) || strings.ToLower(f.Name) != f.Name || !fieldValue(f.Value) {
			r.fail()
			return nil
		}
		out = append(out, f)
	}
	if from.bad {
		r.fail()
	}
	return out
}

// token tells whether s is one of RFC 9110 §5.6.2.
func token(s string) bool {
	for _, c := range []byte(s) {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9'
		if !letter && !strings.ContainsRune("!#$%&'*+-.^_`|~", rune(c)) {
			return false
		}
	}
	return s != ""
}

// fieldValue tells whether s may be a field's value (RFC 9113 §8.2.1).
func fieldValue(s string) bool {
	return !strings.ContainsAny(s, "\x00\r\n") && strings.Trim(s, " \t") == s
}

func printable(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f {
			return false
		}
	}
	return true
}
