package identity

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"sync"
	"time"

	"parley/mimi"
	"parley/uri"
)

// What can be wrong with a change of what is known of a person.
var (
	ErrFull    = errors.New("identity: there are too many addresses and fields already")
	ErrNoEntry = errors.New("identity: there is no such address or field")
	ErrProof   = errors.New("identity: the code is not the one that was sent, or not valid any more; ask for a new one")
	ErrSending = errors.New("identity: this provider cannot send codes to such addresses; its operator can confirm them")
	ErrTooMany = errors.New("identity: too many codes were asked for; try again later")
	ErrForeign = errors.New("identity: handles of this kind are given by their provider")
)

// The life of a code, and how many wrong ones end it.
const (
	ProofLife = 30 * time.Minute
	mostTries = 5
	// Codes that a user may ask for, and that an address may be sent, per hour: nobody is flooded with messages.
	codesPerUser    = 10
	codesPerAddress = 3
)

// HistoryLife is how long changes of addresses are kept.
const HistoryLife = 365 * 24 * time.Hour

// People are the addresses and profiles of one provider's users, and who may find them. The fields are set once by the composer. It is
// safe for concurrent use.
type People struct {
	Provider uri.Provider
	Update   func(context.Context, func(PeopleTx) error) error
	View     func(context.Context, func(PeopleTx) error) error
	Now      func() time.Time
	// Send brings a code to an address. It is called outside of transactions and may be called again with the same code. nil, or a
	// type that Sends refuses: only issuers prove addresses.
	Send func(ctx context.Context, t mimi.SearchType, address, code string) error
	// Region is the two-letter code of the region whose users write phone numbers without a country code; "": they have to.
	Region string
	// Policy says what may be searched.
	Policy SearchPolicy
	// Reach is what new persons, and new addresses of them, begin with; "" means everybody and nobody: whoever knows a handle finds
	// it, as its provider is named in it anyway; what else a user has is shown when the user says so.
	Reach Reach
	// Alarm hears of attempts to enumerate users, at most once in ten minutes for each provider; nil: nobody does.
	Alarm func(by uri.Provider, reason string)

	mu      sync.Mutex
	codes   map[string]*hour
	budgets map[string]*budget
}

// Introduce makes a person of a user: findable by its handle and its name. A person that is there stays as it is.
func (p *People) Introduce(ctx context.Context, user uri.User) error {
	return p.Update(ctx, func(tx PeopleTx) error {
		_, there, err := tx.Person(user)
		if err != nil || there {
			return err
		}
		return tx.PutPerson(p.fresh(user))
	})
}

// IntroduceAll introduces users that are no persons yet, and returns how many there were.
func (p *People) IntroduceAll(ctx context.Context) (n int, err error) {
	const page = 200
	for {
		var some []uri.User
		err := p.Update(ctx, func(tx PeopleTx) (err error) {
			some, err = tx.Strangers(page)
			for _, u := range some {
				err = errors.Join(err, tx.PutPerson(p.fresh(u)))
			}
			return err
		})
		n += len(some)
		if err != nil || len(some) < page {
			return n, err
		}
	}
}

func (p *People) fresh(user uri.User) Person {
	reach := p.Reach
	if reach == "" {
		reach = Everybody
	}
	now := p.Now()
	person := Person{User: user, Reach: reach, Entries: []Entry{
		{Type: mimi.SearchHandle, Value: user.String(), Key: user.String(), Proof: ByIssuer, Since: now, Reach: Everybody},
	}}
	if key, err := nickKey(user.Name()); err == nil {
		person.Entries = append(person.Entries, Entry{Type: mimi.SearchNick, Value: user.Name(), Key: key, Since: now, Reach: Everybody})
	}
	return person
}

// Person returns what is known of a user; ErrUser for none. Pending are the addresses that wait for a code.
func (p *People) Person(ctx context.Context, user uri.User) (person Person, pending []Pending, err error) {
	err = p.View(ctx, func(tx PeopleTx) error {
		var there bool
		if person, there, err = tx.Person(user); err != nil {
			return err
		}
		if !there {
			return ErrUser
		}
		pending, err = tx.PendingOf(user)
		return err
	})
	return person, pending, err
}

// Normal is an address or field as it is kept: what people type, made one form.
func (p *People) Normal(t mimi.SearchType, name, value string) (normal, key string, err error) {
	if t == mimi.SearchPhone {
		if value, err = Phone(value, p.Region); err != nil {
			return "", "", err
		}
	}
	key, err = Key(t, name, value)
	return value, key, err
}

