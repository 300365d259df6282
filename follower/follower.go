package follower

import (
	"context"
	"errors"
	"time"

	"parley/credential"
	"parley/mimi"
	"parley/mls/wire"
	"parley/uri"
)

// Config is what a follower is made of.
type Config struct {
	Self  uri.Provider
	Store Store
	Now   func() time.Time
	// Peers returns a provider as it serves us, ourselves included.
	Peers func(p uri.Provider) (mimi.Service, error)
	// Wake is called with the clients whose inboxes got something; it must not block. nil: nobody is woken.
	Wake func(clients []uri.Client)
	// Silent says that a hub does not send a provider's own messages back; nil: all do.
	Silent func(hub uri.Provider) bool
	// Dropped is told of items that no client here waits for (P-NT-18); nil: nobody is.
	Dropped func(items int)
}

// Client is an authenticated client of this provider.
type Client struct {
	User   uri.User
	Client uri.Client
}

// Follower is safe for concurrent use.
type Follower struct{ cfg Config }

// New makes a follower.
func New(cfg Config) *Follower { return &Follower{cfg} }

var errNotYours = mimi.Errorf(mimi.Forbidden, "the request is in the name of somebody else")

// KeyMaterial claims KeyPackages of a user: through the hub of the room for which they are (P-KM-03), or without a room at the
// user's own provider.
func (f *Follower) KeyMaterial(ctx context.Context, by Client, target uri.User, r *mimi.KeyMaterialRequest) (*mimi.KeyMaterialResponse, error) {
	if err := r.Validate(); err != nil {
		return nil, mimi.Errorf(mimi.BadRequest, "%v", err)
	}
	if !uri.Equal(r.RequestingUser, by.User.String()) || !by.holds(r.Credential) {
		return nil, errNotYours
	}
	to := target.Provider()
	if r.Room != "" {
		room, err := uri.ParseRoom(r.Room)
		if err != nil {
			return nil, mimi.Errorf(mimi.BadRequest, "%v", err)
		}
		to = room.Provider()
	}
	peer, err := f.peer(to)
	if err != nil {
		return nil, err
	}
	return peer.KeyMaterial(ctx, target, r)
}

// manySubmitter is a hub that takes several messages in one transaction: the own provider's. The draft has one request per message, so
// others get them one by one, each when the one before was accepted: nothing else keeps their order.
type manySubmitter interface {
	SubmitMessages(ctx context.Context, at uri.Room, requests []*mimi.SubmitMessageRequest) ([]*mimi.SubmitMessageResponse, error)
}

// SubmitMessages sends application messages of one client to the room's hub in their order. The answers are those of the first
// messages: it ends with the first that is not accepted or gets no answer. There is an error only when there is no answer; what has none
// is sent again with the same octets.
//
// One call, or one per message; with a hub that does not send them back, one transaction after it.
func (f *Follower) SubmitMessages(ctx context.Context, by Client, room uri.Room, requests []*mimi.SubmitMessageRequest) ([]*mimi.SubmitMessageResponse, error) {
	for _, r := range requests {
		if !uri.Equal(r.SendingURI, by.User.String()) {
			return nil, errNotYours
		}
	}
	peer, err := f.peer(room.Provider())
	if err != nil {
		return nil, err
	}
	answers, err := submitTo(ctx, peer, room, requests)
	if err != nil || !f.silent(room) {
		return answers, err
	}
	body := new(mimi.NotifyBody)
	for i, answer := range answers {
		if answer.Code == mimi.SubmitAccepted {
			body.Items = append(body.Items, mimi.FanoutMessage{Timestamp: answer.AcceptedAt, Message: requests[i].Message, Frank: answer.Frank})
		}
	}
	if len(body.Items) == 0 {
		return answers, nil
	}
	if err := f.deliver(ctx, room, body); err != nil {
		return nil, err
	}
	return answers, nil
}

func submitTo(ctx context.Context, peer mimi.Service, room uri.Room, requests []*mimi.SubmitMessageRequest) ([]*mimi.SubmitMessageResponse, error) {
	if many, ok := peer.(manySubmitter); ok {
		return many.SubmitMessages(ctx, room, requests)
	}
	var answers []*mimi.SubmitMessageResponse
	for _, r := range requests {
		answer, err := peer.SubmitMessage(ctx, room, r)
		if err != nil && len(answers) == 0 {
			return nil, err
		}
		if err != nil {
			break
		}
		answers = append(answers, answer)
		if answer.Code != mimi.SubmitAccepted {
			break
		}
	}
	return answers, nil
}

