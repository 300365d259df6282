package mimihttp

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"parley/mimi"
	"parley/uri"
)

const (
	directoryPath  = "/.well-known/" + mimi.WellKnown
	endpointPrefix = "/mimi/"

	maxDirectory     = 64 << 10 // octets
	directoryTimeout = 5 * time.Second
	directoryAge     = time.Hour // how long our own may be kept, and how long one is kept that does not say

	minDirectoryAge = time.Minute // P-DIR-09
	maxDirectoryAge = 24 * time.Hour
)

// The reasons for which an operation cannot be asked of a peer.
var (
	ErrNotOffered = errors.New("mimihttp: peer does not offer the endpoint")
	ErrNoVersion  = errors.New("mimihttp: peer offers no known version of the protocol")
	ErrTemplate   = errors.New("mimihttp: peer's URL for the endpoint is refused")
	ErrDirectory  = errors.New("mimihttp: peer's directory cannot be read")
)

// offered are the endpoints that this Server serves; others are left out of the directory, which says so (P-DIR-06).
func offered() []mimi.Endpoint {
	return []mimi.Endpoint{mimi.KeyMaterial, mimi.Update, mimi.Notify, mimi.SubmitMessage, mimi.GroupInfo, mimi.RequestConsent,
		mimi.UpdateConsent, mimi.ReportAbuse, mimi.IdentifierQuery}
}

// directory serves the provider's directory to anybody.
func (x *exchange) directory() error {
	x.event.Endpoint = "directory"
	if x.r.Method != http.MethodGet && x.r.Method != http.MethodHead {
		x.w.Header().Set("Allow", "GET, HEAD")
		return errMethod
	}
	authority := orDefault(x.tenant.Authority, x.tenant.Provider.Domain())
	members := make(map[string]string)
	for _, e := range offered() {
		info := e.Info()
		members[info.Member] = "https://" + authority + endpointPrefix + info.Member + "/{" + info.Variable + "}"
	}
	if x.tenant.Files != nil {
		info := mimi.ProxyDownload.Info()
		members[info.Member] = "https://" + authority + endpointPrefix + info.Member + "/{" + info.Variable + "}"
		members[gatewayMember] = "https://" + authority + gatewayPath
		members[keysMember] = members[gatewayMember]
	}
	if x.tenant.Authorities != nil {
		members[authoritiesMember] = pemOf(x.tenant.Authorities())
	}
	data, err := json.Marshal(members)
	if err != nil {
		return err
	}
	x.w.Header().Set("Cache-Control", "max-age="+strconv.Itoa(int(directoryAge.Seconds())))
	x.respond(http.StatusOK, "application/json", data)
	return nil
}

// directory is a peer's endpoints as they were fetched.
type directory struct {
	templates map[mimi.Endpoint]uri.Template
	refused   map[mimi.Endpoint]bool // offered in a form that is refused (P-DIR-07)
	until     time.Time

	authorities [][]byte // DER

	gateway, keys string // URLs of Oblivious HTTP; empty: not offered
}

// parseDirectory reads a directory. Unknown members do not matter (P-DIR-05); one bad URL spoils its own endpoint only.
func parseDirectory(data []byte) (*directory, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil || members == nil {
		return nil, ErrDirectory
	}
	d := &directory{templates: make(map[mimi.Endpoint]uri.Template), refused: make(map[mimi.Endpoint]bool)}
	for _, e := range mimi.Endpoints() {
		raw, found := members[e.Info().Member]
		if !found {
			continue
		}
		var text string
		if json.Unmarshal(raw, &text) != nil {
			d.refused[e] = true
			continue
		}
		template, err := uri.ParseTemplate(text)
		if err != nil {
			d.refused[e] = true
			continue
		}
		d.templates[e] = template
	}
	if len(d.templates) == 0 && len(d.refused) == 0 {
		return nil, ErrNoVersion
	}
	d.authorities = authoritiesOf(members[authoritiesMember])
	d.gateway, d.keys = textOf(members[gatewayMember]), textOf(members[keysMember])
	return d, nil
}

// textOf reads a member that is a text; anything else counts as absent.
func textOf(member json.RawMessage) string {
	var text string
	if len(member) == 0 || json.Unmarshal(member, &text) != nil {
		return ""
	}
	return text
}

func (d *directory) template(e mimi.Endpoint) (uri.Template, error) {
	switch {
	case d.refused[e]:
		return uri.Template{}, ErrTemplate
	case d.templates[e].IsZero():
		return uri.Template{}, ErrNotOffered
	}
	return d.templates[e], nil
}

// keepFor reads how long a response may be kept, within the bounds of P-DIR-09.
func keepFor(h http.Header) time.Duration {
	age := directoryAge
	for directive := range strings.SplitSeq(h.Get("Cache-Control"), ",") {
		directive = strings.ToLower(strings.TrimSpace(directive))
		if directive == "no-store" || directive == "no-cache" {
			return minDirectoryAge
		}
		if text, found := strings.CutPrefix(directive, "max-age="); found {
			if n, err := strconv.Atoi(text); err == nil && n >= 0 {
				age = time.Duration(min(n, int(maxDirectoryAge.Seconds()))) * time.Second
			}
		}
	}
	return min(max(age, minDirectoryAge), maxDirectoryAge)
}
