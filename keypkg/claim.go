package keypkg

import (
	"context"
	"crypto/sha256"
	"errors"
	"slices"
	"time"

	"parley/credential"
	"parley/mimi"
	"parley/mls/wire"
	"parley/syntax"
	"parley/uri"
)

// AnswerLife is how long the answer to a claim is kept for byte-identical repetitions.
const AnswerLife = 24 * time.Hour

// candidates is how many packages of one client and suite are looked at for one that fits.
const candidates = 16

// Claim hands out one KeyPackage of each client of a user (§5.2). caller is the provider that asks: the hub of the request's room, or
// without a room the requester's own (P-KM-05, A-21). A hub claims for a room of its own with itself as caller.
//
// A snapshot, then one transaction. A crash before it leaves the stock as it was; after it a repetition gets the same answer. The
// error is an *mimi.Error; a verdict is in the answer.
func (p *Packages) Claim(ctx context.Context, caller uri.Provider, target uri.User, r *mimi.KeyMaterialRequest) (*mimi.KeyMaterialResponse, error) {
	requester, err := p.checkForm(caller, target, r)
	if err != nil {
		return nil, err
	}
	key, err := requestHash(caller, r)
	if err != nil {
		return nil, err
	}
	if planted("one answer for all requests") {
		key = sha256.Sum256([]byte(r.TargetUser))
	}
	answer, err := p.answered(ctx, key)
	if err != nil || answer != nil {
		return answer, storeError(err)
	}
	if p.cfg.Limit != nil && !p.cfg.Limit(caller, requester, target) {
		return nil, &mimi.Error{Code: mimi.TooMany, Detail: "too many claims for this user", RetryAfter: time.Minute}
	}
	now := p.cfg.Now()
	if err := p.checkRequester(requester, r, now); err != nil {
		return nil, err
	}
	if status := p.consent(ctx, requester, target, r.Room); status != mimi.KeyMaterialSuccess {
		return p.refuse(target, status), nil
	}
	err = p.cfg.Store.Update(ctx, func(tx Tx) error {
		if answer, err = answerIn(tx, key); err != nil || answer != nil {
			return err
		}
		answer, err = p.take(tx, target, r, now)
		if err != nil || !consumed(answer) {
			return err // what consumed nothing may be asked again
		}
		octets, err := syntax.Marshal(answer)
		if err != nil {
			return err
		}
		return tx.SaveAnswer(key, octets, now.Add(AnswerLife-WelcomeLife)) // Sweep looks that far back
	})
	if err != nil {
		return nil, storeError(err)
	}
	return answer, nil
}

// checkForm judges what needs no key and no store.
func (p *Packages) checkForm(caller uri.Provider, target uri.User, r *mimi.KeyMaterialRequest) (uri.User, error) {
	if err := r.Validate(); err != nil {
		return uri.User{}, mimi.Errorf(mimi.BadRequest, "%v", err)
	}
	if !uri.Equal(target.String(), r.TargetUser) {
		return uri.User{}, mimi.Errorf(mimi.BadRequest, "path and body name different users") // P-KM-06
	}
	if target.Provider() != p.cfg.Self {
		return uri.User{}, mimi.Errorf(mimi.NotFound, "the user is of another provider")
	}
	requester, err := uri.ParseUser(r.RequestingUser)
	if err != nil {
		return uri.User{}, mimi.Errorf(mimi.BadRequest, "%v", err)
	}
	asker := requester.Provider()
	if r.Room != "" {
		room, err := uri.ParseRoom(r.Room)
		if err != nil {
			return uri.User{}, mimi.Errorf(mimi.BadRequest, "%v", err)
		}
		asker = room.Provider()
	}
	if caller != asker {
		return uri.User{}, mimi.Errorf(mimi.Forbidden, "the request does not come from the room's hub")
	}
	return requester, nil
}

// checkRequester requires the signature of a client of the requesting user (P-KM-08, P-KM-09).
func (p *Packages) checkRequester(requester uri.User, r *mimi.KeyMaterialRequest, now time.Time) error {
	if err := r.Verify(p.cfg.Suites); err != nil {
		return mimi.Errorf(mimi.Forbidden, "the request's signature does not verify")
	}
	id, err := credential.Parse(r.Credential)
	if err != nil || id.User != requester {
		return mimi.Errorf(mimi.Forbidden, "the credential is not of the requesting user")
	}
	if p.cfg.ValidateCredential == nil {
		return nil
	}
	if err := p.cfg.ValidateCredential(r.Credential, r.SignatureKey, now); err != nil {
		return &mimi.Error{Code: mimi.Forbidden, Detail: "the requester's credential is not accepted", Err: err}
	}
	return nil
}

func (p *Packages) consent(ctx context.Context, requester, target uri.User, room string) mimi.KeyMaterialUserCode {
	if p.cfg.Consent == nil {
		return mimi.KeyMaterialSuccess
	}
	return p.cfg.Consent(ctx, requester, target, room)
}

