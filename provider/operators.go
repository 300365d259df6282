package provider

import (
	"context"
	"errors"
	"time"

	"parley/identity"
	"parley/uri"
)

// Operator is what an operator can do with a provider: through the socket of one that runs, or with the store of one that does not.
type Operator struct {
	// Invite makes a user, unless there is one of the name, and a one-time code for one device of it.
	Invite func(ctx context.Context, name string) (*Invitation, error)
	// Restore is Invite also for a user that was removed.
	Restore func(ctx context.Context, name string) (*Invitation, error)
	// Users lists at most limit users whose URI is behind after.
	Users func(ctx context.Context, after string, limit int) ([]UserEntry, error)
	// Person tells what is known of a user and of its addresses.
	Person func(ctx context.Context, name string) (*PersonEntry, error)
	// Address gives a user an address or takes it away.
	Address func(ctx context.Context, c AddressChange) (*PersonEntry, error)
	// Revoke ends a device, named by its URI or as user/device.
	Revoke func(ctx context.Context, device string) (*Revocation, error)
	// Remove ends a user with all devices.
	Remove func(ctx context.Context, name string) ([]Revocation, error)
	// Accept puts the changed authorities of a peer in force, which raised an alarm.
	Accept func(ctx context.Context, peer uri.Provider) error
	// Peers lists what is known of other providers, and of our own where something waits for its devices.
	Peers func(ctx context.Context) ([]PeerEntry, error)
	// Parked lists what the outbox has given up.
	Parked func(ctx context.Context) (*ParkedList, error)
	// Retry tries again what waits for a destination (its domain) or what was parked (the id of a ParkedEntry).
	Retry func(ctx context.Context, id string) error
	// Drop gives up what was parked for good.
	Drop func(ctx context.Context, id string) error
	// Reports lists at most limit reports of misconduct whose number is above after: those that wait for a decision, or all.
	Reports func(ctx context.Context, after uint64, limit int, all bool) ([]ReportEntry, error)
	// Resolve notes what was decided on a report; ErrNoReport when none waits under the number.
	Resolve func(ctx context.Context, id uint64, outcome string) error
}

// Invitation is a fresh enrolment code. It is shown once.
type Invitation struct {
	User    string    `json:"user"`
	Code    string    `json:"code"`
	Expires time.Time `json:"expires"`
}

// UserEntry is one user.
type UserEntry struct {
	User    string        `json:"user"`
	Created time.Time     `json:"created"`
	Devices []DeviceEntry `json:"devices"`
}

// DeviceEntry is one device of a user.
type DeviceEntry struct {
	Client  string    `json:"client"`
	Created time.Time `json:"created"`
	Revoked bool      `json:"revoked,omitempty"`
}

// Revocation is the end of a device.
type Revocation struct {
	Client      string `json:"client"`
	KeyPackages int    `json:"key_packages"` // how many were deleted
}

// PeerEntry is what is known of a provider.
type PeerEntry struct {
	Domain       string      `json:"domain"`
	Configured   bool        `json:"configured"`
	Certificates int         `json:"certificates"`    // of its users' authorities; 0: they are not known yet
	Since        *time.Time  `json:"since,omitempty"` // when they were pinned; absent when they are configured
	Changed      bool        `json:"changed"`         // another set waits for Accept
	Queue        *QueueEntry `json:"queue,omitempty"`
}

// QueueEntry is what waits for a provider, and how it takes it.
type QueueEntry struct {
	Rooms       int        `json:"rooms"`
	Messages    int        `json:"messages"`
	Oldest      *time.Time `json:"oldest,omitempty"`
	ParkedRooms int        `json:"parked_rooms"`
	ParkedItems int        `json:"parked_items"`
	// Since the process started; only of a provider that runs.
	Sending     int        `json:"sending"`
	Failures    int        `json:"failures"` // in a row
	LastError   string     `json:"last_error,omitempty"`
	LastErrorAt *time.Time `json:"last_error_at,omitempty"`
	NextTry     *time.Time `json:"next_try,omitempty"`
}

// ParkedList is what the outbox has given up.
type ParkedList struct {
	Parked []ParkedEntry `json:"parked"`
	More   bool          `json:"more"` // there are more than are listed
}

// Kinds of what is parked.
const (
	ParkedRoom    = "room"    // a handshake was refused for good: nothing of the room goes to the destination
	ParkedMessage = "message" // a message was refused for good: the room goes on without it
)

// ParkedEntry is one thing that a destination refuses for good. Rooms are labels (uri.Hash), as in the log.
type ParkedEntry struct {
	ID          string    `json:"id"`
	Kind        string    `json:"kind"`
	Destination string    `json:"destination"`
	Room        string    `json:"room"`
	Sequence    uint64    `json:"sequence"`
	Since       time.Time `json:"since"`
	Reason      string    `json:"reason,omitempty"`
	Octets      int       `json:"octets,omitempty"`
}

// Errors of operators.
var (
	// ErrNotRunning means that nobody answers at the socket.
	ErrNotRunning = errors.New("provider: no provider runs at the socket")
	ErrOperator   = errors.New("provider: the request is not one that operators make")
	// ErrMustRun means that only a provider that runs can do it.
	ErrMustRun = errors.New("provider: that needs a provider that runs")
	// ErrNoSuchPeer means that the provider is neither a peer nor our own.
	ErrNoSuchPeer = errors.New("provider: no such peer")
	// ErrLabel means that two rooms have one label.
	ErrLabel = errors.New("provider: several parked things have that id")
)

// Offline works on a store that no provider uses; peers are the configured ones. The store's goroutines must run.
func Offline(self uri.Provider, peers []Peer, s *Store, now func() time.Time) *Operator {
	pins := &identity.Pins{Update: s.UpdatePins, View: s.ViewPins, Now: now}
	return newDesk(self, peers, s, now, pins.All, pins.Accept).operator()
}

// pageOfUsers is the most users in one answer.
const pageOfUsers = 200

// AllUsers reads the whole list.
func (o *Operator) AllUsers(ctx context.Context) ([]UserEntry, error) {
	all := []UserEntry{}
	after := ""
	for {
		page, err := o.Users(ctx, after, pageOfUsers)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < pageOfUsers {
			return all, nil
		}
		after = page[len(page)-1].User
	}
}
