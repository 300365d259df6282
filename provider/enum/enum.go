// Package enum asks the DNS whose phone number is whose (ENUM, RFC 6116): the number +4930123 is the name 3.2.1.0.3.9.4.e164.arpa,
// whose NAPTR records hold URIs.
//
// Answers are hints: they say which provider to ask, and that one decides whom it names. An answer of a resolver that lies leads a
// query to another peer, never to a stranger.
package enum

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/miekg/dns"
)

// Resolver asks one DNS server. It is safe for concurrent use.
type Resolver struct {
	Server string // host:port
	Apex   string // "" means e164.arpa
}

// What can go wrong.
var (
	ErrNumber = errors.New("enum: the number is not E.164 with a plus sign")
	ErrAnswer = errors.New("enum: the DNS server gave no usable answer")
)

const (
	mostRecords = 32
	mostRegexp  = 512 // octets
)

// Lookup returns the URIs of a number in the order in which they should be tried; none is no error.
func (r *Resolver) Lookup(ctx context.Context, number string) ([]string, error) {
	name, err := r.name(number)
	if err != nil {
		return nil, err
	}
	q := new(dns.Msg)
	q.SetQuestion(name, dns.TypeNAPTR)
	q.SetEdns0(1232, false)
	answer, err := r.exchange(ctx, q)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	switch answer.Rcode {
	case dns.RcodeSuccess, dns.RcodeNameError:
	default:
		return nil, fmt.Errorf("%w: %s", ErrAnswer, dns.RcodeToString[answer.Rcode])
	}
	return uris(answer.Answer, name, number), nil
}

// exchange asks over UDP, and over TCP when the answer does not fit.
func (r *Resolver) exchange(ctx context.Context, q *dns.Msg) (*dns.Msg, error) {
	answer, _, err := (&dns.Client{}).ExchangeContext(ctx, q, r.Server)
	if err != nil || !answer.Truncated {
		return answer, err
	}
	answer, _, err = (&dns.Client{Net: "tcp"}).ExchangeContext(ctx, q, r.Server)
	return answer, err
}

func (r *Resolver) name(number string) (string, error) {
	digits, plus := strings.CutPrefix(number, "+")
	if !plus || digits == "" || len(digits) > 15 || strings.Trim(digits, "0123456789") != "" {
		return "", ErrNumber
	}
	var b strings.Builder
	for i := range len(digits) {
		b.WriteByte(digits[len(digits)-1-i])
		b.WriteByte('.')
	}
	return b.String() + dns.Fqdn(cmp.Or(r.Apex, "e164.arpa")), nil
}

// uris applies the terminal records for messaging, by order and preference. Non-terminal rules are not followed (RFC 6116 3.4.1 lets
// a client decide).
func uris(answer []dns.RR, name, number string) []string {
	var records []*dns.NAPTR
	for _, rr := range answer {
		n, ok := rr.(*dns.NAPTR)
		if ok && strings.EqualFold(n.Hdr.Name, name) && strings.EqualFold(n.Flags, "u") && serves(n.Service) && len(records) < mostRecords {
			records = append(records, n)
		}
	}
	slices.SortStableFunc(records, func(a, b *dns.NAPTR) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Preference, b.Preference))
	})
	var out []string
	for _, n := range records {
		if u, ok := rewrite(octets(n.Regexp), number); ok && !slices.Contains(out, u) {
			out = append(out, u)
		}
	}
	return out
}

// octets undoes the escapes of the DNS' presentation format, in which the library hands texts out.
func octets(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] != '\\' || i+1 == len(text) {
			b.WriteByte(text[i])
			continue
		}
		if i+3 < len(text) {
			if n, err := strconv.ParseUint(text[i+1:i+4], 10, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		i++
		b.WriteByte(text[i])
	}
	return b.String()
}

// serves reports whether a service field, E2U+type or E2U+type:subtype joined by +, names something that we can chat with.
func serves(service string) bool {
	parts := strings.Split(strings.ToLower(service), "+")
	if parts[0] != "e2u" {
		return false
	}
	return slices.ContainsFunc(parts[1:], func(p string) bool {
		kind, _, _ := strings.Cut(p, ":")
		return kind == "mimi" || kind == "im" || kind == "xmpp" || kind == "sip"
	})
}

// rewrite applies the substitution of a record, !pattern!replacement!flags, whose delimiter is its first character. Go's expressions run
// in linear time, so a hostile pattern costs no more than its length.
func rewrite(text, number string) (string, bool) {
	if len(text) < 3 || len(text) > mostRegexp {
		return "", false
	}
	parts := strings.Split(text[1:], text[:1])
	if len(parts) != 3 || (parts[2] != "" && parts[2] != "i") {
		return "", false
	}
	pattern := parts[0]
	if parts[2] == "i" {
		pattern = "(?i)" + pattern
	}
	re, err := regexp.Compile(pattern)
	if err != nil {
		return "", false
	}
	m := re.FindStringSubmatch(number)
	if m == nil {
		return "", false
	}
	out, ok := expand(parts[1], m)
	return out, ok && len(out) <= mostRegexp
}

// expand fills \1 to \9 in.
func expand(replacement string, groups []string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(replacement); i++ {
		c := replacement[i]
		if c != '\\' {
			b.WriteByte(c)
			continue
		}
		i++
		if i == len(replacement) {
			return "", false
		}
		n := int(replacement[i] - '0')
		if replacement[i] < '1' || replacement[i] > '9' || n >= len(groups) {
			return "", false
		}
		b.WriteString(groups[n])
	}
	return b.String(), true
}
