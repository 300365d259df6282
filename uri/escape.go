package uri

const upperHex = "0123456789ABCDEF"

// Escape percent-escapes everything outside the unreserved set of RFC 3986 §2.3, so that the result is one path segment
// wherever it is put. An escape already in s is escaped again.
func Escape(s string) string {
	out := make([]byte, 0, len(s)+len(s)/4)
	for _, c := range []byte(s) {
		if unreserved(c) {
			out = append(out, c)
		} else {
			out = appendEscape(out, c)
		}
	}
	return string(out)
}

// Unescape undoes exactly one level of escaping. A plus stays a plus. The result may be any octets.
func Unescape(s string) (string, error) {
	out := make([]byte, 0, len(s))
	for n := 0; n < len(s); n++ {
		if s[n] != '%' {
			out = append(out, s[n])
			continue
		}
		if n+2 >= len(s) || !hexDigit(s[n+1]) || !hexDigit(s[n+2]) {
			return "", ErrEscape
		}
		out = append(out, unhex(s[n+1])<<4|unhex(s[n+2]))
		n += 2
	}
	return string(out), nil
}

func appendEscape(out []byte, c byte) []byte { return append(out, '%', upperHex[c>>4], upperHex[c&15]) }

func unreserved(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	return c == '-' || c == '.' || c == '_' || c == '~'
}

func hexDigit(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func unhex(c byte) byte {
	if c <= '9' {
		return c - '0'
	}
	return (c | 0x20) - 'a' + 10
}
