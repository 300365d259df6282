package provider

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"parley/credential"
	"parley/mimihttp"
	"parley/uri"
)

// Offer is what a provider tells another operator, so that the two can become peers without writing configuration by hand. It is
// signed by the authority of the provider's users; whether that is whom one means to trust, two people decide who compare the
// fingerprint by another way than the network.
type Offer struct {
	Version int    `json:"version"` // OfferVersion
	Domain  string `json:"domain"`
	// Dial is host:port where DNS is not enough.
	Dial string `json:"dial,omitempty"`
	// Trust is the mode in which the provider's TLS certificates are to be judged, TLSAuthorities and Pins what that needs.
	Trust          string   `json:"trust"`
	TLSAuthorities string   `json:"tls_authorities,omitempty"` // PEM
	Pins           []string `json:"spki_sha256,omitempty"`
	// Authorities certify the provider's users, PEM; the first one has signed the offer.
	Authorities string    `json:"authorities"`
	Suites      []uint16  `json:"suites"`            // of MLS
	Limits      Takes     `json:"limits"`            // what the provider takes of one peer
	Profiles    []string  `json:"profiles"`          // URNs of media profiles; none yet
	Abuse       string    `json:"abuse"`             // whom to write to
	Terms       string    `json:"terms,omitempty"`   // URL
	Security    string    `json:"security"`          // a statement for people
	Software    string    `json:"software"`          // name and version
	Issued      time.Time `json:"issued"`            //
	Expires     time.Time `json:"expires"`           //
	Gateways    []string  `json:"gateways"`          // kinds of native systems whose users are reached, by gateways that hold their keys
	Comment     string    `json:"comment,omitempty"` // for the other operator
}

// Takes are limits in requests per second.
type Takes struct {
	KeyMaterial   float64 `json:"key_material"`
	Update        float64 `json:"update"`
	SubmitMessage float64 `json:"submit_message"`
	Notify        float64 `json:"notify"`
	GroupInfo     float64 `json:"group_info"`
}

// OfferVersion is the form of offers that this version writes and reads.
const OfferVersion = 1

// mostOffer bounds an offer, in octets.
const mostOffer = 64 << 10

// What can be wrong with an offer.
var (
	ErrOffer          = errors.New("provider: that is no peering offer, or it was changed on the way")
	ErrOfferVersion   = errors.New("provider: the offer is of a form that this version does not know")
	ErrOfferExpired   = errors.New("provider: the offer is outside of its validity")
	ErrOfferSignature = errors.New("provider: the offer is not signed by the authority in it")
)

// signedOffer is an offer as it is sent. Offer are the octets that were signed.
type signedOffer struct {
	Offer     []byte `json:"parley_peering_offer"`
	Signature []byte `json:"signature"`
}

// Sign makes the file of an offer.
func (o *Offer) Sign(ca *credential.CA) ([]byte, error) {
	octets, err := json.Marshal(o)
	if err != nil {
		return nil, err
	}
	signature, err := signOffer(ca.Key, octets)
	if err != nil {
		return nil, err
	}
	out, err := json.MarshalIndent(&signedOffer{octets, signature}, "", "  ")
	if err == nil && len(out) > mostOffer {
		err = fmt.Errorf("provider: the offer is longer than %d octets", mostOffer)
	}
	return append(out, '\n'), err
}

// context keeps the signature from standing for anything else that the authority signs.
const offerContext = "parley peering offer 1\x00"

func signOffer(key crypto.Signer, octets []byte) ([]byte, error) {
	message := append([]byte(offerContext), octets...)
	if _, ok := key.Public().(ed25519.PublicKey); ok {
		return key.Sign(rand.Reader, message, crypto.Hash(0))
	}
	sum := sha256.Sum256(message)
	return key.Sign(rand.Reader, sum[:], crypto.SHA256)
}

// OpenOffer reads the file of an offer and returns it with its fingerprint. Every rule is checked that needs no other knowledge.
func OpenOffer(file []byte, now time.Time) (*Offer, string, error) {
	var signed signedOffer
	if len(file) > mostOffer || strictJSON(file, &signed) != nil {
		return nil, "", ErrOffer
	}
	o := new(Offer)
	if err := json.Unmarshal(signed.Offer, o); err != nil {
		return nil, "", ErrOffer
	}
	if o.Version != OfferVersion {
		return nil, "", ErrOfferVersion
	}
	at, err := uri.ProviderFromDomain(o.Domain)
	if err != nil {
		return nil, "", ErrOffer
	}
	authorities, err := ParseAuthorities(at, []byte(o.Authorities))
	if err != nil || len(authorities) == 0 {
		return nil, "", fmt.Errorf("%w: its authorities do not certify users of %s", ErrOffer, at.Domain())
	}
	if checkOffer(authorities[0], &signed) != nil {
		return nil, "", ErrOfferSignature
	}
	if now.Before(o.Issued.Add(-time.Hour)) || now.After(o.Expires) {
		return nil, "", ErrOfferExpired
	}
	if err := o.trusts(); err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(signed.Offer)
	return o, grouped(sum[:16]), nil
}

// strictJSON reads one object and nothing behind it.
func strictJSON(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return ErrOffer
	}
	return nil
}

func checkOffer(cert *x509.Certificate, signed *signedOffer) error {
	algorithm := x509.ECDSAWithSHA256
	if cert.PublicKeyAlgorithm == x509.Ed25519 {
		algorithm = x509.PureEd25519
	}
	return cert.CheckSignature(algorithm, append([]byte(offerContext), signed.Offer...), signed.Signature)
}

// trusts checks that the trust mode has what it needs.
func (o *Offer) trusts() error {
	mode, err := mimihttp.ParseTrustMode(o.Trust)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrOffer, err)
	}
	trust := mimihttp.Trust{Mode: mode}
	if o.TLSAuthorities != "" {
		trust.Roots = x509.NewCertPool()
		if !trust.Roots.AppendCertsFromPEM([]byte(o.TLSAuthorities)) {
			return fmt.Errorf("%w: its TLS authorities are no certificates", ErrOffer)
		}
	}
	for _, pin := range o.Pins {
		var sum [32]byte
		if n, err := hex.Decode(sum[:], []byte(pin)); err != nil || n != len(sum) {
			return fmt.Errorf("%w: a pin is no SHA-256", ErrOffer)
		}
		trust.Pins = append(trust.Pins, sum)
	}
	if err := trust.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrOffer, err)
	}
	return nil
}

// grouped is a fingerprint as people read it aloud.
func grouped(sum []byte) string {
	text := hex.EncodeToString(sum)
	var parts []string
	for len(text) > 4 {
		parts = append(parts, text[:4])
		text = text[4:]
	}
	return strings.Join(append(parts, text), " ")
}

// OfferOf fills in what a provider's keys and limits say.
func OfferOf(at uri.Provider, keys *Keys, limits Limits, now time.Time, life time.Duration) *Offer {
	limits.fill()
	o := &Offer{Version: OfferVersion, Domain: at.Domain(), Issued: now.UTC().Truncate(time.Second), Expires: now.Add(life).UTC().Truncate(time.Second),
		Profiles: []string{}, Gateways: []string{}, Suites: []uint16{},
		Limits: Takes{limits.KeyMaterial, limits.Update, limits.SubmitMessage, limits.Notify, limits.GroupInfo}}
	var text bytes.Buffer
	for _, c := range keys.Authorities {
		text.Write(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw}))
	}
	o.Authorities = text.String()
	for i := range keys.Hub {
		for _, s := range keys.Hub[i].Suites {
			o.Suites = append(o.Suites, uint16(s))
		}
	}
	return o
}
