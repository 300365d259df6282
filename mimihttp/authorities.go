package mimihttp

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"strings"
)

// authoritiesMember is a member of the directory beside the draft's: the provider's CA set as PEM text. The drafts say that a
// user's certificate leads to what the user's provider vouches for (P-CR-05) and leave open how others learn that. The directory comes
// from the provider's authenticated origin, and who does not know the member passes it over (P-DIR-05).
const (
	authoritiesMember = "parleyAuthorities"
	mostAuthorities   = 16

	pemCertificate = "CERTIFICATE"
)

func pemOf(certificates []*x509.Certificate) string {
	var text strings.Builder
	for _, c := range certificates {
		text.Write(pem.EncodeToMemory(&pem.Block{Type: pemCertificate, Bytes: c.Raw}))
	}
	return text.String()
}

// authoritiesOf reads the member; what is not in order counts as not published.
func authoritiesOf(member json.RawMessage) [][]byte {
	var text string
	if len(member) == 0 || json.Unmarshal(member, &text) != nil {
		return nil
	}
	var set [][]byte
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return set
		}
		if block.Type != pemCertificate || len(set) == mostAuthorities {
			return nil
		}
		set = append(set, block.Bytes)
	}
}

// Authorities returns the CA set that the peer publishes in its directory, as DER; empty when it publishes none. The certificates
// have not been looked at.
func (c *Client) Authorities(ctx context.Context) ([][]byte, error) {
	d, err := c.current(ctx, false)
	if err != nil {
		return nil, err
	}
	return d.authorities, nil
}
