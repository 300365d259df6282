package main

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"parley/mimihttp"
	"parley/provider"
)

// config is the one configuration file, doc/parley.toml. Every key may be missing except domain, data and the federation
// certificate. Relative paths are relative to the file. Secrets are never values, only names of files.
type config struct {
	Domain string `toml:"domain"` // of this provider, for example "a.example"; it never changes
	Data   string `toml:"data"`   // directory of the store, the keys and the admin socket; mode 0700

	Federation federationConfig `toml:"federation"`
	Client     clientConfig     `toml:"client"`
	Admin      adminConfig      `toml:"admin"`
	Identity   identityConfig   `toml:"identity"`
	People     peopleConfig     `toml:"people"`
	Files      filesConfig      `toml:"files"`
	Consent    consentConfig    `toml:"consent"`
	MLS        mlsConfig        `toml:"mls"`
	Limits     limitsConfig     `toml:"limits"`
	Log        logConfig        `toml:"log"`
	Peers      []peerConfig     `toml:"peer"`

	path  string         // of the file
	lines map[string]int // of the keys, see keyLines
}

// federationConfig is the side of other providers: HTTPS with mutual TLS.
type federationConfig struct {
	Listen          string `toml:"listen"`           // default ":8443"
	Authority       string `toml:"authority"`        // host[:port] in the directory's URLs; default domain, with the port of listen if it is not 443
	CertificateFile string `toml:"certificate_file"` // PEM chain whose first certificate has the DNS name domain
	KeyFile         string `toml:"key_file"`
}

// clientConfig is the side of our own users' devices: HTTPS with bearer tokens.
type clientConfig struct {
	Listen          string `toml:"listen"`           // default ":8444"
	CertificateFile string `toml:"certificate_file"` // default: the federation certificate
	KeyFile         string `toml:"key_file"`
}

// adminConfig is for operators.
type adminConfig struct {
	Listen  string `toml:"listen"`  // /livez, /readyz, /metrics over plain HTTP; default "127.0.0.1:8445"; "off" closes it
	Profile bool   `toml:"profile"` // adds /debug/pprof/ to listen, which must be a loopback address
	Socket  string `toml:"socket"`  // unix socket on which `parley user` reaches a running provider; default <data>/admin.sock
}

// identityConfig names what `parley ca init` makes.
type identityConfig struct {
	CACertificateFile string `toml:"ca_certificate_file"` // default <data>/ca.crt
	CAKeyFile         string `toml:"ca_key_file"`         // default <data>/ca.key
	HubKeyFile        string `toml:"hub_key_file"`        // default <data>/hub.key: the hub's signature keys, one PEM block each
}

// limitsConfig is what one peer may take of us, see provider.Limits.
type limitsConfig struct {
	Requests      int `toml:"requests"`       // of one peer served at once; default 64
	KeyMaterial   int `toml:"key_material"`   // per second and peer; default 50
	Update        int `toml:"update"`         // default 200
	SubmitMessage int `toml:"submit_message"` // default 5000
	Notify        int `toml:"notify"`         // default 5000
	GroupInfo     int `toml:"group_info"`     // default 50
	Waiting       int `toml:"waiting"`        // requests of ours that wait for one peer at once; default 128
	Batches       int `toml:"batches"`        // notifications on their way to one peer at once; default 8

	Connections           int `toml:"connections"`             // open on one listener; default 16384
	ConnectionsPerAddress int `toml:"connections_per_address"` // default 2048
	Handshakes            int `toml:"handshakes"`              // under way on one listener; default 512
	HandshakesPerAddress  int `toml:"handshakes_per_address"`  // default 64
}

type logConfig struct {
	Format    string `toml:"format"`     // "text" (default) or "json"
	Level     string `toml:"level"`      // "debug", "info" (default), "warn", "error"
	TraceFile string `toml:"trace_file"` // one JSON line per request between providers (provider.TraceLine); default: none
}

// peerConfig is one provider that may talk to us. Providers that are not listed are refused.
type peerConfig struct {
	Domain          string   `toml:"domain"`
	Dial            string   `toml:"dial"`             // host:port to connect to instead of what DNS says
	Trust           string   `toml:"trust"`            // webpki-any-eku (default), webpki-strict, private-ca, pinned-spki
	CAFile          string   `toml:"ca_file"`          // private-ca: PEM
	SPKI            []string `toml:"spki_sha256"`      // pinned-spki: hex SHA-256 of the certificate's public key
	AssetHosts      []string `toml:"asset_hosts"`      // where its users' files lie, "host" or "host:port"; default: its domain
	AuthoritiesFile string   `toml:"authorities_file"` // PEM: the CAs of its users; default: learned from its directory and pinned
}

// problem is one thing wrong with a configuration. Line is 0 when the problem is not in one line.
type problem struct {
	File    string `json:"file"`
	Line    int    `json:"line,omitempty"`
	Key     string `json:"key,omitempty"`
	Problem string `json:"problem"`
	Fix     string `json:"fix,omitempty"`
	Warning bool   `json:"warning,omitempty"`
}

func (p problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	b.WriteString(": ")
	if p.Warning {
		b.WriteString("warning: ")
	}
	if p.Key != "" {
		fmt.Fprintf(&b, "%s: ", p.Key)
	}
	b.WriteString(p.Problem)
	if p.Fix != "" {
		fmt.Fprintf(&b, " (%s)", p.Fix)
	}
	return b.String()
}