// Update sends a commit or proposals to the room's hub. A client that joins by external commit is put into the delivery set before
// that, so that it gets its own commit and everything after it; it stays there when the fate of the commit is not known.
//
// Up to three transactions around one call.
func (f *Follower) Update(ctx context.Context, by Client, room uri.Room, r *mimi.UpdateRequest) (*mimi.UpdateRoomResponse, error) {
	peer, err := f.peer(room.Provider())
	if err != nil {
		return nil, err
	}
	fresh := false
	if joiner := joiningLeaf(r); joiner != nil {
		if !by.holds(joiner.Credential) {
			return nil, errNotYours
		}
		if fresh, err = f.join(ctx, room, by.Client); err != nil {
			return nil, err
		}
	}
	answer, err := peer.Update(ctx, room, r)
	if fresh && refused(answer, err) {
		if err := f.Left(ctx, room, by.Client); err != nil {
			return nil, err
		}
	}
	if err != nil || answer.Code != mimi.UpdateSuccess || !f.silent(room) {
		return answer, err
	}
	return answer, f.deliver(ctx, room, &mimi.NotifyBody{Items: []mimi.FanoutMessage{
		{Timestamp: answer.AcceptedAt, Message: r.Message, MoreProposals: r.MoreProposals}}})
}

// refused reports whether an update certainly had no effect.
func refused(answer *mimi.UpdateRoomResponse, err error) bool {
	var known *mimi.Error
	if err != nil {
		return errors.As(err, &known) && !known.Temporary()
	}
	return answer.Code != mimi.UpdateSuccess
}

// joiningLeaf is the new leaf of an external commit, nil for everything else.
func joiningLeaf(r *mimi.UpdateRequest) *wire.LeafNode {
	if r.Message.Public == nil {
		return nil
	}
	content := &r.Message.Public.Content
	if content.Sender.Type != wire.NewMemberCommitSender || content.Commit == nil || content.Commit.Path == nil {
		return nil
	}
	return &content.Commit.Path.Leaf
}

// GroupInfo asks the room's hub for what a client needs to join by itself. The answer is sealed to the client (P-GI-16).
func (f *Follower) GroupInfo(ctx context.Context, by Client, room uri.Room, r *mimi.GroupInfoRequest) (*mimi.GroupInfoResponse, error) {
	if !by.holds(r.Credential) {
		return nil, errNotYours
	}
	peer, err := f.peer(room.Provider())
	if err != nil {
		return nil, err
	}
	return peer.GroupInfo(ctx, room, r)
}

// Joined puts a client into a room's delivery set: the creator of a room.
func (f *Follower) Joined(ctx context.Context, room uri.Room, client uri.Client) error {
	_, err := f.join(ctx, room, client)
	return err
}

// Left takes a client out of a room's delivery set.
func (f *Follower) Left(ctx context.Context, room uri.Room, client uri.Client) error {
	return storeError(f.cfg.Store.Update(ctx, func(tx Tx) error { return tx.SetMember(room, client, false) }))
}

// Forget takes a client out of the delivery sets of all rooms: it is no client any more. One transaction.
func (f *Follower) Forget(ctx context.Context, client uri.Client) error {
	return storeError(f.cfg.Store.Update(ctx, func(tx Tx) error { return tx.Forget(client) }))
}

func (f *Follower) join(ctx context.Context, room uri.Room, client uri.Client) (fresh bool, err error) {
	err = f.cfg.Store.Update(ctx, func(tx Tx) error {
		members, err := tx.Members(room)
		if err != nil {
			return err
		}
		fresh = true
		for _, m := range members {
			fresh = fresh && m != client
		}
		return tx.SetMember(room, client, true)
	})
	return fresh, storeError(err)
}

// holds reports whether a credential names the client.
func (c Client) holds(cred wire.Credential) bool {
	id, err := credential.Parse(cred)
	return err == nil && id.User == c.User && id.Client == c.Client
}

func (f *Follower) peer(p uri.Provider) (mimi.Service, error) {
	peer, err := f.cfg.Peers(p)
	if err != nil {
		var known *mimi.Error
		if errors.As(err, &known) {
			return nil, err
		}
		return nil, &mimi.Error{Code: mimi.Unavailable, Detail: "the provider is not known here", Err: err}
	}
	return peer, nil
}

func (f *Follower) silent(room uri.Room) bool {
	return f.cfg.Silent != nil && f.cfg.Silent(room.Provider())
}

// storeError turns what a store says into what a caller may know.
func storeError(err error) error {
	var known *mimi.Error
	if err == nil || errors.As(err, &known) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &mimi.Error{Code: mimi.Internal, Err: err}
}
