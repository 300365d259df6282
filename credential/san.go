package credential

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"

	"parley/uri"
)

const generalNameURI = 6 // uniformResourceIdentifier (RFC 5280 §4.2.1.6)

// Object identifiers are functions because package state must not be mutable.
func oidSubjectAltName() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 5, 29, 17} }

// oidGateway marks a key that a gateway holds. It lies in the arc for identifiers that need no registration (X.667); there is no
// registered one.
func oidGateway() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 25, 1735943801} }

// names are the mimi: identifiers of a certificate, by kind. Other names are nobody's identity and are passed over: they may be
// claims that a room's policy looks at.
type names struct {
	providers  []uri.Provider
	users      []uri.User
	pseudonyms []uri.Pseudonym
	clients    []uri.Client
}

func namesOf(cert *x509.Certificate) (names, error) {
	var n names
	texts, err := alternativeURIs(cert)
	if err != nil {
		return n, err
	}
	for _, text := range texts {
		if err := n.add(text); err != nil {
			return names{}, err
		}
	}
	return n, nil
}

func (n *names) add(text string) error {
	u, err := uri.Parse(text)
	if err == uri.ErrScheme {
		return nil
	}
	if err != nil {
		return ErrNames
	}
	switch u.Kind() {
	case uri.KindProvider:
		p, err := uri.ParseProvider(text)
		n.providers = append(n.providers, p)
		return err
	case uri.KindUser:
		v, err := uri.ParseUser(text)
		n.users = append(n.users, v)
		return err
	case uri.KindPseudonym:
		v, err := uri.ParsePseudonym(text)
		n.pseudonyms = append(n.pseudonyms, v)
		return err
	case uri.KindClient:
		v, err := uri.ParseClient(text)
		n.clients = append(n.clients, v)
		return err
	}
	return nil
}

// alternativeURIs returns the URIs as they stand in the certificate; the parsed ones of crypto/x509 lose the exact text.
func alternativeURIs(cert *x509.Certificate) ([]string, error) {
	var out []string
	for _, e := range cert.Extensions {
		if !e.Id.Equal(oidSubjectAltName()) {
			continue
		}
		var general []asn1.RawValue
		rest, err := asn1.Unmarshal(e.Value, &general)
		if err != nil || len(rest) > 0 {
			return nil, ErrCertificate
		}
		for _, g := range general {
			if g.Class == asn1.ClassContextSpecific && g.Tag == generalNameURI {
				out = append(out, string(g.Bytes))
			}
		}
	}
	return out, nil
}

// alternativeNames makes the extension. It is critical because the certificates have no subject (RFC 5280 §4.2.1.6).
func alternativeNames(uris ...string) (pkix.Extension, error) {
	var general []asn1.RawValue
	for _, u := range uris {
		general = append(general, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: generalNameURI, Bytes: []byte(u)})
	}
	value, err := asn1.Marshal(general)
	return pkix.Extension{Id: oidSubjectAltName(), Critical: true, Value: value}, err
}

func gatewayMark() pkix.Extension {
	return pkix.Extension{Id: oidGateway(), Value: []byte{asn1.TagNull, 0}}
}

func hasGatewayMark(cert *x509.Certificate) bool {
	for _, e := range cert.Extensions {
		if e.Id.Equal(oidGateway()) {
			return true
		}
	}
	return false
}
