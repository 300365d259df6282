package mimi

import (
	"fmt"
	"time"
)

// Invalid is a rule that a well-formed structure breaks. It never holds data of users.
type Invalid string

func (e Invalid) Error() string { return "mimi: " + string(e) }

// The rules that Validate, Verify and Apply check.
const (
	ErrIdentifier    Invalid = "an identifier is malformed or of the wrong kind"
	ErrNoSuites      Invalid = "no cipher suite is acceptable"
	ErrStatus        Invalid = "status and contents disagree"
	ErrSignature     Invalid = "signature does not verify"
	ErrSuite         Invalid = "cipher suite is unknown or does not fit the key"
	ErrEmbeddedTree  Invalid = "GroupInfo carries a ratchet tree"
	ErrTreeNotGiven  Invalid = "ratchet tree is not given in a form the receiver can use"
	ErrRoom          Invalid = "answer is about another room"
	ErrDecrypt       Invalid = "content cannot be decrypted"
	ErrDuplicateUser Invalid = "user stands in the participant list twice"
	ErrRoleZero      Invalid = "role 0 is never stored"
	ErrIndex         Invalid = "index is outside of the list"
	ErrTouchedTwice  Invalid = "user is touched twice in one commit"
	ErrNUL           Invalid = "text contains NUL"
	ErrAvatar        Invalid = "avatar is not an https URL"
	ErrEmptyQuery    Invalid = "query or search value is empty"
	ErrAllegedSender Invalid = "reported message is not of the alleged abuser"
	ErrHubSender     Invalid = "hub is not an external sender of the group"
)

// Code classifies a failure of a whole request, as opposed to a verdict inside a response.
type Code uint8

// The codes, with the HTTP status they travel as.
const (
	Internal         Code = iota // 500
	BadRequest                   // 400: the body or the path does not decode, or breaks a rule of form
	NotAuthenticated             // 401: no verified client certificate
	Forbidden                    // 403: the caller may not do this
	NotFound                     // 404: no such endpoint, room or user, or hidden
	TooLarge                     // 413: the body is longer than the endpoint takes
	Misdirected                  // 421: the target provider is not served here
	TooMany                      // 429: come back after RetryAfter
	Unavailable                  // 503: come back after RetryAfter; also: the peer cannot be reached
	OutOfStorage                 // 507
)

// String is the code's word.
func (c Code) String() string {
	words := [...]string{"internal error", "bad request", "not authenticated", "forbidden", "not found", "too large",
		"misdirected", "too many requests", "unavailable", "out of storage"}
	if int(c) < len(words) {
		return words[c]
	}
	return "unknown"
}

// Error is the failure of a whole request. Code, Detail and RetryAfter are told to the peer; Err is not.
type Error struct {
	Code       Code
	Detail     string        // a reason that is safe for the peer and for logs: no data of users
	RetryAfter time.Duration // TooMany, Unavailable: when to come back; 0 means the peer did not say
	Err        error         // the cause, for errors.Is and local logs
}

func (e *Error) Error() string {
	if e.Detail == "" {
		return "mimi: " + e.Code.String()
	}
	return "mimi: " + e.Code.String() + ": " + e.Detail
}

func (e *Error) Unwrap() error { return e.Err }

// Temporary reports whether the same request may succeed later without anybody changing it.
func (e *Error) Temporary() bool {
	switch e.Code {
	case Internal, TooMany, Unavailable, OutOfStorage:
		return true
	}
	return false
}

// Errorf makes an Error whose detail is safe for the peer.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...)}
}
