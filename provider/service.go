package provider

import (
	"context"

	"parley/credential"
	"parley/mimi"
	"parley/uri"
)

// As returns the provider as it serves an authenticated caller, itself included. A peer that calls is up.
func (p *Provider) As(caller uri.Provider) mimi.Service {
	if caller != p.cfg.Provider {
		p.peers.heard(caller)
		if p.outbox.Heard(caller) {
			hint(p.outboxHint)
		}
	}
	return &service{p, caller}
}

// service binds the roles to a caller. The hub answers for rooms, the KeyPackages for users, the follower takes news.
type service struct {
	*Provider
	caller uri.Provider
}

// KeyMaterial is answered by the hub for its rooms, which asks the target's provider, and otherwise from the own stock.
func (s *service) KeyMaterial(ctx context.Context, target uri.User, r *mimi.KeyMaterialRequest) (*mimi.KeyMaterialResponse, error) {
	at, err := uri.ParseRoom(r.Room)
	if err == nil && at.Provider() == s.cfg.Provider {
		return s.hub.KeyMaterial(ctx, s.caller, target, r)
	}
	return s.claimHere(ctx, target, r)
}

// claimHere claims from the own stock. The requester may be of a third provider.
func (s *service) claimHere(ctx context.Context, target uri.User, r *mimi.KeyMaterialRequest) (*mimi.KeyMaterialResponse, error) {
	if id, err := credential.Parse(r.Credential); err == nil {
		if err := s.peers.ensure(ctx, id.Provider()); err != nil {
			return nil, notYet(err)
		}
	}
	return s.packages.Claim(ctx, s.caller, target, r)
}

func (s *service) Update(ctx context.Context, at uri.Room, r *mimi.UpdateRequest) (*mimi.UpdateRoomResponse, error) {
	if err := s.ensureCaller(ctx); err != nil {
		return nil, err
	}
	answer, err := s.hub.Update(ctx, s.caller, at, r)
	if err == nil && answer.Code == mimi.UpdateSuccess {
		s.metrics.accepted.WithLabelValues("handshake").Inc()
	}
	return answer, err
}

func (s *service) SubmitMessage(ctx context.Context, at uri.Room, r *mimi.SubmitMessageRequest) (*mimi.SubmitMessageResponse, error) {
	answers, err := s.SubmitMessages(ctx, at, []*mimi.SubmitMessageRequest{r})
	if err != nil {
		return nil, err
	}
	return answers[0], nil
}

// SubmitMessages is for our own devices, which may bring several at once.
func (s *service) SubmitMessages(ctx context.Context, at uri.Room, r []*mimi.SubmitMessageRequest) ([]*mimi.SubmitMessageResponse, error) {
	answers, err := s.hub.SubmitMessages(ctx, s.caller, at, r)
	for _, a := range answers {
		if a.Code == mimi.SubmitAccepted {
			s.metrics.accepted.WithLabelValues("message").Inc()
		}
	}
	return answers, err
}

func (s *service) Notify(ctx context.Context, at uri.Room, r *mimi.NotifyBody) error {
	return s.follower.Notify(ctx, s.caller, at, r)
}

func (s *service) GroupInfo(ctx context.Context, at uri.Room, r *mimi.GroupInfoRequest) (*mimi.GroupInfoResponse, error) {
	if err := s.ensureCaller(ctx); err != nil {
		return nil, err
	}
	return s.hub.GroupInfo(ctx, s.caller, at, r)
}

// ensureCaller sees to it that the caller's users can be judged.
func (s *service) ensureCaller(ctx context.Context) error {
	if err := s.peers.ensure(ctx, s.caller); err != nil {
		return notYet(err)
	}
	return nil
}

// claim is the hub's way to KeyPackages: the own stock for own users, else their provider.
func (p *Provider) claim(ctx context.Context, target uri.User, r *mimi.KeyMaterialRequest) (*mimi.KeyMaterialResponse, error) {
	if target.Provider() == p.cfg.Provider {
		return (&service{p, p.cfg.Provider}).claimHere(ctx, target, r)
	}
	if answer, err := p.contact.Granted(ctx, target, r); err != nil || answer != nil {
		return answer, err
	}
	peer, err := p.peers.For(target.Provider())
	if err != nil {
		return nil, err
	}
	return peer.KeyMaterial(ctx, target, r)
}
