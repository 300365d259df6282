package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"parley/gateway"
	"parley/gateway/irc"
	"parley/gateway/webhook"
	"parley/gateway/xmpp"
	"parley/uri"
)

// gatewayConfig is the configuration file of a gateway, doc/gateway.md. Relative paths are relative to the file.
type gatewayConfig struct {
	Provider    string `toml:"provider"`     // domain
	URL         string `toml:"url"`          // of the provider for clients, https://host[:port]
	CAFile      string `toml:"ca_file"`      // PEM: authorities of the provider's TLS certificate; default: the system's
	Data        string `toml:"data"`         // directory of the journal and of the keys of the native users
	AdminSocket string `toml:"admin_socket"` // of the provider

	IRC  *ircConfig  `toml:"irc"`
	XMPP *xmppConfig `toml:"xmpp"`

	Webhook *webhookConfig `toml:"webhook"`

	path     string
	provider uri.Provider
}

// ircConfig is a link to an IRC server.
type ircConfig struct {
	Address      string   `toml:"address"`       // host:port of the server
	Name         string   `toml:"name"`          // of our server on the network
	PasswordFile string   `toml:"password_file"` // of the link
	NickLength   int      `toml:"nick_length"`   // default 9
	Users        []string `toml:"users"`         // nicks who can be added to rooms before they have written
}

// xmppConfig is a component of an XMPP server.
type xmppConfig struct {
	Address    string   `toml:"address"`     // host:port of the server's component port
	Domain     string   `toml:"domain"`      // of the component
	SecretFile string   `toml:"secret_file"` // of the component
	Server     string   `toml:"server"`      // a domain of the server itself
	Rooms      string   `toml:"rooms"`       // domain of its multi-user chats
	Users      []string `toml:"users"`       // addresses that can be added to rooms before they have written
}

// webhookConfig is a chat system of one's own.
type webhookConfig struct {
	URL          string   `toml:"url"`           // gets what MIMI users do
	Listen       string   `toml:"listen"`        // host:port that takes what native users do
	SecretFile   string   `toml:"secret_file"`   // whsec_ and base64, for both directions
	AllowPrivate bool     `toml:"allow_private"` // url may lead to loopback or a private network, and be http
	Users        []string `toml:"users"`         // who can be added to rooms before they have written
}

func readGatewayConfig(path string) (*gatewayConfig, error) {
	fail := func(key, what, fix string) error {
		return &configError{[]problem{{File: path, Key: key, Problem: what, Fix: fix}}}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fail("", "cannot be read: "+reason(err), "name the file with --config")
	}
	g := &gatewayConfig{path: path}
	var unknown *toml.StrictMissingError
	if err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(g); errors.As(err, &unknown) {
		return nil, fail(strings.Join(unknown.Errors[0].Key(), "."), "unknown key", "see doc/gateway.md for every key")
	} else if err != nil {
		return nil, fail("", strings.TrimPrefix(err.Error(), "toml: "), "")
	}
	if g.provider, err = uri.ProviderFromDomain(g.Provider); err != nil {
		return nil, fail("provider", "is no domain", "")
	}
	for key, value := range map[string]string{"url": g.URL, "data": g.Data, "admin_socket": g.AdminSocket} {
		if value == "" {
			return nil, fail(key, "is missing", "see doc/gateway.md")
		}
	}
	if g.IRC != nil && (g.IRC.Address == "" || g.IRC.Name == "" || g.IRC.PasswordFile == "") {
		return nil, fail("irc", "needs address, name and password_file", "")
	}
	if x := g.XMPP; x != nil && (x.Address == "" || x.Domain == "" || x.SecretFile == "" || x.Server == "" || x.Rooms == "") {
		return nil, fail("xmpp", "needs address, domain, secret_file, server and rooms", "")
	}
	if w := g.Webhook; w != nil && (w.URL == "" || w.Listen == "" || w.SecretFile == "") {
		return nil, fail("webhook", "needs url, listen and secret_file", "")
	}
	if len(g.networks()) == 0 {
		return nil, fail("", "no network is configured", "add a section such as [irc]")
	}
	g.absolute()
	return g, nil
}

func (g *gatewayConfig) absolute() {
	paths := []*string{&g.CAFile, &g.Data, &g.AdminSocket}
	if g.IRC != nil {
		paths = append(paths, &g.IRC.PasswordFile)
	}
	if g.XMPP != nil {
		paths = append(paths, &g.XMPP.SecretFile)
	}
	if g.Webhook != nil {
		paths = append(paths, &g.Webhook.SecretFile)
	}
	for _, p := range paths {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(filepath.Dir(g.path), *p)
		}
	}
}

// networks are the names of the configured ones.
func (g *gatewayConfig) networks() (out []string) {
	if g.IRC != nil {
		out = append(out, "irc")
	}
	if g.XMPP != nil {
		out = append(out, "xmpp")
	}
	if g.Webhook != nil {
		out = append(out, "webhook")
	}
	return out
}

// users are the native users of the configuration.
func (g *gatewayConfig) users() (out []gateway.NativeUser) {
	if g.IRC != nil {
		for _, nick := range g.IRC.Users {
			out = append(out, gateway.NativeUser{Network: "irc", Address: gateway.Address(strings.ToLower(nick))})
		}
	}
	if g.XMPP != nil {
		for _, address := range g.XMPP.Users {
			out = append(out, gateway.NativeUser{Network: "xmpp", Address: gateway.Address(strings.ToLower(address))})
		}
	}
	if g.Webhook != nil {
		for _, name := range g.Webhook.Users {
			out = append(out, gateway.NativeUser{Network: "webhook", Address: gateway.Address(strings.ToLower(name))})
		}
	}
	return out
}

// natives makes the connectors.
func (g *gatewayConfig) natives() (out []gateway.Native, err error) {
	if c := g.IRC; c != nil {
		password, err := secretFile(c.PasswordFile)
		if err != nil {
			return nil, &configError{[]problem{{File: g.path, Key: "irc.password_file", Problem: err.Error()}}}
		}
		out = append(out, irc.New(irc.Config{Name: c.Name, Password: password, Info: "MIMI gateway of " + g.Provider, Address: c.Address, NickLen: c.NickLength}))
	}
	if c := g.XMPP; c != nil {
		secret, err := secretFile(c.SecretFile)
		if err != nil {
			return nil, &configError{[]problem{{File: g.path, Key: "xmpp.secret_file", Problem: err.Error()}}}
		}
		out = append(out, xmpp.New(xmpp.Config{Domain: c.Domain, Secret: secret, Address: c.Address, Server: c.Server, Rooms: c.Rooms}))
	}
	if c := g.Webhook; c != nil {
		secret, err := secretFile(c.SecretFile)
		if err != nil {
			return nil, &configError{[]problem{{File: g.path, Key: "webhook.secret_file", Problem: err.Error()}}}
		}
		hook, err := webhook.New(webhook.Config{URL: c.URL, Listen: c.Listen, Secret: secret, AllowPrivate: c.AllowPrivate})
		if err != nil {
			return nil, &configError{[]problem{{File: g.path, Key: "webhook", Problem: err.Error()}}}
		}
		out = append(out, hook)
	}
	return out, nil
}

// allNetworks are the networks that this program can join.
func allNetworks() []gateway.Capabilities {
	return []gateway.Capabilities{irc.New(irc.Config{}).Describe(), xmpp.New(xmpp.Config{}).Describe(), webhook.Capabilities()}
}
