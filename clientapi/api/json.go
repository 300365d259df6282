package api

import "fmt"

// EnrolRequest turns a one-time code into a client.
//
// The code is spent by the first success and then answers NotFound: a lost answer costs a new code and another device name, never
// a second holder of the first client. A refusal does not spend it.
type EnrolRequest struct {
	Code   string `json:"code"`   // as printed by `parley user add`
	Device string `json:"device"` // becomes the last segment of the client URI: 1-32 of a-z 0-9 -
	Suite  uint16 `json:"suite"`  // MLS cipher suite whose signature scheme the key of CSR has
	CSR    []byte `json:"csr"`    // PKCS #10, DER, see SigningRequest: the key is the client's, names in it are not looked at
}

// EnrolResponse is a device's identity. Token is shown once.
type EnrolResponse struct {
	User         string   `json:"user"`
	Client       string   `json:"client"`
	Token        string   `json:"token"`
	Certificates [][]byte `json:"certificates"` // DER, leaf first: the x509 credential of the signature key
	Provider     Provider `json:"provider"`
}

// RenewRequest asks for a credential of a fresh or of the same signature key.
type RenewRequest struct {
	Suite uint16 `json:"suite"`
	CSR   []byte `json:"csr"`
}

// RenewResponse answers RenewRequest.
type RenewResponse struct {
	Certificates [][]byte `json:"certificates"` // DER, leaf first
}

// Provider is what a client has to know of its own provider.
type Provider struct {
	URI             string           `json:"uri"`
	ExternalSenders []ExternalSender `json:"external_senders"`
	Authorities     []Authority      `json:"authorities"`
}

// ExternalSender is the hub as a room's creator puts it into the group's external_senders extension: the one whose Suites holds the
// group's suite, because the hub's key must have the suite's signature scheme.
type ExternalSender struct {
	Suites []uint16 `json:"suites"`
	Sender []byte   `json:"sender"` // TLS encoding of ExternalSender (RFC 9420 §12.1.8.1)
}

// Authority is the set of certificate authorities that a provider vouches for (P-CR-05, P-CR-07). Changed marks a set whose
// successor has no certificate in common with the pinned one and waits for the operator; the pinned set is still the one listed.
type Authority struct {
	Provider     string   `json:"provider"`
	Certificates [][]byte `json:"certificates"` // DER
	Changed      bool     `json:"changed,omitempty"`
}

// Authorities lists the known sets.
type Authorities struct {
	Authorities []Authority `json:"authorities"`
}

// Self tells a device who it is and how its inbox stands.
type Self struct {
	User         string   `json:"user"`
	Client       string   `json:"client"`
	Device       string   `json:"device"`
	Acknowledged uint64   `json:"acknowledged"` // cursor
	Provider     Provider `json:"provider"`
}

// KeyPackageCount tells how many unclaimed KeyPackages the device has left.
type KeyPackageCount struct {
	Available int `json:"available"`
	LowWater  int `json:"low_water"` // publish more when Available is at or below
}

// RoomCreated answers CreateRoom.
type RoomCreated struct {
	Room              string `json:"room"`
	AcceptedTimestamp uint64 `json:"accepted_timestamp"` // milliseconds since 1970 by the hub's clock
}

// Ack says that the device has stored every event up to and including Cursor.
type Ack struct {
	Cursor uint64 `json:"cursor"`
}

// Code is the reason of a refusal.
type Code string

// The closed set of codes, each with its HTTP status.
const (
	BadRequest      Code = "bad_request"      // 400
	Unauthenticated Code = "unauthenticated"  // 401
	Forbidden       Code = "forbidden"        // 403
	NotFound        Code = "not_found"        // 404
	BadMethod       Code = "bad_method"       // 405
	Conflict        Code = "conflict"         // 409
	TooLarge        Code = "too_large"        // 413
	TooMany         Code = "too_many"         // 429
	Internal        Code = "internal"         // 500
	PeerUnreachable Code = "peer_unreachable" // 502: the room's hub or the target's provider did not answer; retry the same octets
	Unavailable     Code = "unavailable"      // 503
	OutOfStorage    Code = "out_of_storage"   // 507
)

// Codes returns all codes, by status.
func Codes() []Code {
	return []Code{
		BadRequest, Unauthenticated, Forbidden, NotFound, BadMethod, Conflict, TooLarge, TooMany, Internal, PeerUnreachable, Unavailable,
		OutOfStorage,
	}
}

// Status returns the HTTP status of a code; 500 for one that is not of the set.
func (c Code) Status() int {
	switch c {
	case BadRequest:
		return 400
	case Unauthenticated:
		return 401
	case Forbidden:
		return 403
	case NotFound:
		return 404
	case BadMethod:
		return 405
	case Conflict:
		return 409
	case TooLarge:
		return 413
	case TooMany:
		return 429
	case PeerUnreachable:
		return 502
	case Unavailable:
		return 503
	case OutOfStorage:
		return 507
	}
	return 500
}

// Error is the body of every answer that is not 2xx. Detail is a sentence for people and holds no user data of others.
type Error struct {
	Code       Code   `json:"code"`
	Detail     string `json:"detail,omitempty"`
	RetryAfter int    `json:"retry_after,omitempty"` // seconds to wait before the same request, also in the Retry-After header
	Waiting    string `json:"waiting,omitempty"`     // domain of the other provider that is to blame
}

func (e *Error) Error() string {
	if e.Detail == "" {
		return string(e.Code)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Detail)
}

// Temporary reports whether the same octets may succeed later.
func (e *Error) Temporary() bool {
	switch e.Code {
	case TooMany, Internal, PeerUnreachable, Unavailable, OutOfStorage:
		return true
	}
	return false
}
