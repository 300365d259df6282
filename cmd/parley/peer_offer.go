package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"parley/mimihttp"
	"parley/provider"
	"parley/uri"
)

// offerLife is how long an offer can be accepted.
const offerLife = 30 * 24 * time.Hour

func peerOfferCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "offer",
		Short: "Write a signed offer that makes another operator's provider our peer",
		Long: `Write a peering offer: the domain, how our TLS certificate is judged, the authorities of our users, limits, cipher suites, whom to
write to. It holds no secret. Send the file to the other operator, or put it on the web; read the fingerprint to them by telephone. They
run parley peer add with it, and send you theirs.

Where the federation certificate is of a public authority nothing else is needed. Of a private one, name its authority with --tls-ca.`,
		Example: "  parley peer offer --abuse abuse@a.example --out a.example.offer\n  parley peer offer --abuse abuse@a.example --tls-ca /etc/parley/tls/ca.crt",
		Args:    noArgs,
	}
	path := configFlag(c)
	var o provider.Offer
	out := c.Flags().String("out", "", "the file to write; default: standard output")
	tlsCA := c.Flags().String("tls-ca", "", "PEM of the private authority of our TLS certificate")
	c.Flags().StringVar(&o.Abuse, "abuse", "", "whom to write to about abuse (required)")
	c.Flags().StringVar(&o.Terms, "terms", "", "URL of the terms under which we federate")
	c.Flags().StringVar(&o.Security, "security", "", "a statement on security, for people")
	c.Flags().StringVar(&o.Dial, "dial", "", "host:port where we are reached, where DNS is not enough")
	c.Flags().StringVar(&o.Comment, "comment", "", "a note for the other operator")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if o.Abuse == "" {
			return usageError{errors.New("--abuse is needed: whom the other operator writes to")}
		}
		cfg, err := readConfig(*path)
		if err != nil {
			return err
		}
		file, fingerprint, err := cfg.offer(&o, *tlsCA)
		if err != nil {
			return err
		}
		if *out == "" {
			if _, err := c.OutOrStdout().Write(file); err != nil {
				return err
			}
			_, err = fmt.Fprintf(c.ErrOrStderr(), "fingerprint %s\n", fingerprint)
			return err
		}
		if err := os.WriteFile(*out, file, 0o644); err != nil {
			return err
		}
		return printf(c, "%s, until %s\nfingerprint %s\n", *out, time.Now().Add(offerLife).Format(time.DateOnly), fingerprint)
	}
	return c
}

// offer makes the file and its fingerprint.
func (c *config) offer(words *provider.Offer, tlsCA string) ([]byte, string, error) {
	found := c.inspect(time.Now())
	if wrong := found.wrong(); len(wrong) > 0 || found.keys == nil {
		return nil, "", &configError{wrong}
	}
	o := provider.OfferOf(c.provider(), found.keys, c.Limits.limits(), time.Now(), offerLife)
	o.Abuse, o.Terms, o.Security, o.Dial, o.Comment = words.Abuse, words.Terms, words.Security, words.Dial, words.Comment
	o.Software = "parley " + version().Version
	if err := c.offerTrust(o, tlsCA); err != nil {
		return nil, "", err
	}
	file, err := o.Sign(found.keys.CA)
	if err != nil {
		return nil, "", err
	}
	_, fingerprint, err := provider.OpenOffer(file, time.Now())
	return file, fingerprint, err
}

// offerTrust says how our certificate is judged: by public authorities if they do, by the private one that is named otherwise.
func (c *config) offerTrust(o *provider.Offer, tlsCA string) error {
	pair, err := tls.LoadX509KeyPair(c.Federation.CertificateFile, c.Federation.KeyFile)
	if err != nil {
		return err
	}
	intermediates := x509.NewCertPool()
	for _, der := range pair.Certificate[1:] {
		if cert, err := x509.ParseCertificate(der); err == nil {
			intermediates.AddCert(cert)
		}
	}
	options := x509.VerifyOptions{Intermediates: intermediates, DNSName: c.provider().Domain()}
	if tlsCA == "" {
		o.Trust = mimihttp.WebPKIAnyEKU.String()
		if _, err := pair.Leaf.Verify(options); err != nil {
			return fmt.Errorf("our certificate is of no public authority (%w); name the private one with --tls-ca", err)
		}
		return nil
	}
	text, err := os.ReadFile(tlsCA)
	if err != nil {
		return err
	}
	options.Roots = x509.NewCertPool()
	if !options.Roots.AppendCertsFromPEM(text) {
		return fmt.Errorf("%s holds no certificate", tlsCA)
	}
	if _, err := pair.Leaf.Verify(options); err != nil {
		return fmt.Errorf("our certificate is not of the authority in %s: %w", tlsCA, err)
	}
	o.Trust, o.TLSAuthorities = mimihttp.PrivateCA.String(), string(text)
	return nil
}

func peerAddCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "add FILE|URL",
		Short: "Make the provider of a peering offer our peer",
		Long: `Read a peering offer that another operator made with parley peer offer, and show it. Compare its fingerprint with what they read to you
by another way than the network: whoever changes an offer on its way can claim to be all of that provider's users.

With --fingerprint the offer is accepted if it has that one: its certificates are put into the data directory and a [[peer]] is added at
the end of the configuration. Restart the provider then; parley peer doctor shows whether each side can reach the other.`,
		Example: "  parley peer add b.example.offer\n  parley peer add b.example.offer --fingerprint 'a1b2 c3d4 ...'\n  parley peer add https://b.example/peering.offer",
		Args:    exactArgs(1),
	}
	path := configFlag(c)
	asJSON := jsonFlag(c)
	fingerprint := c.Flags().String("fingerprint", "", "accept the offer if it has this fingerprint")
	dial := c.Flags().String("dial", "", "host:port to connect to, instead of what the offer says")
	c.RunE = func(c *cobra.Command, args []string) error {
		cfg, err := readConfig(*path)
		if err != nil {
			return err
		}
		file, err := readOffer(c.Context(), args[0])
		if err != nil {
			return err
		}
		o, sum, err := provider.OpenOffer(file, time.Now())
		if err != nil {
			return err
		}
		if *dial != "" {
			o.Dial = *dial
		}
		if err := cfg.mayAdd(o); err != nil {
			return err
		}
		result := addResult{Domain: o.Domain, Fingerprint: sum, Offer: o}
		if *fingerprint != "" {
			if squeeze(*fingerprint) != squeeze(sum) {
				return fmt.Errorf("the offer has the fingerprint %s, not that one: it was changed, or is another one", sum)
			}
			if err := cfg.addPeer(o); err != nil {
				return err
			}
			result.Added = true
		}
		if *asJSON {
			return printJSON(c, &result)
		}
		return result.print(c)
	}
	return c
}

// addResult is the answer of parley peer add --json.
type addResult struct {
	Domain      string          `json:"domain"`
	Fingerprint string          `json:"fingerprint"`
	Added       bool            `json:"added"`
	Offer       *provider.Offer `json:"offer"`
}

func (r *addResult) print(c *cobra.Command) error {
	o := r.Offer
	if err := printf(c, "domain       %s\nfingerprint  %s\ntrust        %s\ncontact      %s\nterms        %s\nsecurity     %s\nsoftware     %s\nuntil        %s\n",
		cleanLine(o.Domain), r.Fingerprint, o.Trust, cleanLine(o.Abuse), cleanLine(o.Terms), cleanLine(o.Security), cleanLine(o.Software),
		o.Expires.Format(time.DateOnly)); err != nil {
		return err
	}
	if r.Added {
		return printf(c, "\n%s is a peer. Restart parley serve, then: parley peer doctor %s\n", o.Domain, o.Domain)
	}
	return printf(c, "\nNothing was changed. If the other operator reads you the same fingerprint, run it again with --fingerprint.\n")
}

func squeeze(s string) string { return strings.ToLower(strings.Join(strings.Fields(s), "")) }

const mostOfferOctets = 64 << 10

// readOffer reads a file or fetches a URL.
func readOffer(ctx context.Context, from string) ([]byte, error) {
	if !strings.HasPrefix(from, "https://") {
		f, err := os.Open(from)
		if err != nil {
			return nil, err
		}
		text, err := io.ReadAll(io.LimitReader(f, mostOfferOctets+1))
		return text, errors.Join(err, f.Close())
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, from, nil)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, mostOfferOctets+1))
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %d", from, answer.StatusCode)
	}
	return text, nil
}

// mayAdd refuses offers that would change who somebody is.
func (c *config) mayAdd(o *provider.Offer) error {
	at, err := uri.ProviderFromDomain(o.Domain)
	switch {
	case err != nil:
		return err
	case at == c.provider():
		return errors.New("that is our own offer; send it to the other operator")
	case c.isPeer(at):
		return fmt.Errorf("%s is a peer already; to replace it, take its [[peer]] out of %s first", at.Domain(), c.path)
	}
	return nil
}

// addPeer writes the certificates and then the [[peer]]: a crash in between leaves files that nothing names.
func (c *config) addPeer(o *provider.Offer) error {
	dir := filepath.Join(c.Data, "peers")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "\n[[peer]]\ndomain = %q\n", o.Domain)
	if o.Dial != "" {
		fmt.Fprintf(&text, "dial = %q\n", o.Dial)
	}
	fmt.Fprintf(&text, "trust = %q\n", o.Trust)
	for _, f := range []struct{ key, name, pem string }{
		{"ca_file", o.Domain + "-tls.crt", o.TLSAuthorities}, {"authorities_file", o.Domain + "-users.crt", o.Authorities},
	} {
		if f.pem == "" {
			continue
		}
		file := filepath.Join(dir, f.name)
		if err := replaceFile(file, []byte(f.pem), 0o600); err != nil {
			return err
		}
		fmt.Fprintf(&text, "%s = %q\n", f.key, file)
	}
	if len(o.Pins) > 0 {
		fmt.Fprintf(&text, "spki_sha256 = [\"%s\"]\n", strings.Join(o.Pins, "\", \""))
	}
	return c.extend(text.String())
}

// extend adds lines to the configuration if it is right with them.
func (c *config) extend(lines string) error {
	old, err := os.ReadFile(c.path)
	if err != nil {
		return err
	}
	text := append(bytes.TrimRight(old, "\n"), '\n')
	text = append(text, lines...)
	next, err := parseConfig(c.path, text)
	if err != nil {
		return err
	}
	if problems := next.validate(); len(problems) > 0 {
		return &configError{problems}
	}
	info, err := os.Stat(c.path)
	if err != nil {
		return err
	}
	return replaceFile(c.path, text, info.Mode().Perm())
}

// replaceFile puts a file in the place of another one as a whole.
func replaceFile(path string, text []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".parley-*")
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return os.Rename(f.Name(), path)
}
