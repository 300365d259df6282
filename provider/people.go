package provider

import (
	"context"
	"time"

	"parley/identity"
	"parley/mimi"
	"parley/uri"
)

// People configures who may be found here, and where we look for others. The zero value finds by whole values only, sends no codes and
// asks all peers.
type People struct {
	// Region is the two-letter code of the region whose users write phone numbers without a country code.
	Region string
	// Send brings a code to an address that a user wants to prove; nil: only operators can confirm addresses.
	Send func(ctx context.Context, t mimi.SearchType, address, code string) error
	// Search is what peers may search by; nil: whole values of everything.
	Search []mimi.SearchType
	// Matches, Daily and Misses are those of identity.SearchPolicy.
	Matches, Daily, Misses int
	// Ranges say which provider has the numbers that begin so; the longest prefix wins.
	Ranges []NumberRange
	// ENUM looks a number up and returns URIs; nil: not asked.
	ENUM func(ctx context.Context, number string) ([]string, error)
	// Alone keeps a search from asking peers that nothing points to.
	Alone bool
	// Patience is how long peers that nothing points to may take; 0 means 3 s.
	Patience time.Duration
}

// NumberRange is the beginning of phone numbers, with the plus sign, and the provider that has them.
type NumberRange struct {
	Prefix   string
	Provider uri.Provider
}

func (p *Provider) newPeople() *identity.People {
	c, s := p.cfg.People, p.cfg.Store
	policy := identity.SearchPolicy{Matches: c.Matches, Daily: c.Daily, Misses: c.Misses}
	if c.Search != nil {
		policy.Types = func(asker uri.Provider) []mimi.SearchType {
			if asker == p.cfg.Provider {
				return []mimi.SearchType{mimi.SearchHandle, mimi.SearchNick, mimi.SearchEmail, mimi.SearchPhone, mimi.SearchPartialName,
					mimi.SearchWholeProfile, mimi.SearchOIDCClaim, mimi.SearchVCardField}
			}
			return c.Search
		}
	}
	return &identity.People{
		Provider: p.cfg.Provider, Update: s.UpdatePeople, View: s.ViewPeople, Now: p.cfg.Now, Send: c.Send, Region: c.Region,
		Policy: policy, Alarm: p.enumerated,
	}
}

// enumerated tells operators that somebody may be listing our users.
func (p *Provider) enumerated(by uri.Provider, reason string) {
	p.metrics.enumerations.WithLabelValues(by.Domain()).Inc()
	p.log.Warn("searches of a provider look like an enumeration of users", "provider", by.Domain(), "reason", reason)
}

// IdentifierQuery answers another provider, which speaks for its users without naming them.
func (s *service) IdentifierQuery(ctx context.Context, r *mimi.IdentifierRequest) (*mimi.IdentifierResponse, error) {
	return s.people.Query(ctx, s.caller, uri.User{}, r)
}
