package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"parley/mimihttp"
	"parley/provider"
	"parley/uri"
)

// renewBefore is how long before the end of a certificate it is time to care.
const renewBefore = 14 * 24 * time.Hour

// inspection looks at what the configuration names, without the network and without writing anything.
type inspection struct {
	c        *config
	now      time.Time
	problems []problem

	keys  *provider.Keys // nil while they cannot be used
	peers []provider.Peer
}

func (c *config) inspect(now time.Time) *inspection {
	i := &inspection{c: c, now: now}
	i.tlsCertificate("federation", c.Federation.CertificateFile, c.Federation.KeyFile, true)
	if c.Client.CertificateFile != c.Federation.CertificateFile {
		i.tlsCertificate("client", c.Client.CertificateFile, c.Client.KeyFile, false)
	}
	i.ownKeys()
	i.directories()
	if len(c.Peers) == 0 {
		i.warn("", "", "no [[peer]]: nobody can federate with this provider", "list the providers that may")
	}
	for n := range c.Peers {
		i.peer(n)
	}
	return i
}

// wrong lists what has to be mended before the provider can run.
func (i *inspection) wrong() []problem {
	return slices.DeleteFunc(slices.Clone(i.problems), func(p problem) bool { return p.Warning })
}

func (i *inspection) add(file, key, what, fix string, warning bool) {
	p := problem{File: file, Key: key, Problem: what, Fix: fix, Warning: warning}
	if file == "" {
		p.File, p.Line = i.c.path, lineOf(i.c.lines, key)
	}
	i.problems = append(i.problems, p)
}

func (i *inspection) fail(file, key, what, fix string) { i.add(file, key, what, fix, false) }
func (i *inspection) warn(file, key, what, fix string) { i.add(file, key, what, fix, true) }

// tlsCertificate looks at a certificate for a listener; federation ones prove the provider's domain to peers on either side.
func (i *inspection) tlsCertificate(side, certFile, keyFile string, federation bool) {
	key := side + ".certificate_file"
	readable := true
	for _, f := range [][2]string{{certFile, key}, {keyFile, side + ".key_file"}} {
		if _, err := os.ReadFile(f[0]); err != nil {
			i.fail(f[0], f[1], "cannot be read: "+reason(err), "`parley certs` makes certificates for a lab")
			readable = false
		}
	}
	i.mode(keyFile, side+".key_file")
	if !readable {
		return
	}
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		i.fail(certFile, key, "cannot be used with "+keyFile+": "+strings.TrimPrefix(err.Error(), "tls: "), "")
		return
	}
	cert := pair.Leaf
	i.validity(certFile, key, cert)
	if !federation {
		if len(cert.DNSNames) == 0 && len(cert.IPAddresses) == 0 {
			i.fail(certFile, key, "names no host", "devices cannot verify it")
		}
		return
	}
	domain := i.c.provider().Domain()
	if !slices.ContainsFunc(cert.DNSNames, func(n string) bool { return strings.EqualFold(n, domain) }) {
		i.fail(certFile, key, fmt.Sprintf("does not have the DNS name %s", domain), "peers know a provider by it; a wildcard is not enough")
	}
	usable := func(usage x509.ExtKeyUsage) bool {
		return len(cert.ExtKeyUsage) == 0 || slices.Contains(cert.ExtKeyUsage, usage) || slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageAny)
	}
	if !usable(x509.ExtKeyUsageServerAuth) {
		i.fail(certFile, key, "is not for servers (extended key usage serverAuth)", "")
	}
	if !usable(x509.ExtKeyUsageClientAuth) {
		i.warn(certFile, key, "is not for clients (extended key usage clientAuth)", "peers with trust webpki-strict refuse us; webpki-any-eku takes it")
	}
}

func (i *inspection) validity(file, key string, cert *x509.Certificate) {
	switch {
	case i.now.Before(cert.NotBefore):
		i.fail(file, key, "is not valid before "+cert.NotBefore.UTC().Format(time.RFC3339), "look at the clock of this machine")
	case i.now.After(cert.NotAfter):
		i.fail(file, key, "has expired on "+cert.NotAfter.UTC().Format(time.RFC3339), "renew it; a running provider takes the new file by itself")
	case cert.NotAfter.Sub(i.now) < renewBefore:
		i.warn(file, key, "expires on "+cert.NotAfter.UTC().Format(time.RFC3339), "renew it; a running provider takes the new file by itself")
	}
}

// mode refuses secrets that everybody can read.
func (i *inspection) mode(file, key string) {
	info, err := os.Stat(file)
	if err != nil {
		return // said elsewhere
	}
	switch perm := info.Mode().Perm(); {
	case perm&0o007 != 0:
		i.fail(file, key, fmt.Sprintf("is open to everybody (mode %04o)", perm), "chmod 600 "+file)
	case perm&0o070 != 0:
		i.warn(file, key, fmt.Sprintf("is open to its group (mode %04o)", perm), "chmod 600 "+file)
	}
}

