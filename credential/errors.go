package credential

// Error is the rule that a credential breaks. It never holds data of users.
type Error string

func (e Error) Error() string { return "credential: " + string(e) }

// The rules.
const (
	ErrType        Error = "type is not X.509"
	ErrChain       Error = "certificates are missing, too many or too long"
	ErrCertificate Error = "certificate is malformed or of the wrong kind"
	ErrNames       Error = "subjectAltName does not name one client and one user"
	ErrSenderName  Error = "subjectAltName does not name one provider"
	ErrProvider    Error = "client and user are of different providers"
	ErrKeyMismatch Error = "certificate is for another key"
	ErrKeyType     Error = "key is neither Ed25519 nor ECDSA"
	ErrUnknownCA   Error = "provider vouches for no authority"
	ErrUntrusted   Error = "chain does not lead to an authority of the provider"
	ErrExpired     Error = "certificate is not valid at this time"
	ErrIdentity    Error = "identity differs from the one it replaces"
	ErrForeign     Error = "name is not of the issuing provider"
	ErrLifetime    Error = "authority is not valid at this time"
	ErrPEM         Error = "PEM data is not what was expected"
)
