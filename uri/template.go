package uri

import "strings"

const maxTemplate = 2048 // octets; far above what a directory needs

// Template is one endpoint URL of a provider's directory: an absolute https URL with exactly one variable in its path or
// query (draft-ietf-mimi-protocol-06 §5.1, A-06). The variable's name carries no meaning except in ExpandParty.
type Template struct{ before, name, after string }

// ParseTemplate refuses what could send a request elsewhere than it looks: other schemes, user information, fragments, a
// variable in the authority (P-DIR-07).
func ParseTemplate(s string) (Template, error) {
	if len(s) > maxTemplate || len(s) < len("https://") || !strings.EqualFold(s[:len("https://")], "https://") {
		return Template{}, ErrTemplate
	}
	before, rest, opened := strings.Cut(s, "{")
	name, after, closed := strings.Cut(rest, "}")
	if !opened || !closed || !variableName(name) {
		return Template{}, ErrTemplate
	}
	t := Template{before, name, after}
	tail := before[len("https://"):]
	end := strings.IndexAny(tail, "/?")
	if end < 0 || !authority(tail[:end]) || !urlText(tail[end:]) || !urlText(after) {
		return Template{}, ErrTemplate
	}
	return t, nil
}

// Var is the variable's name.
func (t Template) Var() string { return t.name }

// String is the template as it was given.
func (t Template) String() string {
	if t.IsZero() {
		return ""
	}
	return t.before + "{" + t.name + "}" + t.after
}

// IsZero reports whether the value is no template: the endpoint is not offered.
func (t Template) IsZero() bool { return t.before == "" }

// Expand puts the fully escaped value where the variable stands. It returns "" for the zero value.
func (t Template) Expand(value string) string {
	if t.IsZero() {
		return ""
	}
	return t.before + Escape(value) + t.after
}

// ExpandParty fills the variable of the two consent endpoints, where the draft's directory and its section disagree: with
// the user's URI if the variable's name ends in "User", with the user's domain otherwise.
func (t Template) ExpandParty(u User) string {
	if strings.HasSuffix(t.name, "User") {
		return t.Expand(u.String())
	}
	return t.Expand(u.Domain())
}

// Authority is host[:port], in lower case.
func (t Template) Authority() string {
	if t.IsZero() {
		return ""
	}
	tail := t.before[len("https://"):]
	return strings.ToLower(tail[:strings.IndexAny(tail, "/?")])
}

// Host is the authority without the port.
func (t Template) Host() string {
	host, _, _ := strings.Cut(t.Authority(), ":")
	return host
}

// AcceptPath reads the value of an endpoint's variable as it stands in the request path, before any unescaping: the
// escaped identifier, with or without the colon escaped, or the form of the draft's figures without the scheme, where the
// slashes may stand raw. A bare domain is a provider, as consent requests have it.
//
// The value must come from the escaped path: a router that unescapes first turns %252F into %2F here, and an identifier
// with an escaped slash into another one.
func AcceptPath(escaped string) (URI, error) {
	if len(escaped) > 3*MaxLen {
		return URI{}, ErrLength
	}
	text := escaped
	if !strings.Contains(text, "/") {
		plain, err := Unescape(escaped)
		if err != nil {
			return URI{}, err
		}
		text = plain
	}
	if len(text) < len(scheme) || !strings.EqualFold(text[:len(scheme)], scheme) {
		text = scheme + text
	}
	return Parse(text)
}

func variableName(s string) bool {
	for _, c := range []byte(s) {
		if !unreserved(c) {
			return false
		}
	}
	return s != ""
}

func authority(s string) bool {
	host, port, hasPort := strings.Cut(s, ":")
	if _, err := normaliseHost(host); err != nil {
		return false
	}
	if !hasPort {
		return true
	}
	if port == "" || len(port) > 5 {
		return false
	}
	number := 0
	for _, c := range []byte(port) {
		if c < '0' || c > '9' {
			return false
		}
		number = number*10 + int(c-'0')
	}
	return number > 0 && number <= 65535
}

// urlText accepts the characters of a path and query (RFC 3986 §3.3, §3.4) with whole escapes.
func urlText(s string) bool {
	for _, c := range []byte(s) {
		if !unreserved(c) && !strings.ContainsRune("%!$&'()*+,;=:@/?", rune(c)) {
			return false
		}
	}
	_, err := Unescape(s)
	return err == nil
}
