package render

import (
	"net/url"
	"strings"

	"golang.org/x/net/idna"

	"parley/uri"
)

const maxTarget = 2048 // octets of a link's target

// Verdict is what the text of a link says about where it leads (draft-ietf-mimi-content-08 §9.6).
type Verdict uint8

// The verdicts. Before a user follows a link that is not LinkSame, the app shows the target and asks.
const (
	LinkSame       Verdict = iota // the text is the target, or the same in another form (A-C22)
	LinkDiffers                   // the text is something else
	LinkDowngraded                // the text says https, the target is http
	LinkMention                   // of a user of the room; the text is only a hint
)

// LinkTo is a link in a text.
type LinkTo struct {
	Text    string
	Target  string
	Verdict Verdict
}

// safeTarget is a target in the form in which it may be followed. Only absolute URLs of schemes that an app opens knowingly are.
func safeTarget(target string) (string, bool) {
	target = strings.TrimSpace(target)
	scheme, rest, found := strings.Cut(target, ":")
	if !found || len(target) > maxTarget || target != Visible(target) || strings.ContainsAny(target, "\n\r\t") {
		return "", false
	}
	switch strings.ToLower(scheme) {
	case "http", "https":
		u, ok := parseWeb(target)
		if !ok {
			return "", false
		}
		return u.String(), true
	case "mimi":
		u, err := uri.Parse(target)
		if err != nil {
			return "", false
		}
		return u.String(), true
	case "mailto", "tel", "sip", "sips", "xmpp", "im":
		if rest == "" {
			return "", false
		}
		return strings.ToLower(scheme) + ":" + escapeRest(rest), true
	}
	return "", false
}

// escapeRest escapes what does not stand in a URL.
func escapeRest(s string) string {
	const hex = "0123456789ABCDEF"
	var b strings.Builder
	for _, c := range []byte(s) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte("\"<>\\^`{|}", c) >= 0 {
			b.WriteString("%" + string(hex[c>>4]) + string(hex[c&15]))
			continue
		}
		b.WriteByte(c)
	}
	return b.String()
}

// parseWeb reads an http or https URL; its host is lower case and in A-labels.
func parseWeb(s string) (*url.URL, bool) {
	u, err := url.Parse(s)
	if err != nil || u.Opaque != "" || u.Hostname() == "" {
		return nil, false
	}
	u.Scheme = strings.ToLower(u.Scheme)
	host := strings.ToLower(u.Hostname())
	if !strings.Contains(host, ":") { // not an IPv6 address
		if host, err = idna.Lookup.ToASCII(host); err != nil {
			return nil, false
		}
	} else {
		host = "[" + host + "]"
	}
	if port := u.Port(); port != "" {
		host += ":" + port
	}
	u.Host = host
	return u, true
}

// Judge compares the text of a link with its target.
func Judge(text, target string) Verdict {
	text = strings.TrimSpace(text)
	if text == target {
		return LinkSame
	}
	if scheme, _, _ := strings.Cut(target, ":"); scheme != "http" && scheme != "https" {
		return judgeOther(text, target)
	}
	to, ok := parseWeb(target)
	if !ok || to.User != nil || text != Visible(text) || strings.ContainsAny(text, " \n\t\u200b\u200c\u200d\u2060\ufeff\u00ad") {
		return LinkDiffers
	}
	if head, _, _ := strings.Cut(text, "/"); !strings.Contains(text, "://") && strings.Contains(head, ".") {
		text = "https://" + text
	}
	from, ok := parseWeb(text)
	if !ok || from.User != nil {
		return LinkDiffers
	}
	same := canonical(from) == canonical(to)
	switch {
	case !same:
		return LinkDiffers
	case from.Scheme == to.Scheme, from.Scheme == "http" && to.Scheme == "https":
		return LinkSame
	case from.Scheme == "https" && to.Scheme == "http":
		return LinkDowngraded
	}
	return LinkDiffers
}

// judgeOther compares texts and targets that are not of the web: an address without its scheme is the same, and so are two forms of
// one identifier.
func judgeOther(text, target string) Verdict {
	scheme, rest, _ := strings.Cut(target, ":")
	switch {
	case scheme == "mimi" && uri.Equal(text, target):
	case scheme == "tel" && digits(text) == digits(rest) && digits(text) != "":
	case scheme != "mimi" && strings.EqualFold(text, rest):
	case strings.EqualFold(text, target):
	default:
		return LinkDiffers
	}
	return LinkSame
}

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9' || r == '+':
			return r
		case strings.ContainsRune(" -().", r):
			return -1
		}
		return 'x'
	}, strings.TrimPrefix(s, "tel:"))
}

// canonical is a web address without its scheme, in the one form that all equivalent addresses have (RFC 3986 §6.2).
func canonical(u *url.URL) string {
	host := u.Host
	if u.Scheme == "https" {
		host = strings.TrimSuffix(host, ":443")
	} else {
		host = strings.TrimSuffix(host, ":80")
	}
	host = strings.TrimSuffix(host, ":")
	path := u.EscapedPath()
	if path == "" {
		path = "/"
	}
	out := strings.TrimSuffix(host, ".") + normalPath(normalEscapes(path))
	if u.RawQuery != "" || u.ForceQuery {
		out += "?" + normalEscapes(u.RawQuery)
	}
	if fragment := u.EscapedFragment(); fragment != "" {
		out += "#" + normalEscapes(fragment)
	}
	return out
}

// normalPath resolves the segments . and .. (RFC 3986 §5.2.4).
func normalPath(path string) string {
	var out []string
	segments := strings.Split(strings.TrimPrefix(path, "/"), "/")
	for n, s := range segments {
		last := n == len(segments)-1
		switch s {
		case ".", "..":
			if s == ".." && len(out) > 0 {
				out = out[:len(out)-1]
			}
			if last {
				out = append(out, "")
			}
		default:
			out = append(out, s)
		}
	}
	return "/" + strings.Join(out, "/")
}

// normalEscapes writes escapes in upper case and resolves those that need not be.
func normalEscapes(s string) string {
	var b strings.Builder
	for n := 0; n < len(s); n++ {
		if s[n] == '%' && n+2 < len(s) {
			if plain, err := url.PathUnescape(s[n : n+3]); err == nil {
				if unreserved(plain[0]) {
					b.WriteString(plain)
				} else {
					b.WriteString(strings.ToUpper(s[n : n+3]))
				}
				n += 2
				continue
			}
		}
		b.WriteByte(s[n])
	}
	return escapeRest(b.String())
}

func unreserved(c byte) bool {
	return c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0
}
