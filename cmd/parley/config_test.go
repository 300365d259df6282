package main

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"parley/provider"
)

const example = "../../doc/parley.toml"

const smallest = `domain = "a.example"
data = "d"
federation = { certificate_file = "c", key_file = "k" }
`

// found are the problems of a configuration, as far as they do not need its files.
func found(t *testing.T, text string) []problem {
	t.Helper()
	c, err := parseConfig("p.toml", []byte(text))
	var wrong *configError
	switch {
	case errors.As(err, &wrong):
		return wrong.problems
	case err != nil:
		t.Fatal(err)
	}
	return c.validate()
}

func TestConfigIsStrict(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		line int
		key  string
		say  string
	}{
		"unknown key":              {smallest + "colour = 1\n", 4, "colour", "unknown key"},
		"unknown key in a table":   {smallest + "\n[log]\nlevel = \"info\"\nlevle = \"x\"\n", 7, "log.levle", "unknown key"},
		"unknown table":            {smallest + "[logs]\nlevel = \"info\"\n", 4, "logs", "unknown key"},
		"unknown key of a peer":    {smallest + "[[peer]]\ndomain = \"b.example\"\n[[peer]]\ndomain = \"c.example\"\ntrusted = true\n", 8, "peer.trusted", "unknown key"},
		"not TOML":                 {smallest + "[[[\n", 4, "", ""},
		"key twice":                {smallest + "domain = \"b.example\"\n", 4, "domain", ""},
		"table twice":              {smallest + "[log]\n[log]\n", 5, "log", ""},
		"wrong type":               {"domain = 7\n", 1, "domain", ""},
		"no domain":                {"data = \"d\"\n", 0, "domain", "is missing"},
		"domain is a URL":          {strings.Replace(smallest, "a.example", "https://a.example", 1), 1, "domain", "is not"},
		"no data":                  {"domain = \"a.example\"\nfederation = { certificate_file = \"c\", key_file = \"k\" }\n", 0, "data", "is missing"},
		"no certificate":           {"domain = \"a.example\"\ndata = \"d\"\n", 0, "federation", "are needed"},
		"no key of a certificate":  {"domain = \"a.example\"\ndata = \"d\"\n[federation]\ncertificate_file = \"c\"\n", 3, "federation", "are needed"},
		"half a client's pair":     {smallest + "[client]\nkey_file = \"k\"\n", 4, "client", "go together"},
		"listen without port":      {smallest + "[client]\nlisten = \"localhost\"\n", 5, "client.listen", "is not host:port"},
		"listeners clash":          {smallest + "[client]\nlisten = \"127.0.0.1:8443\"\n", 5, "client.listen", "clashes with federation.listen"},
		"admin clashes with ours":  {smallest + "[admin]\nlisten = \"[::]:8444\"\n", 5, "admin.listen", "clashes with client.listen"},
		"profiles for the network": {smallest + "[admin]\nprofile = true\nlisten = \":8445\"\n", 5, "admin.profile", "loopback"},
		"profiles and no listener": {smallest + "[admin]\nprofile = true\nlisten = \"off\"\n", 5, "admin.profile", "loopback"},
		"authority without a host": {strings.Replace(smallest, "{", "{ authority = \":8443\",", 1), 3, "federation.authority", "names no host"},
		"socket too long":          {smallest + "[admin]\nsocket = \"/" + strings.Repeat("x", 100) + "\"\n", 5, "admin.socket", "longer"},
		"log format":               {smallest + "[log]\nformat = \"xml\"\n", 5, "log.format", "neither"},
		"log level":                {smallest + "[log]\nlevel = \"info+2\"\n", 5, "log.level", "is not"},
		"peer without domain":      {smallest + "[[peer]]\ntrust = \"webpki-strict\"\n", 4, "peer[0].domain", "is missing"},
		"peer with a bad domain":   {smallest + "[[peer]]\ndomain = \"b_example\"\n", 5, "peer[0].domain", "is not"},
		"peer is ourselves":        {smallest + "[[peer]]\ndomain = \"A.example\"\n", 5, "peer[0].domain", "is our own"},
		"peer twice":               {smallest + "[[peer]]\ndomain = \"b.example\"\n[[peer]]\ndomain = \"B.example.\"\n", 7, "peer[1].domain", "is listed twice"},
		"dial without port":        {smallest + "[[peer]]\ndomain = \"b.example\"\ndial = \"192.0.2.7\"\n", 6, "peer[0].dial", "is not host:port"},
		"trust mode":               {smallest + "[[peer]]\ndomain = \"b.example\"\ntrust = \"everybody\"\n", 6, "peer[0].trust", "is not a trust mode"},
		"private CA without file":  {smallest + "[[peer]]\ndomain = \"b.example\"\ntrust = \"private-ca\"\n", 4, "peer[0].ca_file", "is missing"},
		"pins without a pin":       {smallest + "[[peer]]\ndomain = \"b.example\"\ntrust = \"pinned-spki\"\n", 4, "peer[0].spki_sha256", "is missing"},
		"pin is not a hash":        {smallest + "[[peer]]\ndomain = \"b.example\"\ntrust = \"pinned-spki\"\nspki_sha256 = [\"00\"]\n", 7, "peer[0].spki_sha256", "is not 64"},
		"pin that does nothing":    {smallest + "[[peer]]\ndomain = \"b.example\"\nspki_sha256 = [\"00\"]\n", 6, "peer[0].spki_sha256", "has no effect"},
		"CA that does nothing":     {smallest + "[[peer]]\ndomain = \"b.example\"\nca_file = \"x\"\n", 6, "peer[0].ca_file", "has no effect"},
		"negative limit":           {smallest + "[limits]\nnotify = -1\n", 5, "limits.notify", "is not 1 to"},
		"limit without bound":      {smallest + "[limits]\nrequests = 1000001\n", 5, "limits.requests", "is not 1 to"},
		"limit that is no number":  {smallest + "[limits]\nrequests = \"many\"\n", 5, "limits.requests", ""},
		"inline peer":              {smallest + "peer = [{ domain = \"b_\" }]\n", 4, "peer[0].domain", "is not"},
	} {
		t.Run(name, func(t *testing.T) {
			list := found(t, c.text)
			if len(list) == 0 {
				t.Fatal("nothing was found")
			}
			match := func(p problem) bool {
				return p.File == "p.toml" && p.Line == c.line && p.Key == c.key && strings.Contains(p.Problem, c.say)
			}
			if !slices.ContainsFunc(list, match) {
				t.Errorf("found %v", list)
			}
		})
	}
	if list := found(t, smallest); len(list) > 0 {
		t.Errorf("the smallest configuration: %v", list)
	}
}

