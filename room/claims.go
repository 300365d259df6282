package room

import (
	"bytes"
	"crypto/x509"
	"encoding/asn1"

	"parley/mls/wire"
	"parley/policy"
)

// claimsOf tells which claims a leaf's credential holds. Only the octets in the leaf count (A-R25): for X.509 the claim's id is the DER
// of an object identifier, and the value is the DER of that extension of the certificate, or of one name of its subject alternative
// names (A-R28, A-83). Other credentials hold no claims here.
func claimsOf(leaf *wire.LeafNode) func(*policy.Claim) bool {
	return func(c *policy.Claim) bool {
		if leaf == nil || c.Credential != wire.X509Credential || leaf.Credential.Type != wire.X509Credential ||
			len(leaf.Credential.Certificates) == 0 {
			return false
		}
		cert, err := x509.ParseCertificate(leaf.Credential.Certificates[0])
		if err != nil {
			return false
		}
		var id asn1.ObjectIdentifier
		if rest, err := asn1.Unmarshal(c.ID, &id); err != nil || len(rest) > 0 {
			return false
		}
		for _, e := range cert.Extensions {
			if e.Id.Equal(id) && (bytes.Equal(e.Value, c.Value) || id.Equal(alternativeNames()) && oneName(e.Value, c.Value)) {
				return true
			}
		}
		return false
	}
}

func alternativeNames() asn1.ObjectIdentifier { return asn1.ObjectIdentifier{2, 5, 29, 17} }

// oneName reports whether a value is one of the names of an extension.
func oneName(extension, value []byte) bool {
	var names []asn1.RawValue
	if rest, err := asn1.Unmarshal(extension, &names); err != nil || len(rest) > 0 {
		return false
	}
	for _, n := range names {
		if bytes.Equal(n.FullBytes, value) {
			return true
		}
	}
	return false
}

// NameClaim is the claim that a URI stands among the certificate's alternative names.
func NameClaim(text string) (policy.Claim, error) {
	id, err := asn1.Marshal(alternativeNames())
	if err != nil {
		return policy.Claim{}, err
	}
	const uriName = 6 // uniformResourceIdentifier (RFC 5280 §4.2.1.6)
	value, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: uriName, Bytes: []byte(text)})
	return policy.Claim{Credential: wire.X509Credential, ID: id, Value: value}, err
}
