package provider

import (
	"context"
	"crypto"
	"errors"
	"time"

	"parley/clientapi/api"
	"parley/clientapi/server"
	"parley/credential"
	"parley/follower"
	"parley/identity"
	"parley/inbox"
	"parley/keypkg"
	"parley/mimi"
	"parley/syntax"
	"parley/uri"
)

// CredentialLife is how long the credential of a device is valid before it has to be renewed.
const CredentialLife = 365 * 24 * time.Hour

// devices is what our own users' devices may ask for: clientapi/server calls it, the roles do it.
type devices struct{ *Provider }

func (d *devices) server() *server.Server {
	return &server.Server{
		Authenticate: d.accounts.Authenticate, Enrol: d.enrol, Renew: d.renew, Self: d.selfOf, Authorities: d.authoritiesOf,
		PublishKeyPackages: d.publish, CountKeyPackages: d.count,
		CreateRoom: d.createRoom, KeyMaterial: d.keyMaterial, Update: d.update, SubmitMessages: d.submit, GroupInfo: d.groupInfo,
		Consent: d.consent, Consents: d.consents, Block: d.block, Report: d.report, Lanes: d.lanes,
		Events: d.events, Ack: d.ack, Wake: func(v identity.Device) (<-chan struct{}, func()) { return d.wakes.wait(v.Client) },
		Person: d.person, ChangePerson: d.changePerson, Find: d.search,
		Files: d.files(), Stopping: d.stopping, Log: d.log,
	}
}

// enrol spends the code and certifies the key. A crash in between costs the code and the device's name.
func (d *devices) enrol(ctx context.Context, r *api.EnrolRequest, key crypto.PublicKey) (*api.EnrolResponse, error) {
	e, err := d.accounts.Enrol(ctx, r.Code, r.Device)
	switch {
	case errors.Is(err, identity.ErrCode):
		return nil, &api.Error{Code: api.NotFound, Detail: "the enrolment code is not valid (any more); ask the provider's operator for another"}
	case errors.Is(err, identity.ErrDevice):
		return nil, &api.Error{Code: api.Conflict, Detail: "the device name was used before; choose another"}
	case errors.Is(err, identity.ErrName):
		return nil, &api.Error{Code: api.BadRequest, Detail: "the device name is not 1 to 32 of a-z, 0-9 and -"}
	case err != nil:
		return nil, err
	}
	chain, err := d.certify(e.Device, key)
	if err != nil {
		return nil, err
	}
	own, err := d.own()
	if err != nil {
		return nil, err
	}
	d.log.Info("a device has enrolled", "device", uri.Hash(e.Device.Client.String()))
	return &api.EnrolResponse{User: e.Device.User.String(), Client: e.Device.Client.String(), Token: e.Token, Certificates: chain,
		Provider: *own}, nil
}

func (d *devices) renew(_ context.Context, v identity.Device, _ *api.RenewRequest, key crypto.PublicKey) (*api.RenewResponse, error) {
	chain, err := d.certify(v, key)
	if err != nil {
		return nil, err
	}
	return &api.RenewResponse{Certificates: chain}, nil
}

func (d *devices) certify(v identity.Device, key crypto.PublicKey) ([][]byte, error) {
	cred, err := d.cfg.Keys.CA.IssueClient(v.User, v.Client, key, d.cfg.Now(), CredentialLife, ofGateway(v.User))
	if errors.Is(err, credential.ErrKeyType) {
		return nil, &api.Error{Code: api.BadRequest, Detail: "the kind of signature key is not certified here"}
	}
	return cred.Certificates, err
}

// own is what a device has to know of its provider.
func (d *devices) own() (*api.Provider, error) {
	out := &api.Provider{URI: d.cfg.Provider.String(), Authorities: d.authorities.list(uri.Provider{})}
	for i := range d.cfg.Keys.Hub {
		key := &d.cfg.Keys.Hub[i]
		if len(key.Suites) == 0 {
			continue // of rooms that exist
		}
		octets, err := syntax.Marshal(&key.Sender)
		if err != nil {
			return nil, err
		}
		sender := api.ExternalSender{Sender: octets}
		for _, s := range key.Suites {
			sender.Suites = append(sender.Suites, uint16(s))
		}
		out.ExternalSenders = append(out.ExternalSenders, sender)
	}
	return out, nil
}

func (d *devices) selfOf(ctx context.Context, v identity.Device) (*api.Self, error) {
	own, err := d.own()
	if err != nil {
		return nil, err
	}
	self := &api.Self{User: v.User.String(), Client: v.Client.String(), Provider: *own}
	if segments := v.Client.Segments(); len(segments) == 2 {
		self.Device = segments[1]
	}
	err = d.cfg.Store.Inbox.View(ctx, func(tx inbox.Tx) error {
		acked, err := tx.Acked(v.Client)
		self.Acknowledged = uint64(acked)
		return err
	})
	return self, err
}

