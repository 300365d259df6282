package provider

import (
	"cmp"
	"context"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"parley/mimi"
	"parley/uri"
)

// Finding is what a search of one of our users found, over all providers that were asked.
type Finding struct {
	Code     mimi.QueryCode
	Profiles []mimi.UserProfile // of everybody who was found, fields or not, by URI
	Asked    []uri.Provider
	Failed   []uri.Provider // asked, and gave no answer
}

// find looks for a person: where the identifiers point to if they do, else among our own users and then at all peers at once. One
// provider that does not answer does not spoil what others found.
func (p *Provider) find(ctx context.Context, by uri.User, r *mimi.IdentifierRequest) (*Finding, error) {
	r = p.written(r)
	out := &Finding{Code: mimi.QueryNotFound}
	targets := p.pointed(ctx, r)
	if len(targets) > 0 {
		return out, p.askThose(ctx, out, targets, by, r)
	}
	if err := p.askThose(ctx, out, []uri.Provider{p.cfg.Provider}, by, r); err != nil || out.Code == mimi.QuerySuccess || p.cfg.People.Alone {
		return out, err
	}
	if at, ok := p.found.get(r, p.cfg.Now()); ok {
		if err := p.askThose(ctx, out, []uri.Provider{at}, by, r); err != nil || out.Code == mimi.QuerySuccess {
			return out, err
		}
	}
	var others []uri.Provider
	for _, peer := range p.peers.ordered() {
		if !slices.Contains(out.Asked, peer.peer) {
			others = append(others, peer.peer)
		}
	}
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(p.cfg.People.Patience, 3*time.Second))
	defer cancel()
	return out, p.askThose(ctx, out, others, by, r)
}

// written makes E.164 of phone numbers as people write them.
func (p *Provider) written(r *mimi.IdentifierRequest) *mimi.IdentifierRequest {
	out := *r
	out.Elements = slices.Clone(r.Elements)
	for i := range out.Elements {
		if e := &out.Elements[i]; e.Type == mimi.SearchPhone {
			if number, _, err := p.people.Normal(e.Type, "", e.Value); err == nil {
				e.Value = number
			}
		}
	}
	return &out
}

