package mimi

import (
	"context"

	"parley/uri"
)

// Service is a provider as one authenticated other provider sees it: a value is bound to its caller. It is implemented by the
// provider itself (what it offers to a peer), by mimihttp.Client (a peer over HTTPS) and by the simulator's links.
//
// A nil error means that the peer answered; the answer holds the verdict. An error is an *Error when the peer, or the transport,
// refused the request as a whole, and wraps the context's error when that ended first. After any error but an *Error with a
// definite refusal the caller cannot know whether the request took effect: it repeats the same octets, and the callee gives the
// first answer again (P-TR-17).
//
// Implementations are safe for concurrent use. Neither side changes a structure it was given.
type Service interface {
	// KeyMaterial claims KeyPackages of the target user (§5.2).
	KeyMaterial(ctx context.Context, target uri.User, r *KeyMaterialRequest) (*KeyMaterialResponse, error)
	// Update hands a proposal or a commit to the room's hub (§5.3).
	Update(ctx context.Context, room uri.Room, r *UpdateRequest) (*UpdateRoomResponse, error)
	// SubmitMessage hands an application message to the room's hub (§5.4).
	SubmitMessage(ctx context.Context, room uri.Room, r *SubmitMessageRequest) (*SubmitMessageResponse, error)
	// Notify hands what the hub accepted to a follower (§5.5); nil means that all of it is safe there.
	Notify(ctx context.Context, room uri.Room, r *NotifyBody) error
	// GroupInfo asks the room's hub for what an external joiner needs (§5.6).
	GroupInfo(ctx context.Context, room uri.Room, r *GroupInfoRequest) (*GroupInfoResponse, error)
	// RequestConsent tells the target's provider that somebody asks for consent, or asks no more (§5.7). nil says only that it was
	// received: not that the target exists, nor that anybody will see it (P-CO-08).
	RequestConsent(ctx context.Context, r *ConsentEntry) error
	// UpdateConsent tells the requester's provider that consent is given or taken back (§5.7).
	UpdateConsent(ctx context.Context, r *ConsentEntry) error
	// IdentifierQuery asks the provider who somebody is there (§5.8); it changes nothing.
	IdentifierQuery(ctx context.Context, r *IdentifierRequest) (*IdentifierResponse, error)
	// ReportAbuse tells the room's hub of misconduct (§5.9); nil says that an operator will see it.
	ReportAbuse(ctx context.Context, room uri.Room, r *AbuseReport) error
}
