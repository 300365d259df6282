package uri

import "strings"

// Provider names a provider by its domain: mimi://a.example.
type Provider struct{ id }

// User names a user account: mimi://a.example/u/alice.
type User struct{ id }

// Client names one client of a user, in the form mimi://a.example/d/alice/phone or the opaque form mimi://a.example/d/x.
// Whose client it is stands in its credential; the name alone proves nothing.
type Client struct{ id }

// Room names a room at its hub: mimi://a.example/r/clubhouse.
type Room struct{ id }

// Group names an MLS group: mimi://a.example/g/TII9t5viBrXiXc.
type Group struct{ id }

// Team names a team: mimi://a.example/t/engineering.
type Team struct{ id }

// Pseudonym names a user under another name: mimi://a.example/p/crazykoala75.
type Pseudonym struct{ id }

// ParseProvider reads mimi://host.
func ParseProvider(s string) (Provider, error) { return parseAs[Provider](s, KindProvider) }

// ParseUser reads mimi://host/u/name.
func ParseUser(s string) (User, error) { return parseAs[User](s, KindUser) }

// ParseClient reads mimi://host/d/x and mimi://host/d/user/device.
func ParseClient(s string) (Client, error) { return parseAs[Client](s, KindClient) }

// ParseRoom reads mimi://host/r/name.
func ParseRoom(s string) (Room, error) { return parseAs[Room](s, KindRoom) }

// ParseGroup reads mimi://host/g/name.
func ParseGroup(s string) (Group, error) { return parseAs[Group](s, KindGroup) }

// ParseTeam reads mimi://host/t/name.
func ParseTeam(s string) (Team, error) { return parseAs[Team](s, KindTeam) }

// ParsePseudonym reads mimi://host/p/name.
func ParsePseudonym(s string) (Pseudonym, error) { return parseAs[Pseudonym](s, KindPseudonym) }

func parseAs[T ~struct{ id }](s string, k Kind) (T, error) {
	i, err := parseKind(s, k)
	return T{i}, err
}

// ProviderFromDomain makes the provider of a DNS name in A-label form; case and one trailing dot do not matter.
func ProviderFromDomain(domain string) (Provider, error) {
	host, err := normaliseHost(strings.TrimSuffix(domain, "."))
	if err != nil {
		return Provider{}, err
	}
	return Provider{id{scheme + host}}, nil
}

// NewUser names a user of p. The name may be any text; it is escaped. The whole is at most MaxOwnLen octets.
func NewUser(p Provider, name string) (User, error) { return build[User](p, KindUser, name) }

// NewClient names a client in the two-segment form, escaped, at most MaxOwnLen octets.
func NewClient(p Provider, user, device string) (Client, error) {
	return build[Client](p, KindClient, user, device)
}

// NewRoom names a room of the hub p, escaped, at most MaxOwnLen octets.
func NewRoom(p Provider, name string) (Room, error) { return build[Room](p, KindRoom, name) }

// NewGroup names a group of p, escaped, at most MaxOwnLen octets.
func NewGroup(p Provider, name string) (Group, error) { return build[Group](p, KindGroup, name) }

func build[T ~struct{ id }](p Provider, k Kind, names ...string) (T, error) {
	if p.IsZero() {
		return T{}, ErrHost
	}
	text := p.text + "/" + k.String()
	for _, name := range names {
		text += "/" + Escape(name)
	}
	if len(text) > MaxOwnLen {
		return T{}, ErrLength
	}
	return parseAs[T](text, k)
}

// Name is the user's name at the provider, without escapes.
func (u User) Name() string { return u.name(0) }

// Name is the room's name at the hub, without escapes.
func (r Room) Name() string { return r.name(0) }

// Device is the last segment, without escapes.
func (c Client) Device() string { return c.name(len(c.Segments()) - 1) }

// NamedUser is the user that the two-segment form names; the one-segment form names none (P-CR-02). It is a claim of
// whoever wrote the text: the user of a client is taken from its credential.
func (c Client) NamedUser() (User, bool) {
	segments := c.Segments()
	if len(segments) != 2 {
		return User{}, false
	}
	return User{id{c.Provider().text + "/" + KindUser.String() + "/" + segments[0]}}, true
}

// AsUser narrows to a user.
func (u URI) AsUser() (User, bool) { return as[User](u, KindUser) }

// AsRoom narrows to a room.
func (u URI) AsRoom() (Room, bool) { return as[Room](u, KindRoom) }

// AsProvider narrows to a provider; an identifier that belongs to one is not one.
func (u URI) AsProvider() (Provider, bool) { return as[Provider](u, KindProvider) }

func as[T ~struct{ id }](u URI, k Kind) (T, bool) {
	if u.IsZero() || u.Kind() != k {
		return T{}, false
	}
	return T{u.id}, true
}