// authoritiesOf tells which CA sets are known. A peer that is asked for by name is looked up first.
func (d *devices) authoritiesOf(ctx context.Context, p uri.Provider) (*api.Authorities, error) {
	if err := d.peers.ensure(ctx, p); err != nil {
		return nil, waiting(d.peers.remote[p].failed(notYet(err)))
	}
	return &api.Authorities{Authorities: d.authorities.list(p)}, nil
}

func (d *devices) publish(ctx context.Context, v identity.Device, r *api.KeyPackages) error {
	_, err := d.packages.Publish(ctx, v.User, v.Client, r.KeyPackages)
	return err
}

func (d *devices) count(ctx context.Context, v identity.Device) (*api.KeyPackageCount, error) {
	n, err := d.packages.Count(ctx, v.Client)
	return &api.KeyPackageCount{Available: n, LowWater: keypkg.LowWater}, err
}

// createRoom asks the hub and then delivers the room's news to its creator. A crash in between leaves a room whose creator repeats the
// request, which succeeds again.
func (d *devices) createRoom(ctx context.Context, v identity.Device, room uri.Room, r *api.CreateRoom) (*api.RoomCreated, error) {
	if room.Provider() != d.cfg.Provider {
		return nil, &api.Error{Code: api.Forbidden, Detail: "a room is created at one's own provider"}
	}
	if room == newsRoom(d.cfg.Provider) {
		return nil, &api.Error{Code: api.Forbidden, Detail: "a room cannot have that name"}
	}
	at, err := d.hub.CreateRoom(ctx, v.User, room, &r.GroupInfo, &r.Tree)
	if err != nil {
		return nil, err
	}
	if err := d.follower.Joined(ctx, room, v.Client); err != nil {
		return nil, err
	}
	return &api.RoomCreated{Room: room.String(), AcceptedTimestamp: at}, nil
}

func by(v identity.Device) follower.Client { return follower.Client{User: v.User, Client: v.Client} }

func (d *devices) keyMaterial(ctx context.Context, v identity.Device, target uri.User, r *mimi.KeyMaterialRequest) (*mimi.KeyMaterialResponse, error) {
	answer, err := d.follower.KeyMaterial(ctx, by(v), target, r)
	return answer, waiting(err)
}

func (d *devices) update(ctx context.Context, v identity.Device, room uri.Room, r *mimi.UpdateRequest) (*mimi.UpdateRoomResponse, error) {
	answer, err := d.follower.Update(ctx, by(v), room, r)
	return answer, waiting(err)
}

func (d *devices) submit(ctx context.Context, v identity.Device, room uri.Room, r []*mimi.SubmitMessageRequest) ([]*mimi.SubmitMessageResponse, error) {
	answers, err := d.follower.SubmitMessages(ctx, by(v), room, r)
	return answers, waiting(err)
}

func (d *devices) groupInfo(ctx context.Context, v identity.Device, room uri.Room, r *mimi.GroupInfoRequest) (*mimi.GroupInfoResponse, error) {
	answer, err := d.follower.GroupInfo(ctx, by(v), room, r)
	return answer, waiting(err)
}

func (d *devices) events(ctx context.Context, v identity.Device, after *uint64, limit int) ([]api.Event, bool, error) {
	if _, revoked := d.revoked.Load(v.Client); revoked {
		return nil, false, &api.Error{Code: api.Unauthenticated, Detail: "the device was revoked"}
	}
	var from *inbox.Cursor
	if after != nil {
		c := inbox.Cursor(*after)
		from = &c
	}
	entries, more, err := d.inboxes.Read(ctx, v.Client, from, limit)
	if err != nil {
		return nil, false, err
	}
	out, news := make([]api.Event, len(entries)), newsRoom(d.cfg.Provider)
	for i, e := range entries {
		out[i] = api.Event{Cursor: uint64(e.Cursor), Room: e.Room.String(), Kind: api.Fanout, Timestamp: e.Timestamp, Body: e.Body}
		if e.Room == news {
			out[i].Room, out[i].Kind = "", api.Consent
		}
	}
	return out, more, nil
}

func (d *devices) ack(ctx context.Context, v identity.Device, cursor uint64) error {
	return d.inboxes.Ack(ctx, v.Client, inbox.Cursor(cursor))
}

// waiting tells the device which provider did not do its part. Other errors pass.
func waiting(err error) error {
	var away *PeerError
	var refused *mimi.Error
	if errors.As(err, &away) && errors.As(err, &refused) {
		return server.FromPeer(away.Peer, refused)
	}
	return err
}
