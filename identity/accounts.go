package identity

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"parley/uri"
)

// What can be wrong with a request.
var (
	ErrName    = errors.New("identity: the name is not allowed")
	ErrUser    = errors.New("identity: no such user")
	ErrCode    = errors.New("identity: the enrolment code is not valid (any more)")
	ErrDevice  = errors.New("identity: the device name was used before")
	ErrUnknown = errors.New("identity: no such device")
	ErrRemoved = errors.New("identity: the user was removed; its name is not given to somebody else")
	ErrToken   = errors.New("identity: the token is not valid (any more)")
)

// CodeLife is how long an enrolment code can be used.
const CodeLife = 7 * 24 * time.Hour

// Accounts are the users and devices of one provider. The fields are set once by the composer. They are safe for concurrent use.
type Accounts struct {
	Provider uri.Provider
	Update   func(context.Context, func(Tx) error) error
	View     func(context.Context, func(Tx) error) error
	Now      func() time.Time

	known known
}

// Invite makes the user if it does not exist yet and returns a fresh enrolment code for one device. A user that was removed is not made
// again: ErrRemoved. One transaction; a crash after it leaves a code that nobody knows and that expires.
func (a *Accounts) Invite(ctx context.Context, name string) (uri.User, string, error) {
	return a.invite(ctx, name, false)
}

// Restore is Invite also for a user that was removed: the same person comes back. The devices of before stay revoked.
func (a *Accounts) Restore(ctx context.Context, name string) (uri.User, string, error) {
	return a.invite(ctx, name, true)
}

func (a *Accounts) invite(ctx context.Context, name string, again bool) (uri.User, string, error) {
	if !plainName(name, 64, "._-") {
		return uri.User{}, "", ErrName
	}
	user, err := uri.NewUser(a.Provider, name)
	if err != nil {
		return uri.User{}, "", fmt.Errorf("%w: %w", ErrName, err)
	}
	code, now := rand.Text(), a.Now()
	err = a.Update(ctx, func(tx Tx) error {
		_, known, err := tx.User(user)
		if err != nil {
			return err
		}
		if !known {
			if err := makeUser(tx, User{URI: user, Created: now}, again); err != nil {
				return err
			}
		}
		return tx.PutCode(Code{Hash: hash(code), User: user, Expires: now.Add(CodeLife)})
	})
	if err != nil {
		return uri.User{}, "", err
	}
	return user, group(code), nil
}

// makeUser makes a user, unless somebody else may have spoken under the name: then there is a device of it.
func makeUser(tx Tx, u User, again bool) error {
	devices, err := tx.Devices(u.URI)
	if err != nil {
		return err
	}
	if len(devices) > 0 && !again {
		return ErrRemoved
	}
	return tx.PutUser(u)
}

// Enrolled is a new device. Token is the only copy.
type Enrolled struct {
	Device Device
	Token  string
}

// Enrol spends a code for a device. One transaction; a crash after it, or a lost answer, costs a code and a device name.
func (a *Accounts) Enrol(ctx context.Context, code, device string) (Enrolled, error) {
	if !plainName(device, 32, "-") {
		return Enrolled{}, ErrName
	}
	token, now := rand.Text(), a.Now()
	var out Enrolled
	err := a.Update(ctx, func(tx Tx) error {
		c, found, err := tx.TakeCode(hash(ungroup(code)))
		if err != nil {
			return err
		}
		if !found || !now.Before(c.Expires) {
			return ErrCode
		}
		if _, known, err := tx.User(c.User); err != nil || !known {
			return errors.Join(err, ErrCode) // removed meanwhile
		}
		client, err := uri.NewClient(a.Provider, c.User.Name(), device)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrName, err)
		}
		existing, err := tx.Devices(c.User)
		if err != nil {
			return err
		}
		for _, d := range existing {
			if d.Client == client {
				return ErrDevice // the transaction is undone, so the code stays
			}
		}
		out = Enrolled{Device: Device{Client: client, User: c.User, Token: hash(token), Created: now}, Token: token}
		return tx.PutDevice(out.Device)
	})
	if err != nil {
		return Enrolled{}, err
	}
	return out, nil
}

// Authenticate returns the device that a token belongs to. It may remember for some seconds that a token was good; Revoke ends that.
func (a *Accounts) Authenticate(ctx context.Context, token string) (Device, error) {
	sum := hash(token)
	device, found, changes := a.known.find(sum, a.Now())
	if found {
		return device, nil
	}
	err := a.View(ctx, func(tx Tx) error {
		d, found, err := tx.DeviceByToken(sum)
		if err != nil {
			return err
		}
		if !found || !d.Revoked.IsZero() {
			return ErrToken
		}
		device = d
		return nil
	})
	if err == nil {
		a.known.keep(sum, device, changes, a.Now())
	}
	return device, err
}