// askThose asks providers at once and adds what they say.
func (p *Provider) askThose(ctx context.Context, out *Finding, targets []uri.Provider, by uri.User, r *mimi.IdentifierRequest) error {
	answers, refusals := make([]*mimi.IdentifierResponse, len(targets)), make([]error, len(targets))
	var g errgroup.Group
	g.SetLimit(16)
	for i, t := range targets {
		g.Go(func() error {
			answers[i], refusals[i] = p.askOne(ctx, t, by, r)
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, t := range targets {
		out.Asked = append(out.Asked, t)
		if err := refusals[i]; err != nil {
			if t == p.cfg.Provider || len(targets) == 1 {
				return err
			}
			out.Failed = append(out.Failed, t)
			continue
		}
		out.Add(t, answers[i])
		if answers[i].Code == mimi.QuerySuccess && t != p.cfg.Provider {
			p.found.put(r, t, p.cfg.Now())
		}
	}
	slices.SortFunc(out.Profiles, func(a, b mimi.UserProfile) int { return strings.Compare(a.Stable, b.Stable) })
	return nil
}

func (p *Provider) askOne(ctx context.Context, t uri.Provider, by uri.User, r *mimi.IdentifierRequest) (*mimi.IdentifierResponse, error) {
	if t == p.cfg.Provider {
		return p.people.Query(ctx, t, by, r)
	}
	peer, err := p.peers.For(t)
	if err != nil {
		return nil, err
	}
	return peer.IdentifierQuery(ctx, r)
}

// weight orders answers: what says more wins.
var weight = map[mimi.QueryCode]int{mimi.QuerySuccess: 4, mimi.QueryAmbiguous: 3, mimi.QueryForbidden: 2, mimi.QueryUnsupportedField: 1}

// Add takes what one provider says, as far as it is the one that can say it.
func (f *Finding) Add(from uri.Provider, a *mimi.IdentifierResponse) {
	profiles := make(map[string]mimi.UserProfile)
	for _, u := range a.URIs {
		profiles[u] = mimi.UserProfile{Stable: u}
	}
	for _, v := range a.Profiles {
		if _, named := profiles[v.Stable]; named {
			profiles[v.Stable] = v
		}
	}
	n := 0
	for u, v := range profiles {
		if user, err := uri.ParseUser(u); err == nil && user.Provider() == from {
			f.Profiles = append(f.Profiles, v)
			n++
		}
	}
	code := a.Code
	if code == mimi.QuerySuccess && n == 0 {
		code = mimi.QueryNotFound // P-IQ-11: success names a user of its own domain
	}
	if weight[code] > weight[f.Code] {
		f.Code = code
	}
}

// pointed lists the providers that the identifiers name: by a domain, a range of numbers or ENUM. Only peers and ourselves count.
func (p *Provider) pointed(ctx context.Context, r *mimi.IdentifierRequest) []uri.Provider {
	for _, e := range r.Elements {
		var at []uri.Provider
		switch e.Type {
		case mimi.SearchHandle, mimi.SearchEmail:
			at = p.known(domainOf(e.Value))
		case mimi.SearchPhone:
			at = p.numbered(ctx, e.Value)
		}
		if len(at) > 0 {
			return at
		}
	}
	return nil
}

// domainOf is the domain in an address; "" when there is none.
func domainOf(address string) string {
	if u, err := uri.Parse(address); err == nil {
		return u.Provider().Domain()
	}
	_, domain, _ := strings.Cut(address, "@")
	return strings.ToLower(domain)
}

func (p *Provider) known(domain string) []uri.Provider {
	at, err := uri.ProviderFromDomain(domain)
	if err != nil {
		return nil
	}
	if _, peer := p.peers.remote[at]; peer || at == p.cfg.Provider {
		return []uri.Provider{at}
	}
	return nil
}

func (p *Provider) numbered(ctx context.Context, number string) []uri.Provider {
	best := NumberRange{}
	for _, r := range p.cfg.People.Ranges {
		if strings.HasPrefix(number, r.Prefix) && len(r.Prefix) > len(best.Prefix) {
			best = r
		}
	}
	if best.Prefix != "" {
		return p.known(best.Provider.Domain())
	}
	if p.cfg.People.ENUM == nil {
		return nil
	}
	found, err := p.cfg.People.ENUM(ctx, number)
	if err != nil {
		p.log.Debug("ENUM gave no answer", "error", err)
		return nil
	}
	var out []uri.Provider
	for _, address := range found {
		for _, at := range p.known(domainOf(address)) {
			if !slices.Contains(out, at) {
				out = append(out, at)
			}
		}
	}
	return out
}

// places remembers for a while where a search found somebody, so that the next one asks there first. What was found is not kept: the
// person may not want to be found any more.
type places struct {
	mu sync.Mutex
	by map[uint64]place
}

type place struct {
	at    uri.Provider
	until time.Time
}

const (
	placeLife  = 10 * time.Minute
	mostPlaces = 1 << 14
)

var placeSeed = maphash.MakeSeed()

func placeKey(r *mimi.IdentifierRequest) uint64 {
	var h maphash.Hash
	h.SetSeed(placeSeed)
	for _, e := range r.Elements {
		maphash.WriteComparable(&h, e)
	}
	return h.Sum64()
}

func (p *places) get(r *mimi.IdentifierRequest, now time.Time) (uri.Provider, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, ok := p.by[placeKey(r)]
	return at.at, ok && now.Before(at.until)
}

func (p *places) put(r *mimi.IdentifierRequest, at uri.Provider, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.by == nil || len(p.by) >= mostPlaces {
		p.by = make(map[uint64]place)
	}
	p.by[placeKey(r)] = place{at, now.Add(placeLife)}
}
