package roletest

import (
	"context"

	"parley/mimi"
	"parley/uri"
)

func (l *link) RequestConsent(ctx context.Context, r *mimi.ConsentEntry) error {
	return l.tell(mimi.RequestConsent, r, func(r *mimi.ConsentEntry) error { return l.to.As(l.from).RequestConsent(ctx, r) })
}

func (l *link) UpdateConsent(ctx context.Context, r *mimi.ConsentEntry) error {
	return l.tell(mimi.UpdateConsent, r, func(r *mimi.ConsentEntry) error { return l.to.As(l.from).UpdateConsent(ctx, r) })
}

func (l *link) tell(e mimi.Endpoint, r *mimi.ConsentEntry, call func(*mimi.ConsentEntry) error) error {
	_, err := carry(l, e, r, func(r *mimi.ConsentEntry) (*mimi.ConsentEntry, error) { return nil, call(r) })
	return err
}

func (l *link) IdentifierQuery(ctx context.Context, r *mimi.IdentifierRequest) (*mimi.IdentifierResponse, error) {
	return carry(l, mimi.IdentifierQuery, r, func(r *mimi.IdentifierRequest) (*mimi.IdentifierResponse, error) {
		return l.to.As(l.from).IdentifierQuery(ctx, r)
	})
}

func (l *link) ReportAbuse(ctx context.Context, at uri.Room, r *mimi.AbuseReport) error {
	_, err := carry(l, mimi.ReportAbuse, r, func(r *mimi.AbuseReport) (*mimi.AbuseReport, error) {
		return nil, l.to.As(l.from).ReportAbuse(ctx, at, r)
	})
	return err
}

var errNotHere = mimi.Errorf(mimi.NotFound, "no such endpoint")

// The worlds of role tests have no consent and no search.

func (s *service) RequestConsent(context.Context, *mimi.ConsentEntry) error { return errNotHere }

func (s *service) UpdateConsent(context.Context, *mimi.ConsentEntry) error { return errNotHere }

func (s *service) IdentifierQuery(context.Context, *mimi.IdentifierRequest) (*mimi.IdentifierResponse, error) {
	return nil, errNotHere
}

func (s *service) ReportAbuse(ctx context.Context, at uri.Room, r *mimi.AbuseReport) error {
	return s.Hub.ReportAbuse(ctx, s.caller, at, r)
}