// ownKeys looks at what `parley ca init` makes.
func (i *inspection) ownKeys() {
	i.mode(i.c.Identity.CAKeyFile, "identity.ca_key_file")
	i.mode(i.c.Identity.HubKeyFile, "identity.hub_key_file")
	keys, err := provider.LoadKeys(i.c.keyFiles(), i.c.provider())
	var failed *provider.KeyError
	switch {
	case errors.As(err, &failed):
		i.fail(failed.File, i.keyOf(failed.File), "cannot be used: "+failed.Err.Error(), failed.Fix)
		return
	case err != nil:
		i.fail(i.c.Identity.CACertificateFile, "identity", "cannot be used: "+err.Error(), "")
		return
	}
	i.keys = keys
	i.validity(i.c.Identity.CACertificateFile, "identity.ca_certificate_file", keys.CA.Cert)
	for n := range keys.Hub {
		if cert, err := x509.ParseCertificate(keys.Hub[n].Sender.Credential.Certificates[0]); err == nil {
			i.validity(i.c.Identity.HubKeyFile, "identity.hub_key_file", cert)
		}
	}
	if missing := keys.Missing(); len(missing) > 0 {
		i.warn(i.c.Identity.HubKeyFile, "identity.hub_key_file", fmt.Sprintf("has no key for new rooms of cipher suites %v", missing),
			"parley ca init adds them; restart the provider then")
	}
}

func (i *inspection) keyOf(file string) string {
	return map[string]string{
		i.c.Identity.CACertificateFile: "identity.ca_certificate_file", i.c.Identity.CAKeyFile: "identity.ca_key_file",
		i.c.Identity.HubKeyFile: "identity.hub_key_file",
	}[file]
}

func (c *config) keyFiles() provider.KeyFiles {
	return provider.KeyFiles{CACertificate: c.Identity.CACertificateFile, CAKey: c.Identity.CAKeyFile, Hub: c.Identity.HubKeyFile}
}

func (i *inspection) directories() {
	if info, err := os.Stat(i.c.Data); err == nil {
		switch {
		case !info.IsDir():
			i.fail("", "data", "is not a directory", "")
		case info.Mode().Perm()&0o077 != 0:
			i.warn("", "data", fmt.Sprintf("is open to others (mode %04o)", info.Mode().Perm()), "chmod 700 "+i.c.Data)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		i.fail("", "data", "cannot be read: "+reason(err), "")
	} else {
		i.fail("", "data", "does not exist", "`parley ca init` makes it")
	}
	for _, f := range [][2]string{{i.c.Admin.Socket, "admin.socket"}, {i.c.Log.TraceFile, "log.trace_file"}} {
		dir := filepath.Dir(f[0])
		if f[0] == "" || dir == i.c.Data {
			continue
		}
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			i.fail("", f[1], "lies in a directory that does not exist", "mkdir -p "+dir)
		}
	}
	if host, _, err := net.SplitHostPort(i.c.Admin.Listen); err == nil && host != "localhost" && !net.ParseIP(host).IsLoopback() {
		i.warn("", "admin.listen", "is open to the network", "metrics tell who federates; use 127.0.0.1 or a firewall")
	}
}

// peer reads the files of a peer.
func (i *inspection) peer(n int) {
	p := &i.c.Peers[n]
	key := func(name string) string { return fmt.Sprintf("peer[%d].%s", n, name) }
	out := provider.Peer{Address: p.Dial, AssetHosts: p.AssetHosts}
	var mode mimihttp.TrustMode
	var err error
	if out.Provider, err = uri.ProviderFromDomain(p.Domain); err == nil {
		mode, err = mimihttp.ParseTrustMode(p.Trust)
	}
	if err != nil {
		i.fail("", key("domain"), "cannot be used: "+err.Error(), "") // validate has said it better
		return
	}
	out.Trust.Mode = mode
	for _, pin := range p.SPKI {
		var sum [32]byte
		if k, err := hex.Decode(sum[:], []byte(pin)); err == nil && k == len(sum) {
			out.Trust.Pins = append(out.Trust.Pins, sum)
		}
	}
	if p.CAFile != "" {
		out.Trust.Roots = i.pool(p.CAFile, key("ca_file"))
	}
	if p.AuthoritiesFile != "" {
		text, err := os.ReadFile(p.AuthoritiesFile)
		if err == nil {
			out.Authorities, err = provider.ParseAuthorities(out.Provider, text)
		}
		if err != nil {
			i.fail(p.AuthoritiesFile, key("authorities_file"), "cannot be used: "+reason(err), "it holds the CA certificates of the peer's users as PEM")
		}
	}
	i.peers = append(i.peers, out)
}

// pool reads authorities for TLS certificates.
func (i *inspection) pool(file, key string) *x509.CertPool {
	text, err := os.ReadFile(file)
	if err != nil {
		i.fail(file, key, "cannot be read: "+reason(err), "it is the CA of the peer's TLS certificate, as PEM")
		return nil
	}
	pool, count := x509.NewCertPool(), 0
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		cert, err := x509.ParseCertificate(block.Bytes)
		if block.Type != "CERTIFICATE" || err != nil {
			i.fail(file, key, "holds something that is not a certificate", "")
			return nil
		}
		if i.now.After(cert.NotAfter) {
			i.warn(file, key, "has expired on "+cert.NotAfter.UTC().Format(time.RFC3339), "ask the peer's operator for the new one")
		}
		pool.AddCert(cert)
		count++
	}
	if count == 0 {
		i.fail(file, key, "holds no certificate", "it is the CA of the peer's TLS certificate, as PEM")
	}
	return pool
}
