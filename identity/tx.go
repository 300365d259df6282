package identity

import (
	"time"

	"parley/uri"
)

// Hash is the SHA-256 of a code or a token.
type Hash [32]byte

// User is one account.
type User struct {
	URI     uri.User
	Created time.Time
}

// Code is an enrolment code that was not used yet.
type Code struct {
	Hash    Hash
	User    uri.User
	Expires time.Time
}

// Device is one client of a user. Revoked is the zero time while it may be used.
type Device struct {
	Client  uri.Client
	User    uri.User
	Token   Hash
	Created time.Time
	Revoked time.Time
}

// CodeTx is the enrolment codes' part of Tx.
type CodeTx interface {
	PutCode(c Code) error
	TakeCode(h Hash) (Code, bool, error)    // deletes it
	ExpireCodes(now time.Time) (int, error) // deletes those that cannot be used any more at now
}

// Tx is what the accounts need of a store within one transaction.
type Tx interface {
	CodeTx

	User(u uri.User) (User, bool, error)
	PutUser(u User) error
	DeleteUser(u uri.User) error                   // its devices stay
	Users(after string, limit int) ([]User, error) // by URI, those behind after

	DeviceByToken(token Hash) (Device, bool, error) // revoked ones too
	Devices(u uri.User) ([]Device, error)           // by URI, revoked ones too
	PutDevice(d Device) error                       // by Client
}

// Pin is the set of authorities of one provider, as DER certificates. Pending is a set that differs completely and waits for an
// operator.
type Pin struct {
	Provider uri.Provider
	Set      [][]byte
	Pending  [][]byte
	Since    time.Time
}

// PinTx is what the pinned authorities need of a store within one transaction.
type PinTx interface {
	Pin(p uri.Provider) (Pin, bool, error)
	PutPin(p Pin) error
	Pins() ([]Pin, error) // by URI
}