// Claim begins the proof of an address: a code is sent to it. Whether somebody else has the address is not told. One transaction,
// then one call of Send; a crash in between, or a Send that fails, costs a code: the next Claim makes another.
func (p *People) Claim(ctx context.Context, user uri.User, t mimi.SearchType, value string) error {
	if !IsAddress(t) {
		return ErrField
	}
	value, key, err := p.Normal(t, "", value)
	if err != nil {
		return err
	}
	if p.Send == nil {
		return ErrSending
	}
	if t == mimi.SearchHandle {
		return ErrForeign // only who gave it can say so
	}
	now := p.Now()
	if !p.mayCode("u"+user.String(), codesPerUser, now) || !p.mayCode("a"+key, codesPerAddress, now) {
		return ErrTooMany
	}
	code, err := digits()
	if err != nil {
		return err
	}
	err = p.Update(ctx, func(tx PeopleTx) error {
		if _, there, err := tx.Person(user); err != nil || !there {
			return errors.Join(err, missing(there))
		}
		waiting, err := tx.PendingOf(user)
		if err != nil {
			return err
		}
		if len(waiting) >= codesPerUser {
			return ErrTooMany
		}
		return tx.PutPending(Pending{User: user, Type: t, Key: key, Value: value, Code: proofHash(key, code), Sent: now, Expires: now.Add(ProofLife)})
	})
	if err != nil {
		return err
	}
	if err := p.Send(ctx, t, value, code); err != nil {
		return fmt.Errorf("%w: %w", ErrSending, err)
	}
	return nil
}

func missing(there bool) error {
	if there {
		return nil
	}
	return ErrUser
}

// digits is a code that people can type. It is short because it can be tried mostTries times only.
func digits() (string, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(100_000_000))
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%08d", n), nil
}

// proofHash binds a code to its address.
func proofHash(key, code string) Hash { return hash(key + "\x00" + code) }

// Confirm ends the proof of an address: it is the user's from now on, and of nobody else. The address begins hidden, unless it was the
// user's already.
func (p *People) Confirm(ctx context.Context, user uri.User, t mimi.SearchType, value, code string) error {
	value, key, err := p.Normal(t, "", value)
	if err != nil {
		return err
	}
	now, sum := p.Now(), proofHash(key, ungroup(code))
	wrong := false
	err = p.Update(ctx, func(tx PeopleTx) error {
		wrong = false
		pending, found, err := tx.Pending(user, t, key)
		if err != nil {
			return err
		}
		if !found || !now.Before(pending.Expires) || pending.Tries >= mostTries {
			return ErrProof
		}
		if pending.Code != sum {
			wrong = true // the count has to stay, so this is no failure of the transaction
			pending.Tries++
			return tx.PutPending(pending)
		}
		if err := tx.DeletePending(user, t, key); err != nil {
			return err
		}
		return p.assign(tx, user, Entry{Type: t, Value: value, Key: key, Proof: ByCode, Since: now, Reach: Nobody})
	})
	if err == nil && wrong {
		return ErrProof
	}
	return err
}

// Assert gives a user an address because its issuer says so.
func (p *People) Assert(ctx context.Context, user uri.User, t mimi.SearchType, value string, reach Reach) error {
	if !IsAddress(t) {
		return ErrField
	}
	value, key, err := p.Normal(t, "", value)
	if err != nil {
		return err
	}
	if u, err := uri.ParseUser(key); t == mimi.SearchHandle && err == nil && u != user {
		return ErrForeign // names of users are not aliases of others
	}
	return p.Update(ctx, func(tx PeopleTx) error {
		return p.assign(tx, user, Entry{Type: t, Value: value, Key: key, Proof: ByIssuer, Since: p.Now(), Reach: reach})
	})
}

// assign gives an address to a user and takes it from whoever had it.
func (p *People) assign(tx PeopleTx, user uri.User, e Entry) error {
	holders, err := tx.Find(e.Type, "", e.Key, mostEntries)
	if err != nil {
		return err
	}
	for _, h := range holders {
		if h.User == user {
			continue
		}
		if err := p.take(tx, h.User, e); err != nil {
			return err
		}
	}
	person, there, err := tx.Person(user)
	if err != nil || !there {
		return errors.Join(err, missing(there))
	}
	had := person.find(e.Type, "", e.Key) >= 0
	if err := person.put(e); err != nil {
		return err
	}
	if !had {
		if err := tx.AddChange(Change{At: e.Since, User: user, Type: e.Type, Key: e.Key, What: Gained}); err != nil {
			return err
		}
	}
	return tx.PutPerson(person)
}