func TestConfigDefaults(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.toml")
	c, err := parseConfig(path, []byte(smallest+"[[peer]]\ndomain = \"b.example\"\nauthorities_file = \"p.crt\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(path)
	for got, want := range map[string]string{
		c.Federation.Authority: "a.example:8443", c.Client.CertificateFile: filepath.Join(dir, "c"), c.Client.KeyFile: filepath.Join(dir, "k"),
		c.Admin.Socket: filepath.Join(dir, "d", "admin.sock"), c.Identity.CAKeyFile: filepath.Join(dir, "d", "ca.key"),
		c.Admin.Listen: "127.0.0.1:8445", c.Peers[0].Trust: "webpki-any-eku", c.Peers[0].AuthoritiesFile: filepath.Join(dir, "p.crt"),
		c.Log.TraceFile: "",
	} {
		if got != want {
			t.Errorf("%q instead of %q", got, want)
		}
	}
	c, err = parseConfig(path, []byte(strings.Replace(smallest, "{", "{ listen = \":443\",", 1)))
	if err != nil || c.Federation.Authority != "a.example" {
		t.Errorf("authority %q, %v", c.Federation.Authority, err)
	}
}

// The documented example is right as it stands, parses with every line that is commented out, and shows every key that there is.
func TestExampleIsComplete(t *testing.T) {
	text, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	if list := found(t, string(text)); len(list) > 0 {
		t.Errorf("as it stands: %v", list)
	}
	// A line "# key = value" is a key that was commented out.
	assignment := regexp.MustCompile(`(?m)^# ([a-z0-9_]+ = .*)$`)
	open := assignment.ReplaceAllString(string(text), "$1")
	c, err := parseConfig("p.toml", []byte(open))
	if err != nil {
		t.Fatalf("with all keys: %v", err)
	}
	lines := keyLines([]byte(open))
	for _, key := range keysOf(reflect.TypeFor[config](), "") {
		if lines[key] == 0 {
			t.Errorf("%s is not shown", key)
		}
	}
	// The defaults shown are the defaults.
	closed, err := parseConfig("p.toml", text)
	if err != nil {
		t.Fatal(err)
	}
	if c.Limits != closed.Limits || !reflect.DeepEqual(closed.Limits.limits(), provider.Limits{Requests: 64, KeyMaterial: 50, Update: 200,
		SubmitMessage: 5000, Notify: 5000, GroupInfo: 50, Waiting: 128, Batches: 8,
		Connections: 16384, ConnectionsPerAddress: 2048, Handshakes: 512, HandshakesPerAddress: 64}) {
		t.Errorf("limits are shown as %+v, the defaults are %+v", c.Limits, closed.Limits)
	}
	for name, pair := range map[string][2]string{
		"federation.listen": {c.Federation.Listen, closed.Federation.Listen}, "federation.authority": {c.Federation.Authority, closed.Federation.Authority},
		"client.listen": {c.Client.Listen, closed.Client.Listen}, "admin.listen": {c.Admin.Listen, closed.Admin.Listen},
		"admin.socket": {c.Admin.Socket, closed.Admin.Socket}, "identity.ca_certificate_file": {c.Identity.CACertificateFile, closed.Identity.CACertificateFile},
		"identity.ca_key_file": {c.Identity.CAKeyFile, closed.Identity.CAKeyFile}, "identity.hub_key_file": {c.Identity.HubKeyFile, closed.Identity.HubKeyFile},
		"log.format": {c.Log.Format, closed.Log.Format}, "log.level": {c.Log.Level, closed.Log.Level}, "peer.trust": {c.Peers[0].Trust, closed.Peers[0].Trust},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is shown as %q, the default is %q", name, pair[0], pair[1])
		}
	}
}

// keysOf lists the keys of the configuration by its types.
func keysOf(t reflect.Type, prefix string) (keys []string) {
	for i := range t.NumField() {
		f := t.Field(i)
		name := f.Tag.Get("toml")
		switch {
		case name == "":
		case f.Type.Kind() == reflect.Struct:
			keys = append(keys, keysOf(f.Type, prefix+name+".")...)
		case f.Type.Kind() == reflect.Slice && f.Type.Elem().Kind() == reflect.Struct:
			keys = append(keys, keysOf(f.Type.Elem(), prefix+name+"[0].")...)
		default:
			keys = append(keys, prefix+name)
		}
	}
	return keys
}
