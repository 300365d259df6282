package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strings"
	"sync"
	"time"

	"parley/clientapi/api"
	"parley/mimi"
	"parley/provider"
	"parley/provider/enum"
	"parley/uri"
)

// peopleConfig says who may be found here, and where our users' searches go.
type peopleConfig struct {
	Region         string   `toml:"region"`           // two letters: whose users write phone numbers without a country code
	CodesURL       string   `toml:"codes_url"`        // gets a POST for each code that has to be sent
	CodesTokenFile string   `toml:"codes_token_file"` // its bearer token
	CodesFile      string   `toml:"codes_file"`       // for labs: codes are appended to this file instead of being sent
	Search         []string `toml:"search"`           // what peers may search by; default all exact ones
	Matches        int      `toml:"matches"`          // most persons that one search finds; default 10
	Daily          int      `toml:"daily"`            // different identifiers of a peer in a day; default 50000
	Misses         int      `toml:"misses"`           // identifiers of a peer in an hour that nobody has; default 1000
	AskPeers       *bool    `toml:"ask_peers"`        // ask all peers where nothing points to one; default true
	ENUMServer     string   `toml:"enum_server"`      // host:port of a DNS server; default: ENUM is not asked
	ENUMApex       string   `toml:"enum_apex"`        // default e164.arpa

	Ranges []rangeConfig `toml:"range"`
}

// rangeConfig says which provider has the numbers that begin so.
type rangeConfig struct {
	Prefix   string `toml:"prefix"`   // with the plus sign
	Provider string `toml:"provider"` // a peer's domain, or our own
}

// searches are the names of what can be searched by.
func searches() map[string]mimi.SearchType {
	out := map[string]mimi.SearchType{"part": mimi.SearchPartialName, "profile": mimi.SearchWholeProfile}
	for name, code := range api.Kinds() {
		out[name] = mimi.SearchType(code)
	}
	return out
}

func (p *peopleConfig) defaults() {
	p.Matches, p.Daily, p.Misses = cmp.Or(p.Matches, 10), cmp.Or(p.Daily, 50_000), cmp.Or(p.Misses, 1000)
	if p.Search == nil {
		p.Search = []string{"handle", "nick", "email", "phone", "claim", "property"}
	}
	p.ENUMApex = cmp.Or(p.ENUMApex, "e164.arpa")
}

var (
	regionPattern = regexp.MustCompile(`^[A-Z]{2}$`)
	prefixPattern = regexp.MustCompile(`^\+[1-9][0-9]{0,14}$`)
)

func (c *config) validatePeople(add func(key, what, fix string)) {
	p := &c.People
	if p.Region != "" && !regionPattern.MatchString(p.Region) {
		add("people.region", "is not a region's two-letter code", `for example region = "DE"`)
	}
	if u, err := url.Parse(p.CodesURL); p.CodesURL != "" && (err != nil || u.Host == "" || (u.Scheme != "https" && !loopback(u.Hostname()))) {
		add("people.codes_url", "is not an https URL", "plain http is for a loopback address only")
	}
	if p.CodesURL != "" && p.CodesFile != "" {
		add("people.codes_file", "stands beside codes_url", "codes go one way only; keep one")
	}
	if p.CodesTokenFile != "" && p.CodesURL == "" {
		add("people.codes_token_file", "stands without codes_url", "")
	}
	for _, s := range p.Search {
		if _, ok := searches()[s]; !ok {
			add("people.search", fmt.Sprintf("%q is nothing to search by", s), "handle, nick, email, phone, claim, property, part, profile")
		}
	}
	for key, value := range map[string]int{"matches": p.Matches, "daily": p.Daily, "misses": p.Misses} {
		if value < 1 || value > mostLimit {
			add("people."+key, fmt.Sprintf("is not 1 to %d", mostLimit), "")
		}
	}
	if host, port, err := net.SplitHostPort(p.ENUMServer); p.ENUMServer != "" && (err != nil || host == "" || port == "") {
		add("people.enum_server", "is not host:port", `for example enum_server = "127.0.0.1:53"`)
	}
	for i, r := range p.Ranges {
		key := fmt.Sprintf("people.range[%d].", i)
		if !prefixPattern.MatchString(r.Prefix) {
			add(key+"prefix", "is not the beginning of a phone number", `for example prefix = "+4930"`)
		}
		if at, err := uri.ProviderFromDomain(r.Provider); err != nil || (at != c.provider() && !c.isPeer(at)) {
			add(key+"provider", "is neither a peer nor our own domain", "list it as a [[peer]] first")
		}
	}
}

func (c *config) isPeer(at uri.Provider) bool {
	for _, p := range c.Peers {
		if same(p.Domain, at) {
			return true
		}
	}
	return false
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || (ip != nil && ip.IsLoopback())
}

// people is for the provider.
func (c *config) people() (provider.People, error) {
	p := &c.People
	out := provider.People{Region: p.Region, Matches: p.Matches, Daily: p.Daily, Misses: p.Misses, Alone: p.AskPeers != nil && !*p.AskPeers}
	for _, s := range p.Search {
		out.Search = append(out.Search, searches()[s])
	}
	for _, r := range p.Ranges {
		at, err := uri.ProviderFromDomain(r.Provider)
		if err != nil {
			return out, err
		}
		out.Ranges = append(out.Ranges, provider.NumberRange{Prefix: r.Prefix, Provider: at})
	}
	if p.ENUMServer != "" {
		out.ENUM = (&enum.Resolver{Server: p.ENUMServer, Apex: p.ENUMApex}).Lookup
	}
	switch {
	case p.CodesFile != "":
		out.Send = (&codeFile{path: p.CodesFile}).send
	case p.CodesURL != "":
		s := &codeURL{url: p.CodesURL, client: &http.Client{Timeout: 15 * time.Second}}
		if p.CodesTokenFile != "" {
			token, err := os.ReadFile(p.CodesTokenFile)
			if err != nil {
				return out, fmt.Errorf("people.codes_token_file: %w", err)
			}
			s.token = strings.TrimSpace(string(token))
		}
		out.Send = s.send
	}
	return out, nil
}

// codeMessage is a code that has to be sent.
type codeMessage struct {
	Type    string `json:"type"` // phone or email
	Address string `json:"address"`
	Code    string `json:"code"`
}

func codeFor(t mimi.SearchType, address, code string) codeMessage {
	m := codeMessage{Address: address, Code: code}
	for name, kind := range searches() {
		if kind == t {
			m.Type = name
		}
	}
	return m
}

// codeFile appends codes to a file.
type codeFile struct {
	path string
	mu   sync.Mutex
}

func (f *codeFile) send(_ context.Context, t mimi.SearchType, address, code string) error {
	line, err := json.Marshal(codeFor(t, address, code))
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	out, err := os.OpenFile(f.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	if _, err := out.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("%w (and %v)", err, out.Close())
	}
	return out.Close()
}

// codeURL hands codes to the operator's own way of sending messages.
type codeURL struct {
	url, token string
	client     *http.Client
}

func (s *codeURL) send(ctx context.Context, t mimi.SearchType, address, code string) error {
	body, err := json.Marshal(codeFor(t, address, code))
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	if s.token != "" {
		r.Header.Set("Authorization", "Bearer "+s.token)
	}
	answer, err := s.client.Do(r)
	if err != nil {
		return err
	}
	if err := answer.Body.Close(); err != nil {
		return err
	}
	if answer.StatusCode/100 != 2 {
		return fmt.Errorf("the sender of codes answers %d", answer.StatusCode)
	}
	return nil
}
