package client

import (
	"context"
	"crypto/rand"
	"fmt"

	"parley/mls"
	"parley/mls/wire"
	"parley/policy"
	"parley/room"
	"parley/uri"
)

// groupIDSize is the number of random octets that name a group.
const groupIDSize = 16

// Create makes a private group at the own provider with this device as its only member.
func (c *Client) Create(ctx context.Context, at uri.Room, name string) error {
	return c.CreateAs(ctx, at, Plan{Name: name})
}

// Plan is what a new room is to be.
type Plan struct {
	Name string
	Kind policy.Kind // one of policy.Kinds; "" is a private group
	// People are the others of a direct conversation, whose room has to have the name of room.FixedName.
	People []uri.User
	// Loggers are who logs a managed room; nobody named is the own user.
	Loggers []uri.User
	// Parent is the room among whose people those of this one are; the zero value is none.
	Parent uri.Room
}

// CreateAs makes a room at the own provider with this device as its only member. Unlike the other wishes it needs the provider at
// once and is not queued: a room that the hub has not taken does not exist.
func (c *Client) CreateAs(ctx context.Context, at uri.Room, plan Plan) error {
	if plan.Kind == "" {
		plan.Kind = policy.PrivateGroup
	}
	if plan.Kind == policy.Managed && len(plan.Loggers) == 0 {
		plan.Loggers = []uri.User{c.self.User}
	}
	if _, ok := c.rooms[at]; ok {
		return ErrHaveRoom
	}
	group, info, err := c.newGroup(at, plan)
	if err != nil {
		return fmt.Errorf("client: new group: %w", err)
	}
	tree := group.Public().Tree()
	if err := c.cfg.Provider.CreateRoom(ctx, at, info, &tree); err != nil {
		return err
	}
	r := &Room{URI: at, group: group}
	var d mls.Delta
	if err := r.add(&d, Entry{Kind: EntryJoined, Time: uint64(c.cfg.Now().UnixMilli()), User: c.self.User.String(), Own: true}); err != nil {
		return err
	}
	saved, err := group.Save()
	if err != nil {
		return err
	}
	r.mlsDelta(&d, saved)
	if err := r.header(&d); err != nil {
		return err
	}
	if err := c.commit(ctx, d); err != nil {
		return err
	}
	c.rooms[at] = r
	return nil
}

func (c *Client) newGroup(at uri.Room, plan Plan) (*mls.Group, *wire.GroupInfo, error) {
	bundle, _, err := c.newBundle(c.self.Suite)
	if err != nil {
		return nil, nil, err
	}
	id := make([]byte, groupIDSize)
	if _, err := rand.Read(id); err != nil {
		return nil, nil, err
	}
	extensions, err := room.New(room.Founding{Room: at, Name: plan.Name, Creator: c.self.User, Kind: plan.Kind,
		People: plan.People, Loggers: plan.Loggers, Parent: plan.Parent}, c.self.HubSender)
	if err != nil {
		return nil, nil, err
	}
	group, err := mls.Create(c.cfg.MLS, mls.CreateParams{GroupID: id, Bundle: bundle, Signer: c.self.Signer, Extensions: extensions},
		c.cfg.Now())
	if err != nil {
		return nil, nil, err
	}
	info, err := group.GroupInfo(group.OwnLeaves()[0])
	return group, info, err
}