// configError carries every problem that was found.
type configError struct{ problems []problem }

func (e *configError) Error() string {
	lines := make([]string, len(e.problems))
	for i, p := range e.problems {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// readConfig reads and checks the file as far as that needs no other file.
func readConfig(path string) (*config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, &configError{[]problem{{File: path, Problem: "cannot be read: " + reason(err), Fix: "name the file with --config"}}}
	}
	c, err := parseConfig(path, text)
	if err != nil {
		return nil, err
	}
	if problems := c.validate(); len(problems) > 0 {
		return nil, &configError{problems}
	}
	return c, nil
}

func parseConfig(path string, text []byte) (*config, error) {
	c := &config{path: path, lines: keyLines(text)}
	err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(c)
	if err == nil {
		c.defaults()
		return c, nil
	}
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) {
		e := new(configError)
		for _, d := range unknown.Errors {
			line, _ := d.Position()
			e.problems = append(e.problems, problem{File: path, Line: line, Key: strings.Join(d.Key(), "."), Problem: "unknown key",
				Fix: "see doc/parley.toml for every key"})
		}
		return nil, e
	}
	p := problem{File: path, Problem: strings.TrimPrefix(err.Error(), "toml: ")}
	var decode *toml.DecodeError
	if errors.As(err, &decode) {
		p.Line, _ = decode.Position()
		p.Key = strings.Join(decode.Key(), ".")
	}
	return nil, &configError{[]problem{p}}
}

func (c *config) defaults() {
	c.Limits.defaults()
	c.People.defaults()
	c.Consent.defaults()
	c.Files.defaults(c.Data)
	set := func(value *string, otherwise string) {
		if *value == "" {
			*value = otherwise
		}
	}
	set(&c.Federation.Listen, ":8443")
	set(&c.Client.Listen, ":8444")
	set(&c.Admin.Listen, "127.0.0.1:8445")
	set(&c.Log.Format, "text")
	set(&c.Log.Level, "info")
	if c.Client.CertificateFile == "" && c.Client.KeyFile == "" {
		c.Client.CertificateFile, c.Client.KeyFile = c.Federation.CertificateFile, c.Federation.KeyFile
	}
	if c.Data != "" {
		set(&c.Admin.Socket, filepath.Join(c.Data, "admin.sock"))
		set(&c.Identity.CACertificateFile, filepath.Join(c.Data, "ca.crt"))
		set(&c.Identity.CAKeyFile, filepath.Join(c.Data, "ca.key"))
		set(&c.Identity.HubKeyFile, filepath.Join(c.Data, "hub.key"))
	}
	if _, port, err := net.SplitHostPort(c.Federation.Listen); err == nil && port != "443" && c.Federation.Authority == "" {
		c.Federation.Authority = net.JoinHostPort(c.Domain, port)
	}
	set(&c.Federation.Authority, c.Domain)
	for i := range c.Peers {
		set(&c.Peers[i].Trust, mimihttp.WebPKIAnyEKU.String())
	}
	c.absolute()
}

func (l *limitsConfig) defaults() {
	for _, v := range []struct {
		value     *int
		otherwise int
	}{
		{&l.Requests, 64}, {&l.KeyMaterial, 50}, {&l.Update, 200}, {&l.SubmitMessage, 5000}, {&l.Notify, 5000}, {&l.GroupInfo, 50},
		{&l.Waiting, 128}, {&l.Batches, 8}, {&l.Connections, 16384}, {&l.ConnectionsPerAddress, 2048}, {&l.Handshakes, 512},
		{&l.HandshakesPerAddress, 64},
	} {
		*v.value = cmp.Or(*v.value, v.otherwise)
	}
}

// limits are for the provider.
func (l *limitsConfig) limits() provider.Limits {
	return provider.Limits{
		Requests: l.Requests, KeyMaterial: float64(l.KeyMaterial), Update: float64(l.Update), SubmitMessage: float64(l.SubmitMessage),
		Notify: float64(l.Notify), GroupInfo: float64(l.GroupInfo), Waiting: l.Waiting, Batches: l.Batches,
		Connections: l.Connections, ConnectionsPerAddress: l.ConnectionsPerAddress, Handshakes: l.Handshakes,
		HandshakesPerAddress: l.HandshakesPerAddress,
	}
}

// absolute makes the paths independent of the working directory.
func (c *config) absolute() {
	base := filepath.Dir(c.path)
	paths := []*string{
		&c.Data, &c.Federation.CertificateFile, &c.Federation.KeyFile, &c.Client.CertificateFile, &c.Client.KeyFile, &c.Admin.Socket,
		&c.Identity.CACertificateFile, &c.Identity.CAKeyFile, &c.Identity.HubKeyFile, &c.Log.TraceFile,
		&c.People.CodesFile, &c.People.CodesTokenFile,
		&c.Files.S3.AccessKeyFile, &c.Files.S3.SecretKeyFile,
	}
	for i := range c.Peers {
		paths = append(paths, &c.Peers[i].CAFile, &c.Peers[i].AuthoritiesFile)
	}
	if c.Files.Directory != off {
		paths = append(paths, &c.Files.Directory)
	}
	for _, p := range paths {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(base, *p)
		}
	}
}

// reason strips the path that os puts into its errors: the problem names the file already.
func reason(err error) string {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err.Error()
	}
	return err.Error()
}