func (p *People) take(tx PeopleTx, from uri.User, e Entry) error {
	person, there, err := tx.Person(from)
	if err != nil || !there {
		return err
	}
	i := person.find(e.Type, "", e.Key)
	if i < 0 {
		return nil
	}
	person.Entries = slices.Delete(person.Entries, i, i+1)
	if err := tx.PutPerson(person); err != nil {
		return err
	}
	return tx.AddChange(Change{At: e.Since, User: from, Type: e.Type, Key: e.Key, What: Lost})
}

// Set says something of oneself that needs no proof: a nick or a field of the profile. It begins hidden, unless the field was there.
func (p *People) Set(ctx context.Context, user uri.User, t mimi.SearchType, name, value string) error {
	if IsAddress(t) {
		return ErrField
	}
	value, key, err := p.Normal(t, name, value)
	if err != nil {
		return err
	}
	return p.change(ctx, user, func(person *Person) error {
		return person.put(Entry{Type: t, Name: name, Value: value, Key: key, Since: p.Now(), Reach: Nobody})
	})
}

// Withdraw takes an address or a field away. The user's own handle stays: it is its name.
func (p *People) Withdraw(ctx context.Context, user uri.User, t mimi.SearchType, name, value string) error {
	_, key, err := p.Normal(t, name, value)
	if err != nil {
		return err
	}
	if t == mimi.SearchHandle && key == user.String() {
		return ErrForeign
	}
	return p.Update(ctx, func(tx PeopleTx) error {
		if err := tx.DeletePending(user, t, key); err != nil {
			return err
		}
		person, there, err := tx.Person(user)
		if err != nil || !there {
			return errors.Join(err, missing(there))
		}
		i := person.find(t, name, key)
		if i < 0 {
			return ErrNoEntry
		}
		person.Entries = slices.Delete(person.Entries, i, i+1)
		if IsAddress(t) {
			if err := tx.AddChange(Change{At: p.Now(), User: user, Type: t, Key: key, What: Withdrawn}); err != nil {
				return err
			}
		}
		return tx.PutPerson(person)
	})
}

// Show says who may find an address or a field.
func (p *People) Show(ctx context.Context, user uri.User, t mimi.SearchType, name, value string, reach Reach) error {
	_, key, err := p.Normal(t, name, value)
	if err != nil {
		return err
	}
	return p.change(ctx, user, func(person *Person) error {
		i := person.find(t, name, key)
		if i < 0 {
			return ErrNoEntry
		}
		person.Entries[i].Reach = reach
		return nil
	})
}

// Hide says who may find the person at all.
func (p *People) Hide(ctx context.Context, user uri.User, reach Reach) error {
	return p.change(ctx, user, func(person *Person) error {
		person.Reach = reach
		return nil
	})
}

func (p *People) change(ctx context.Context, user uri.User, f func(*Person) error) error {
	return p.Update(ctx, func(tx PeopleTx) error {
		person, there, err := tx.Person(user)
		if err != nil || !there {
			return errors.Join(err, missing(there))
		}
		if err := f(&person); err != nil {
			return err
		}
		return tx.PutPerson(person)
	})
}

// Forget deletes everything that is known of a user.
func (p *People) Forget(ctx context.Context, user uri.User) error {
	return p.Update(ctx, func(tx PeopleTx) error {
		waiting, err := tx.PendingOf(user)
		if err != nil {
			return err
		}
		for _, w := range waiting {
			if err := tx.DeletePending(user, w.Type, w.Key); err != nil {
				return err
			}
		}
		return errors.Join(tx.DeleteChanges(user), tx.DeletePerson(user))
	})
}

// History lists changes of a user's addresses, the latest first.
func (p *People) History(ctx context.Context, user uri.User, limit int) (out []Change, err error) {
	err = p.View(ctx, func(tx PeopleTx) error {
		out, err = tx.Changes(user, limit)
		return err
	})
	return out, err
}

// Sweep deletes what is not needed any more.
func (p *People) Sweep(ctx context.Context) (n int, err error) {
	now := p.Now()
	err = p.Update(ctx, func(tx PeopleTx) error {
		codes, err := tx.ExpirePending(now)
		if err != nil {
			return err
		}
		changes, err := tx.ExpireChanges(now.Add(-HistoryLife))
		n = codes + changes
		return err
	})
	return n, err
}
