package main

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"

	"parley/mimihttp"
	"parley/uri"
)

// add notes a problem with the value of a key.
func (c *config) add(list *[]problem, key, what, fix string) {
	*list = append(*list, problem{File: c.path, Line: lineOf(c.lines, key), Key: key, Problem: what, Fix: fix})
}

// validate finds what is wrong with the values themselves.
func (c *config) validate() []problem {
	var out []problem
	add := func(key, what, fix string) { c.add(&out, key, what, fix) }
	switch _, err := uri.ProviderFromDomain(c.Domain); {
	case c.Domain == "":
		add("domain", "is missing", `for example domain = "a.example"`)
	case err != nil:
		add("domain", "is not a provider's domain name", `for example domain = "a.example"`)
	}
	if c.Data == "" {
		add("data", "is missing", `for example data = "/var/lib/parley"`)
	}
	if c.Federation.CertificateFile == "" || c.Federation.KeyFile == "" {
		add("federation", "certificate_file and key_file are needed", "`parley certs` makes them for a lab")
	}
	if (c.Client.CertificateFile == "") != (c.Client.KeyFile == "") {
		add("client", "certificate_file and key_file go together", "set both or none")
	}
	c.validateListeners(add)
	if len(c.Admin.Socket) > 100 {
		add("admin.socket", "is longer than a unix socket's path can be (100 octets)", "set admin.socket to a short path")
	}
	if !slices.Contains([]string{"text", "json"}, c.Log.Format) {
		add("log.format", `is neither "text" nor "json"`, "")
	}
	if _, ok := levels()[c.Log.Level]; !ok {
		add("log.level", "is not debug, info, warn or error", "")
	}
	for key, value := range map[string]int{
		"requests": c.Limits.Requests, "key_material": c.Limits.KeyMaterial, "update": c.Limits.Update, "submit_message": c.Limits.SubmitMessage,
		"notify": c.Limits.Notify, "group_info": c.Limits.GroupInfo, "waiting": c.Limits.Waiting, "batches": c.Limits.Batches,
		"connections": c.Limits.Connections, "connections_per_address": c.Limits.ConnectionsPerAddress, "handshakes": c.Limits.Handshakes,
		"handshakes_per_address": c.Limits.HandshakesPerAddress,
	} {
		if value < 1 || value > mostLimit {
			add("limits."+key, fmt.Sprintf("is not 1 to %d", mostLimit), "a limit cannot be switched off; choose a high one")
		}
	}
	c.validatePeople(add)
	if _, err := suiteTable(c.MLS.HybridSuites); err != nil {
		add("mls.hybrid_suites", "is not a list of hybrid suites: "+err.Error(), "NAME or NAME=0xf701, each once; names are "+hybridNames())
	}
	c.Consent.validate(add)
	c.validateFiles(add)
	for i := range c.Peers {
		c.validatePeer(i, add)
	}
	slices.SortStableFunc(out, func(a, b problem) int { return cmp.Compare(a.Line, b.Line) })
	return out
}

func levels() map[string]slog.Level {
	return map[string]slog.Level{"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError}
}

// mostLimit is a limit that no peer reaches.
const mostLimit = 1_000_000

// off closes the admin listener.
const off = "off"

type address struct{ key, host, port string }

func (c *config) validateListeners(add func(key, what, fix string)) {
	var seen []address
	for _, l := range []struct{ key, address string }{
		{"federation.listen", c.Federation.Listen}, {"client.listen", c.Client.Listen}, {"admin.listen", c.Admin.Listen},
	} {
		if l.key == "admin.listen" && l.address == off {
			continue
		}
		host, port, err := net.SplitHostPort(l.address)
		if err != nil || port == "" {
			add(l.key, "is not host:port", `":8443" listens on every address`)
			continue
		}
		a := address{l.key, host, port}
		for _, other := range seen {
			if a.clashes(other) {
				add(l.key, "clashes with "+other.key, "give each listener a port of its own")
			}
		}
		seen = append(seen, a)
	}
	if host, _, err := net.SplitHostPort(c.Admin.Listen); c.Admin.Profile && (err != nil || !net.ParseIP(host).IsLoopback()) {
		add("admin.profile", "is for a listener on a loopback address only", `for example listen = "127.0.0.1:8445"`)
	}
	if h, _, err := net.SplitHostPort(c.Federation.Authority); err == nil && h == "" {
		add("federation.authority", "names no host", "")
	}
}

// clashes reports whether two addresses cannot be listened on at once.
func (a address) clashes(b address) bool {
	if a.port != b.port || a.port == "0" {
		return false
	}
	every := func(host string) bool { return host == "" || net.ParseIP(host).IsUnspecified() }
	return a.host == b.host || every(a.host) || every(b.host)
}

func (c *config) validatePeer(i int, report func(key, what, fix string)) {
	p := &c.Peers[i]
	add := func(key, what, fix string) { report(fmt.Sprintf("peer[%d].%s", i, key), what, fix) }
	provider, err := uri.ProviderFromDomain(p.Domain)
	switch {
	case p.Domain == "":
		add("domain", "is missing", `for example domain = "b.example"`)
	case err != nil:
		add("domain", "is not a provider's domain name", `for example domain = "b.example"`)
	case provider == c.provider():
		add("domain", "is our own", "list other providers only")
	case slices.ContainsFunc(c.Peers[:i], func(o peerConfig) bool { return same(o.Domain, provider) }):
		add("domain", "is listed twice", "keep one")
	}
	if host, port, err := net.SplitHostPort(p.Dial); p.Dial != "" && (err != nil || host == "" || port == "") {
		add("dial", "is not host:port", `for example dial = "192.0.2.7:8443"`)
	}
	mode, err := mimihttp.ParseTrustMode(p.Trust)
	switch {
	case err != nil:
		add("trust", "is not a trust mode", trustModes())
	case mode == mimihttp.PrivateCA && p.CAFile == "":
		add("ca_file", "is missing", "trust private-ca needs it")
	case mode == mimihttp.PinnedSPKI && len(p.SPKI) == 0:
		add("spki_sha256", "is missing", "trust pinned-spki needs at least one")
	case mode != mimihttp.PinnedSPKI && len(p.SPKI) > 0:
		add("spki_sha256", "has no effect with this trust mode", "set trust to pinned-spki, or remove it")
	case (mode == mimihttp.WebPKIAnyEKU || mode == mimihttp.WebPKIStrict) && p.CAFile != "":
		add("ca_file", "has no effect with this trust mode", "set trust to private-ca, or remove it")
	}
	for _, pin := range p.SPKI {
		if b, err := hex.DecodeString(pin); err != nil || len(b) != 32 {
			add("spki_sha256", "is not 64 hex digits", "the SHA-256 of the certificate's public key")
		}
	}
}

func same(domain string, p uri.Provider) bool {
	o, err := uri.ProviderFromDomain(domain)
	return err == nil && o == p
}

func trustModes() string {
	var names []string
	for m := mimihttp.WebPKIAnyEKU; m <= mimihttp.PinnedSPKI; m++ {
		names = append(names, m.String())
	}
	return strings.Join(names, ", ")
}

// provider is who we are; zero while domain is wrong.
func (c *config) provider() uri.Provider {
	p, err := uri.ProviderFromDomain(c.Domain)
	if err != nil {
		return uri.Provider{}
	}
	return p
}
