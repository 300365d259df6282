package mimihttp

import (
	"net"
	"net/http"
	"strings"

	"parley/uri"
)

// The one place that knows how a request names its source (draft-ietf-mimi-protocol-06 §4.1, A-01): the From header, a bare address
// with this local part.
const (
	headerFrom = "From"
	localPart  = "mimi@"
)

func fromOf(p uri.Provider) string { return localPart + p.Domain() }

// callerOf reads the provider that a request says it comes from. There must be exactly one address, without a display name,
// comment or spaces.
func callerOf(h http.Header) (uri.Provider, bool) {
	values := h[headerFrom]
	if len(values) != 1 {
		return uri.Provider{}, false
	}
	domain, ok := strings.CutPrefix(values[0], localPart)
	if !ok {
		return uri.Provider{}, false
	}
	p, err := uri.ProviderFromDomain(domain)
	return p, err == nil
}

// targetOf reads the domain that a request is for. The port does not matter; HTTP/2 may carry a Host header beside :authority, and
// then they must agree.
func targetOf(r *http.Request) (domain string, ok bool) {
	domain, ok = hostDomain(r.Host)
	for _, also := range r.Header["Host"] {
		other, valid := hostDomain(also)
		ok = ok && valid && other == domain
	}
	return domain, ok
}

func hostDomain(host string) (string, bool) {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	p, err := uri.ProviderFromDomain(host)
	if err != nil || net.ParseIP(strings.TrimSuffix(host, ".")) != nil {
		return "", false
	}
	return p.Domain(), true
}
