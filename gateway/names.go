package gateway

import (
	"context"
	"strconv"
	"strings"

	"parley/mls"
	"parley/uri"
)

// savedUser is a native user and the name that it has at the provider.
type savedUser struct {
	Network string  `json:"network"`
	Address Address `json:"address"`
	Name    string  `json:"name"`
}

// Prefix is what the names of a network's users begin with at the provider. The provider marks their credentials by it.
func Prefix(network string) string { return network + "." }

// NativeOf reports the network that a user's name says it belongs to.
func NativeOf(self uri.Provider, user uri.User, networks ...string) (network string, ok bool) {
	if user.Provider() != self {
		return "", false
	}
	for _, n := range networks {
		if strings.HasPrefix(user.Name(), Prefix(n)) {
			return n, true
		}
	}
	return "", false
}

const (
	mostName   = 60 // octets of a user name, of 64 that the provider takes
	mostTries  = 1000
	plainOctet = "abcdefghijklmnopqrstuvwxyz0123456789._-"
)

// name gives a native user its name at the provider, which stays and is nobody else's.
func (j *Journal) name(ctx context.Context, network string, a Address) (string, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	key := keyUsers + network + "/" + short(string(a))
	var saved savedUser
	if found, err := j.read(ctx, key, &saved); err != nil || found {
		return saved.Name, err
	}
	base := Prefix(network) + slug(string(a), mostName-len(Prefix(network)), func(c byte) bool { return strings.IndexByte(plainOctet, c) >= 0 })
	name, err := j.free(ctx, keyNames+"mimi/", base, mostName)
	if err != nil {
		return "", err
	}
	user, err := record(key, savedUser{network, a, name})
	if err != nil {
		return "", err
	}
	back, err := record(keyNames+"mimi/"+short(name), savedUser{network, a, name})
	if err != nil {
		return "", err
	}
	return name, j.store.Commit(ctx, mls.Delta{user, back})
}

// address is the native user who has a name at the provider.
func (j *Journal) address(ctx context.Context, name string) (network string, a Address, err error) {
	var saved savedUser
	_, err = j.get(ctx, keyNames+"mimi/"+short(name), &saved)
	return saved.Network, saved.Address, err
}

// users are all native users that have names.
func (j *Journal) users(ctx context.Context) (out []savedUser, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	records, err := j.store.Load(ctx, keyUsers)
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		var u savedUser
		if found, err := j.read(ctx, r.Key, &u); err != nil || !found {
			return nil, err
		}
		out = append(out, u)
	}
	return out, nil
}

// alias is Host.Alias.
func (j *Journal) alias(ctx context.Context, network string, user uri.User, most int, allowed func(byte) bool) (string, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	key := keyAlias + network + "/" + short(user.String())
	var name string
	if found, err := j.read(ctx, key, &name); err != nil || found {
		return name, err
	}
	name, err := j.free(ctx, keyNames+network+"/", slug(user.Name(), most, allowed), most)
	if err != nil {
		return "", err
	}
	there, err := record(key, name)
	if err != nil {
		return "", err
	}
	back, err := record(keyNames+network+"/"+short(strings.ToLower(name)), user.String())
	if err != nil {
		return "", err
	}
	return name, j.store.Commit(ctx, mls.Delta{there, back})
}

// aliased is Host.Aliased.
func (j *Journal) aliased(ctx context.Context, network, name string) (uri.User, bool) {
	var text string
	if found, err := j.get(ctx, keyNames+network+"/"+short(strings.ToLower(name)), &text); err != nil || !found {
		return uri.User{}, false
	}
	user, err := uri.ParseUser(text)
	return user, err == nil
}

// free is the base, or the base with a number, that nobody has yet.
func (j *Journal) free(ctx context.Context, space, base string, most int) (string, error) {
	for n := 1; n < mostTries; n++ {
		name := base
		if n > 1 {
			number := strconv.Itoa(n)
			name = base[:min(len(base), most-len(number))] + number
		}
		records, err := j.store.Load(ctx, space+short(strings.ToLower(name)))
		if err != nil {
			return "", err
		}
		if len(records) == 0 {
			return name, nil
		}
	}
	return "", ErrNoAddress
}

// slug makes a name of allowed octets; others become a dash or vanish. It is lossy: free makes it unique, the journal makes it stay.
func slug(s string, most int, allowed func(byte) bool) string {
	var b strings.Builder
	for _, r := range strings.ToLower(s) {
		switch {
		case r < 0x80 && allowed(byte(r)):
			b.WriteByte(byte(r))
		case allowed('-') && b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() >= most {
			break
		}
	}
	name := strings.Trim(b.String(), "-.")
	if name == "" || name[0] >= '0' && name[0] <= '9' && !allowed('.') {
		name = "u" + name
	}
	return name[:min(len(name), most)]
}