// refuse is the answer of a failure that lists no clients (P-KM-18). Where the provider hides who exists, all look alike (P-KM-19,
// P-KM-20).
func (p *Packages) refuse(target uri.User, status mimi.KeyMaterialUserCode) *mimi.KeyMaterialResponse {
	if p.cfg.HideUsers {
		status = mimi.KeyMaterialNoConsent
	}
	return &mimi.KeyMaterialResponse{Protocol: mimi.MLS10, Status: status, User: target.String()}
}

// take reserves one package of each client.
func (p *Packages) take(tx Tx, target uri.User, r *mimi.KeyMaterialRequest, now time.Time) (*mimi.KeyMaterialResponse, error) {
	clients, known, err := tx.Clients(target)
	if err != nil {
		return nil, err
	}
	if !known {
		return p.refuse(target, mimi.KeyMaterialUserUnknown), nil
	}
	answer := &mimi.KeyMaterialResponse{Protocol: mimi.MLS10, User: target.String()}
	with := 0
	for _, client := range clients {
		one, err := takeOne(tx, client, r, now)
		if err != nil {
			return nil, err
		}
		if one.Status == mimi.ClientSuccess {
			with++
		}
		answer.Clients = append(answer.Clients, *one)
	}
	switch {
	case with == 0:
		answer.Status = mimi.KeyMaterialNothingCompatible
	case with < len(clients):
		answer.Status = mimi.KeyMaterialPartial
	default:
		answer.Status = mimi.KeyMaterialSuccess
	}
	return answer, nil
}

// takeOne reserves the oldest package of a client that fits, by the requester's order of suites.
func takeOne(tx Tx, client uri.Client, r *mimi.KeyMaterialRequest, now time.Time) (*mimi.ClientKeyMaterial, error) {
	out := &mimi.ClientKeyMaterial{Client: client.String()}
	for _, suite := range r.Suites {
		packages, err := tx.Available(client, suite, now, candidates)
		if err != nil {
			return nil, err
		}
		for _, candidate := range packages {
			kp := new(wire.KeyPackage)
			if err := syntax.Unmarshal(candidate.Octets, kp); err != nil {
				return nil, err
			}
			if !satisfies(&kp.Leaf.Capabilities, &r.Required) {
				continue
			}
			if taken, err := tx.Take(candidate.Ref); err != nil {
				return nil, err
			} else if taken {
				out.Status, out.KeyPackage = mimi.ClientSuccess, kp
				return out, nil
			}
		}
	}
	left, err := tx.Count(client, now)
	if err != nil {
		return nil, err
	}
	out.Status = mimi.ClientNothingCompatible
	if left == 0 {
		out.Status = mimi.ClientExhausted
	}
	return out, nil
}

// satisfies holds capabilities against what a room demands; what every client understands needs no mention (RFC 9420 §7.2).
func satisfies(have *wire.Capabilities, need *wire.RequiredCapabilities) bool {
	for _, x := range need.Extensions {
		if !x.IsDefault() && !slices.Contains(have.Extensions, x) {
			return false
		}
	}
	for _, x := range need.Proposals {
		if !x.IsDefault() && !slices.Contains(have.Proposals, x) {
			return false
		}
	}
	for _, x := range need.Credentials {
		if !slices.Contains(have.Credentials, x) {
			return false
		}
	}
	return true
}

func consumed(answer *mimi.KeyMaterialResponse) bool {
	return answer.Status == mimi.KeyMaterialSuccess || answer.Status == mimi.KeyMaterialPartial
}

func (p *Packages) answered(ctx context.Context, key [32]byte) (answer *mimi.KeyMaterialResponse, err error) {
	err = p.cfg.Store.View(ctx, func(tx Tx) error {
		answer, err = answerIn(tx, key)
		return err
	})
	return answer, err
}

func answerIn(tx Tx, key [32]byte) (*mimi.KeyMaterialResponse, error) {
	octets, ok, err := tx.Answer(key)
	if err != nil || !ok {
		return nil, err
	}
	answer := new(mimi.KeyMaterialResponse)
	return answer, syntax.Unmarshal(octets, answer)
}

// requestHash identifies a claim: who calls, and the octets.
func requestHash(caller uri.Provider, r *mimi.KeyMaterialRequest) ([32]byte, error) {
	octets, err := syntax.Marshal(r)
	if err != nil {
		return [32]byte{}, mimi.Errorf(mimi.BadRequest, "the request cannot be encoded")
	}
	sum := sha256.Sum256([]byte(caller.String()))
	return sha256.Sum256(append(sum[:], octets...)), nil
}

// storeError turns what a store says into what a caller may know.
func storeError(err error) error {
	var known *mimi.Error
	if err == nil || errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &mimi.Error{Code: mimi.Internal, Err: err}
}
