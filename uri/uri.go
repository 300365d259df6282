package uri

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

const (
	// MaxLen is the longest identifier accepted from others, in octets.
	MaxLen = 1024
	// MaxOwnLen is the longest identifier this implementation makes, in octets.
	MaxOwnLen = 255

	scheme = "mimi://"
)

// Error says which rule a text breaks. It never contains the text.
type Error string

// The reasons for which a text is refused.
const (
	ErrLength   Error = "uri: identifier longer than the limit"
	ErrScheme   Error = "uri: scheme is not mimi"
	ErrHost     Error = "uri: host is not a domain name in A-label form"
	ErrKind     Error = "uri: unknown or unexpected kind of identifier"
	ErrSegment  Error = "uri: wrong number of segments, or an empty or dot segment"
	ErrChar     Error = "uri: character that needs escaping, or a query or fragment"
	ErrEscape   Error = "uri: incomplete percent escape"
	ErrTemplate Error = "uri: not an absolute https URL template with exactly one variable"
)

func (e Error) Error() string { return string(e) }

// Kind tells what an identifier names: the letter of its path, or 0 for a provider.
type Kind byte

// The kinds of draft-ietf-mimi-protocol-06 §3 and, for t and p, of the identity draft.
const (
	KindProvider  Kind = 0
	KindUser      Kind = 'u'
	KindClient    Kind = 'd'
	KindRoom      Kind = 'r'
	KindGroup     Kind = 'g'
	KindTeam      Kind = 't'
	KindPseudonym Kind = 'p'
)

// String is the letter as it stands in the path; a provider has none.
func (k Kind) String() string {
	if k == KindProvider {
		return ""
	}
	return string(rune(k))
}

func (k Kind) maxSegments() int {
	switch k {
	case KindClient:
		return 2 // the one-segment form stays opaque, see Client
	case KindUser, KindRoom, KindGroup, KindTeam, KindPseudonym:
		return 1
	}
	return 0
}

// URI is an identifier of any kind. It is comparable; == is equality in the sense of A-85.
type URI struct{ id }

// id is what the types share: the normalised text, empty for the zero value.
type id struct{ text string }

// String is the normalised text. See the package comment on octets that were signed.
func (i id) String() string { return i.text }

// Key is the text to compare, index and store by. It equals String.
func (i id) Key() string { return i.text }

// IsZero reports whether the value names nothing.
func (i id) IsZero() bool { return i.text == "" }

// Domain is the host: lower case, A-labels, no trailing dot.
func (i id) Domain() string {
	host, _, _ := strings.Cut(strings.TrimPrefix(i.text, scheme), "/")
	return host
}

// Provider is the provider that the identifier belongs to.
func (i id) Provider() Provider {
	if i.IsZero() {
		return Provider{}
	}
	return Provider{id{scheme + i.Domain()}}
}

// Kind tells what is named.
func (i id) Kind() Kind {
	_, path, found := strings.Cut(strings.TrimPrefix(i.text, scheme), "/")
	if !found {
		return KindProvider
	}
	return Kind(path[0])
}

// Segments are the normalised segments after the kind, still escaped; nil for a provider.
func (i id) Segments() []string {
	parts := strings.Split(strings.TrimPrefix(i.text, scheme), "/")
	if len(parts) < 3 {
		return nil
	}
	return parts[2:]
}

// name is segment n with its escapes resolved.
func (i id) name(n int) string {
	segments := i.Segments()
	if n >= len(segments) {
		return ""
	}
	plain, err := Unescape(segments[n])
	if err != nil {
		return "" // cannot happen: the escapes were checked when the value was made
	}
	return plain
}

// Parse reads an identifier of any kind, of at most MaxLen octets.
func Parse(s string) (URI, error) {
	text, err := normalise(s)
	if err != nil {
		return URI{}, err
	}
	return URI{id{text}}, nil
}

func parseKind(s string, want Kind) (id, error) {
	u, err := Parse(s)
	if err != nil {
		return id{}, err
	}
	if u.Kind() != want {
		return id{}, ErrKind
	}
	return u.id, nil
}

// Equal reports whether two texts name the same thing. A text that is not an identifier equals nothing, itself
// included.
func Equal(a, b string) bool {
	x, err := normalise(a)
	if err != nil {
		return false
	}
	y, err := normalise(b)
	return err == nil && x == y
}

// Hash is a short label for logs: the first 8 hexadecimal digits of the SHA-256 of the normalised text, or of the text as
// it is when it is not an identifier. Equal identifiers have equal labels; the label does not give the identifier away
// to somebody who cannot guess it.
func Hash(s string) string {
	if text, err := normalise(s); err == nil {
		s = text
	}
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:4])
}

func normalise(s string) (string, error) {
	if len(s) > MaxLen {
		return "", ErrLength
	}
	if len(s) < len(scheme) || !strings.EqualFold(s[:len(scheme)], scheme) {
		return "", ErrScheme
	}
	host, path, hasPath := strings.Cut(s[len(scheme):], "/")
	host, err := normaliseHost(host)
	if err != nil {
		return "", err
	}
	if !hasPath {
		return scheme + host, nil
	}
	segments := strings.Split(path, "/")
	if len(segments[0]) != 1 {
		return "", ErrKind
	}
	most := Kind(segments[0][0]).maxSegments()
	if most == 0 {
		return "", ErrKind
	}
	if len(segments) < 2 || len(segments) > 1+most {
		return "", ErrSegment
	}
	for n, segment := range segments[1:] {
		if segments[n+1], err = normaliseSegment(segment); err != nil {
			return "", err
		}
	}
	return scheme + host + "/" + strings.Join(segments, "/"), nil
}

// normaliseHost accepts DNS names of letters, digits and hyphens (RFC 1123 §2.1). No port and no user information: an
// identifier names a provider, not an address. U-labels are refused because converting them is ambiguous across versions.
func normaliseHost(host string) (string, error) {
	if host == "" || len(host) > 253 {
		return "", ErrHost
	}
	host = strings.ToLower(host)
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return "", ErrHost
		}
		for _, c := range []byte(label) {
			if c != '-' && (c < 'a' || c > 'z') && (c < '0' || c > '9') {
				return "", ErrHost
			}
		}
	}
	return host, nil
}

func normaliseSegment(s string) (string, error) {
	out := make([]byte, 0, len(s))
	for n := 0; n < len(s); n++ {
		c := s[n]
		if c != '%' {
			if !unreserved(c) && !strings.ContainsRune("!$&'()*+,;=:@", rune(c)) {
				return "", ErrChar // not a pchar of RFC 3986 §3.3
			}
			out = append(out, c)
			continue
		}
		if n+2 >= len(s) || !hexDigit(s[n+1]) || !hexDigit(s[n+2]) {
			return "", ErrEscape
		}
		octet := unhex(s[n+1])<<4 | unhex(s[n+2])
		if unreserved(octet) {
			out = append(out, octet)
		} else {
			out = appendEscape(out, octet)
		}
		n += 2
	}
	// A dot segment would vanish in any HTTP path cleaner on the way and so name something else (RFC 3986 §5.2.4).
	if text := string(out); text != "" && text != "." && text != ".." {
		return text, nil
	}
	return "", ErrSegment
}