// Revoke ends a device: its token stops working at once, and nobody can claim its KeyPackages. Removing it from rooms is up to its
// user's other clients and to hubs. A device that is revoked already stays so.
func (a *Accounts) Revoke(ctx context.Context, client uri.Client) error {
	user, named := client.NamedUser()
	if !named {
		return ErrUnknown
	}
	now := a.Now()
	defer a.known.forget() // also when the outcome is not known
	return a.Update(ctx, func(tx Tx) error {
		devices, err := tx.Devices(user)
		if err != nil {
			return err
		}
		for _, d := range devices {
			if d.Client == client {
				return revoke(tx, d, now)
			}
		}
		return ErrUnknown
	})
}

func revoke(tx Tx, d Device, now time.Time) error {
	if !d.Revoked.IsZero() {
		return nil
	}
	d.Revoked = now
	return tx.PutDevice(d)
}

// Remove ends a user: its devices are revoked, its codes do not work any more, others are told that there is no such user. It returns all
// devices that the user ever had. Its name stays taken if it had any. A user that was removed already stays so.
func (a *Accounts) Remove(ctx context.Context, name string) (devices []Device, err error) {
	user, err := uri.NewUser(a.Provider, name)
	if err != nil {
		return nil, ErrUser
	}
	now := a.Now()
	defer a.known.forget()
	err = a.Update(ctx, func(tx Tx) error {
		_, known, err := tx.User(user)
		if err != nil {
			return err
		}
		if devices, err = tx.Devices(user); err != nil {
			return err
		}
		if !known && len(devices) == 0 {
			return ErrUser
		}
		for _, d := range devices {
			if err := revoke(tx, d, now); err != nil {
				return err
			}
		}
		return tx.DeleteUser(user)
	})
	return devices, err
}

// Sweep deletes the codes that cannot be used any more, and returns how many. One transaction.
func (a *Accounts) Sweep(ctx context.Context) (deleted int, err error) {
	err = a.Update(ctx, func(tx Tx) error {
		deleted, err = tx.ExpireCodes(a.Now())
		return err
	})
	return deleted, err
}

// Devices returns the devices of a user that may be used, by URI. ErrUser tells that there is no such user.
func (a *Accounts) Devices(ctx context.Context, user uri.User) ([]Device, error) {
	var out []Device
	err := a.View(ctx, func(tx Tx) error {
		_, known, err := tx.User(user)
		if err != nil {
			return err
		}
		if !known {
			return ErrUser
		}
		all, err := tx.Devices(user)
		if err != nil {
			return err
		}
		out = out[:0]
		for _, d := range all {
			if d.Revoked.IsZero() {
				out = append(out, d)
			}
		}
		return nil
	})
	return out, err
}

// Account is a user with its devices, revoked ones included.
type Account struct {
	User    User
	Devices []Device
}

// List returns at most limit accounts whose URI is behind after.
func (a *Accounts) List(ctx context.Context, after string, limit int) ([]Account, error) {
	var out []Account
	err := a.View(ctx, func(tx Tx) error {
		users, err := tx.Users(after, limit)
		if err != nil {
			return err
		}
		out = out[:0]
		for _, u := range users {
			devices, err := tx.Devices(u.URI)
			if err != nil {
				return err
			}
			out = append(out, Account{User: u, Devices: devices})
		}
		return nil
	})
	return out, err
}

func hash(secret string) Hash { return sha256.Sum256([]byte(secret)) }

// group makes a code easier to type.
func group(code string) string {
	var b strings.Builder
	for i, r := range code {
		if i > 0 && i%5 == 0 {
			b.WriteByte('-')
		}
		b.WriteRune(r)
	}
	return b.String()
}

func ungroup(code string) string {
	return strings.ToUpper(strings.ReplaceAll(strings.TrimSpace(code), "-", ""))
}

// plainName keeps names to what looks the same to everybody: lower-case letters, digits and the marks given, a letter or digit first.
func plainName(name string, limit int, marks string) bool {
	if name == "" || len(name) > limit {
		return false
	}
	for i, r := range name {
		letter := r >= 'a' && r <= 'z' || r >= '0' && r <= '9'
		if !letter && (i == 0 || !strings.ContainsRune(marks, r)) {
			return false
		}
	}
	return true
}
