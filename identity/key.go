package identity

import (
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"
	"golang.org/x/net/idna"
	"golang.org/x/text/cases"
	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/norm"

	"parley/mimi"
	"parley/uri"
)

// What can be wrong with an address or a field.
var (
	ErrAddress = errors.New("identity: the address is not well-formed")
	ErrField   = errors.New("identity: the profile has no such field")
	ErrValue   = errors.New("identity: the value is empty, too long or has characters that it may not have")
)

// mostValue bounds a value, in octets.
const mostValue = 512

// Key is the form in which values of a type are compared; two values match exactly when their keys are equal. It fails for what no
// entry can have. Phone numbers must be E.164 with the plus sign (§5.8): Phone makes that of what a person types.
func Key(t mimi.SearchType, name, value string) (string, error) {
	if value == "" || len(value) > mostValue || !utf8.ValidString(value) || strings.ContainsFunc(value, unprintable) {
		return "", ErrValue
	}
	switch t {
	case mimi.SearchHandle:
		return handleKey(value)
	case mimi.SearchNick:
		return nickKey(value)
	case mimi.SearchEmail:
		return emailKey(value)
	case mimi.SearchPhone:
		return phoneKey(value)
	case mimi.SearchOIDCClaim:
		if !oidcClaims[name] {
			return "", ErrField
		}
		return norm.NFC.String(value), nil
	case mimi.SearchVCardField:
		if !vcardProperties[name] {
			return "", ErrField
		}
		return norm.NFC.String(value), nil
	}
	return "", ErrField
}

// unprintable is true of what could deceive a reader: controls, and marks that turn the direction of text.
func unprintable(r rune) bool {
	return unicode.IsControl(r) || r == utf8.RuneError || (r >= 0x202A && r <= 0x202E) || (r >= 0x2066 && r <= 0x2069) || r == 0x200E || r == 0x200F
}

// Fold is the form in which parts of values are searched for.
func Fold(value string) string { return cases.Fold().String(norm.NFKC.String(value)) }

// Phone makes E.164 of a number as people of a region write it. region is a two-letter code; "" takes only numbers with a plus sign.
func Phone(number, region string) (string, error) {
	if region == "" {
		region = "ZZ"
	}
	if len(number) > 64 {
		return "", ErrAddress
	}
	n, err := phonenumbers.Parse(number, region)
	if err != nil || n.GetExtension() != "" || !phonenumbers.IsPossibleNumber(n) {
		return "", ErrAddress
	}
	return phonenumbers.Format(n, phonenumbers.E164), nil
}

// phoneKey takes E.164 only: a plus sign, a digit that is not 0, at most 15 digits.
func phoneKey(v string) (string, error) {
	digits, plus := strings.CutPrefix(v, "+")
	if !plus || len(digits) < 5 || len(digits) > 15 || digits[0] == '0' {
		return "", ErrAddress
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return "", ErrAddress
		}
	}
	return v, nil
}

// emailKey takes one addr-spec. Domains are compared in their ASCII form; local parts without case, because no mailbox provider that
// people use tells them apart, and two users must not own one mailbox.
func emailKey(v string) (string, error) {
	at := strings.LastIndexByte(v, '@')
	// The dot-atom form only (RFC 5321 4.1.2): nobody types quoted local parts.
	if at < 1 || at > 64 || strings.ContainsAny(v[:at], "()<>[]:;@\\,\" ") || strings.Contains("."+v[:at]+".", "..") {
		return "", ErrAddress
	}
	local, err := precis.UsernameCaseMapped.String(v[:at])
	if err != nil {
		return "", ErrAddress
	}
	domain, err := idna.Lookup.ToASCII(v[at+1:])
	if err != nil || !strings.Contains(domain, ".") || strings.Contains("."+domain+".", "..") {
		return "", ErrAddress
	}
	return local + "@" + strings.ToLower(domain), nil
}

// handleKey takes a whole URI of ASCII characters, so that look-alikes of other scripts are no handles.
func handleKey(v string) (string, error) {
	for i := range len(v) {
		if v[i] <= ' ' || v[i] >= 0x7f {
			return "", ErrAddress
		}
	}
	scheme, rest, ok := strings.Cut(v, ":")
	if !ok || rest == "" {
		return "", ErrAddress
	}
	switch scheme = strings.ToLower(scheme); scheme {
	case "mimi":
		u, err := uri.ParseUser(v)
		if err != nil {
			return "", ErrAddress
		}
		return u.String(), nil
	case "xmpp", "im", "irc", "ircs":
		if strings.ContainsAny(rest, "/?#") && scheme != "irc" && scheme != "ircs" {
			return "", ErrAddress // a resource or a query is not of the user
		}
		return scheme + ":" + strings.ToLower(rest), nil
	case "matrix":
		if !strings.HasPrefix(rest, "u/") || !strings.Contains(rest, ":") {
			return "", ErrAddress
		}
		return scheme + ":" + strings.ToLower(rest), nil
	case "sip", "sips":
		user, host, ok := strings.Cut(rest, "@")
		if !ok || user == "" || host == "" || strings.ContainsAny(rest, ";?") {
			return "", ErrAddress
		}
		return scheme + ":" + user + "@" + strings.ToLower(host), nil
	}
	return "", ErrAddress
}

// nickKey compares nicknames by RFC 8266.
func nickKey(v string) (string, error) {
	key, err := precis.Nickname.CompareKey(v)
	if err != nil || key == "" {
		return "", ErrValue
	}
	return key, nil
}

// oidcClaims are the standard claims of OpenID Connect Core 5.1 that a profile may have. E-mail and phone number are addresses.
var oidcClaims = set("name", "given_name", "family_name", "middle_name", "nickname", "preferred_username", "profile", "picture", "website",
	"gender", "birthdate", "zoneinfo", "locale", "address")

// vcardProperties are those of RFC 6350 that a profile may have. EMAIL, TEL and IMPP are addresses.
var vcardProperties = set("FN", "N", "NICKNAME", "PHOTO", "BDAY", "ANNIVERSARY", "GENDER", "ADR", "LANG", "TZ", "GEO", "TITLE", "ROLE",
	"LOGO", "ORG", "RELATED", "CATEGORIES", "NOTE", "URL")

// nameFields are the fields that hold names of people, by type and name.
var nameFields = map[mimi.SearchType]map[string]bool{
	mimi.SearchNick:       set(""),
	mimi.SearchOIDCClaim:  set("name", "given_name", "family_name", "middle_name", "nickname", "preferred_username"),
	mimi.SearchVCardField: set("FN", "N", "NICKNAME"),
}

// addressFields are claims and properties that stand for addresses.
var addressFields = map[mimi.SearchType]map[string]mimi.SearchType{
	mimi.SearchOIDCClaim:  {"email": mimi.SearchEmail, "phone_number": mimi.SearchPhone, "sub": mimi.SearchHandle},
	mimi.SearchVCardField: {"EMAIL": mimi.SearchEmail, "TEL": mimi.SearchPhone, "IMPP": mimi.SearchHandle},
}

func set(names ...string) map[string]bool {
	out := make(map[string]bool, len(names))
	for _, n := range names {
		out[n] = true
	}
	return out
}
