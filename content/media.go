package content

import (
	"bytes"
	"slices"
	"strings"

	"parley/syntax"
)

type parameter struct{ name, value []byte }

func (p *parameter) Syntax(c *syntax.Codec) {
	syntax.Opaque(c, &p.name)
	syntax.Opaque(c, &p.value)
}

func (p parameter) equal(q parameter) bool {
	return bytes.Equal(p.name, q.name) && bytes.Equal(p.value, q.value)
}

// framing is ApplicationFraming of draft-ietf-mls-extensions §6.2.4.
type framing struct {
	mediaType  []byte
	parameters []parameter
	inner      []byte
}

func (f *framing) Syntax(c *syntax.Codec) {
	syntax.Opaque(c, &f.mediaType)
	syntax.Structs(c, &f.parameters)
	syntax.Opaque(c, &f.inner)
}

// Frame puts the application framing around content, as all application data has it in a group that requires content media
// types. The media type is in the usual form, type/subtype;name=value; quotes are resolved, since the wire has none. The
// empty string stands for the first media type of the group's list.
//
// A media type that is not of that form gives nil, which no receiver accepts.
func Frame(mediaType string, inner []byte) []byte {
	name, parameters, ok := parseMedia(mediaType)
	if !ok {
		return nil
	}
	f := framing{mediaType: []byte(name), parameters: parameters, inner: inner}
	b, err := syntax.Marshal(&f)
	if err != nil {
		return nil
	}
	return b
}

// Unframe takes the framing off. The media type comes with its parameters, in their order and as they were written, values
// quoted where they have to be.
func Unframe(data []byte) (mediaType string, inner []byte, err error) {
	var f framing
	if err := syntax.Unmarshal(data, &f); err != nil {
		return "", nil, ErrFraming
	}
	text := string(f.mediaType)
	for _, p := range f.parameters {
		text += ";" + string(p.name) + "=" + quote(string(p.value))
	}
	// A name with separators or space of the text form in it would read as something else.
	name, parameters, ok := parseMedia(text)
	if !ok || name != string(f.mediaType) || !slices.EqualFunc(parameters, f.parameters, parameter.equal) {
		return "", nil, ErrFraming
	}
	return text, f.inner, nil
}

// parseMedia splits a media type into its name and parameters. Case is kept, optional space and quotes are not.
func parseMedia(s string) (name string, parameters []parameter, ok bool) {
	name, rest, more := strings.Cut(s, ";")
	name = strings.Trim(name, " \t")
	if major, minor, slash := strings.Cut(name, "/"); name != "" && (!slash || !token(major) || !token(minor)) {
		return "", nil, false
	}
	for more {
		var key, value string
		key, rest, ok = strings.Cut(rest, "=")
		key = strings.Trim(key, " \t")
		if !ok || !token(key) {
			return "", nil, false
		}
		if value, rest, more, ok = parseValue(rest); !ok {
			return "", nil, false
		}
		parameters = append(parameters, parameter{[]byte(key), []byte(value)})
	}
	return name, parameters, true
}

// parseValue reads a parameter's value, quoted or not, and the separator after it.
func parseValue(s string) (value, rest string, more, ok bool) {
	if !strings.HasPrefix(strings.TrimLeft(s, " \t"), `"`) {
		value, rest, more = strings.Cut(s, ";")
		value = strings.Trim(value, " \t")
		return value, rest, more, token(value)
	}
	s = strings.TrimLeft(s, " \t")[1:]
	var out []byte
	for n := 0; n < len(s); n++ {
		switch s[n] {
		case '"':
			tail := strings.TrimLeft(s[n+1:], " \t")
			if tail == "" {
				return string(out), "", false, true
			}
			return string(out), tail[1:], true, tail[0] == ';'
		case '\\':
			if n++; n == len(s) {
				return "", "", false, false
			}
		}
		out = append(out, s[n])
	}
	return "", "", false, false
}

func quote(s string) string {
	if token(s) {
		return s
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// token is the token of RFC 2045 §5.1.
func token(s string) bool {
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`()<>@,;:\"/[]?=`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// mediaName is the type and subtype in lower case, without parameters: what media types are compared by.
func mediaName(s string) string {
	name, _, _ := strings.Cut(s, ";")
	return strings.ToLower(strings.Trim(name, " \t"))
}

// MatchMedia reports whether contentType is of the kind that pattern names: the same type and subtype, and every parameter of
// the pattern. Case, quotes and optional space do not matter, and neither do the parameters that tell how a text is written: its
// charset and the variant of Markdown, all of which are read as GFM-MIMI.
func MatchMedia(pattern, contentType string) bool {
	if mediaName(pattern) != mediaName(contentType) {
		return false
	}
	_, wanted, ok := parseMedia(pattern)
	if !ok {
		return false
	}
	_, have, _ := parseMedia(contentType)
	text := strings.HasPrefix(mediaName(pattern), "text/")
	for _, w := range wanted {
		name := strings.ToLower(string(w.name))
		if text && (name == "charset" || name == "variant") {
			continue
		}
		if got, found := value(have, name); !found || !strings.EqualFold(got, string(w.value)) {
			return false
		}
	}
	return true
}

func value(parameters []parameter, name string) (string, bool) {
	for _, p := range parameters {
		if strings.EqualFold(string(p.name), name) {
			return string(p.value), true
		}
	}
	return "", false
}

// readableCharset reports whether the octets of a text of this type are UTF-8, as far as the type tells. Other types are
// readable.
func readableCharset(contentType string) bool {
	if !strings.HasPrefix(mediaName(contentType), "text/") {
		return true
	}
	_, parameters, _ := parseMedia(contentType)
	charset, found := value(parameters, "charset")
	return !found || strings.EqualFold(charset, "utf-8") || strings.EqualFold(charset, "us-ascii")
}
