package xmpp

import (
	"strings"

	"parley/uri"
)

// split takes an address apart (RFC 7622 §3.1).
func split(jid string) (local, domain, resource string) {
	bare, resource, _ := strings.Cut(jid, "/")
	local, domain, found := strings.Cut(bare, "@")
	if !found {
		return "", bare, resource
	}
	return local, domain, resource
}

// bare is an address without its resource, in the form in which addresses are compared. The server has normalised it.
func bare(jid string) string {
	jid, _, _ = strings.Cut(jid, "/")
	return strings.ToLower(jid)
}

// escapes of XEP-0106.
var escapes = []string{"\\20", " ", "\\22", `"`, "\\26", "&", "\\27", "'", "\\2f", "/", "\\3a", ":", "\\3c", "<", "\\3e", ">", "\\40", "@", "\\5c", "\\"}

// mostLocal is how long the local part of an address may be, in octets.
const mostLocal = 1023

// ghost is the local part of the address of a user of MIMI; ok is false for names that addresses cannot have: those in which capital
// letters tell people apart.
func ghost(u uri.User) (local string, ok bool) {
	_, name, _ := strings.Cut(u.String(), "/u/")
	var b strings.Builder
	for _, c := range []byte(strings.ToLower(name)) {
		at := -1
		for n := 1; n < len(escapes); n += 2 {
			if escapes[n] == string(rune(c)) {
				at = n - 1
			}
		}
		if at >= 0 {
			b.WriteString(escapes[at])
		} else {
			b.WriteByte(c)
		}
	}
	local = b.String() + "\\40" + u.Domain()
	back, found := userOf(local)
	return local, found && back == u && len(local) <= mostLocal
}

// userOf is the user of MIMI whose address has a local part.
func userOf(local string) (uri.User, bool) {
	at := strings.LastIndex(local, "\\40")
	if at <= 0 {
		return uri.User{}, false
	}
	name, domain := local[:at], local[at+len("\\40"):]
	var b strings.Builder
	for n := 0; n < len(name); {
		found := false
		for k := 0; k < len(escapes) && !found; k += 2 {
			if strings.HasPrefix(name[n:], escapes[k]) {
				b.WriteString(escapes[k+1])
				n += len(escapes[k])
				found = true
			}
		}
		if !found {
			b.WriteByte(name[n])
			n++
		}
	}
	if strings.Contains(b.String(), "/") || strings.Contains(domain, "/") {
		return uri.User{}, false
	}
	u, err := uri.ParseUser("mimi://" + domain + "/u/" + b.String())
	return u, err == nil
}
