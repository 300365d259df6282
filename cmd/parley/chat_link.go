package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"parley/client"
	"parley/clientapi/api"
	apiclient "parley/clientapi/client"
	"parley/device"
	"parley/mimi"
	"parley/mls/wire"
	"parley/uri"
)

// link is the device's provider as long as it answers. When it does not, calls other than Events fail at once instead of each waiting
// for the network: the loop of the device would stand still for people meanwhile. Events goes on trying, and lets calls through again.
type link struct {
	*apiclient.Client
	grace time.Time // until when the first calls wait for the first word from the provider

	mu    sync.Mutex
	heard chan struct{} // closed with the first word
	first bool          // heard is closed
	down  error         // why the provider cannot be reached
}

// firstWord is how long the first calls wait to learn whether the provider can be reached.
const firstWord = 1500 * time.Millisecond

// openLink connects to the provider; close gives up its connections.
func openLink(l *device.Link) (_ *link, closeIdle func(), err error) {
	c, closeIdle, err := l.Open()
	if err != nil {
		return nil, nil, err
	}
	return &link{Client: c, grace: time.Now().Add(firstWord), heard: make(chan struct{})}, closeIdle, nil
}

var _ client.Provider = (*link)(nil)

// Events implements client.Provider.
func (l *link) Events(ctx context.Context, after client.Cursor, wait time.Duration) ([]client.Event, error) {
	events, err := l.Client.Events(ctx, after, wait)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.down = nil
	if unreachable(err) {
		l.down = err
	}
	if !l.first {
		l.first = true
		close(l.heard)
	}
	return events, err
}

// unreachable tells that not even a refusal came.
func unreachable(err error) bool {
	var retry *client.RetryError
	var answered *api.Error
	return errors.As(err, &retry) && !errors.As(err, &answered)
}

// gate fails when a call is of no use.
func (l *link) gate(ctx context.Context) error {
	grace, cancel := context.WithDeadline(ctx, l.grace)
	defer cancel()
	select {
	case <-l.heard:
	case <-grace.Done():
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.first {
		return &client.RetryError{Err: errNoWord}
	}
	return l.down
}

var errNoWord = errors.New("the provider has not answered yet")

func through[T any](ctx context.Context, l *link, call func() (T, error)) (out T, err error) {
	if err := l.gate(ctx); err != nil {
		return out, err
	}
	return call()
}

// PublishKeyPackages implements client.Provider.
func (l *link) PublishKeyPackages(ctx context.Context, packages []wire.KeyPackage) (int, error) {
	return through(ctx, l, func() (int, error) { return l.Client.PublishKeyPackages(ctx, packages) })
}

// CreateRoom implements client.Provider.
func (l *link) CreateRoom(ctx context.Context, room uri.Room, info *wire.GroupInfo, tree *wire.RatchetTree) error {
	if err := l.gate(ctx); err != nil {
		return err
	}
	return l.Client.CreateRoom(ctx, room, info, tree)
}

// KeyMaterial implements client.Provider.
func (l *link) KeyMaterial(ctx context.Context, target uri.User, r *mimi.KeyMaterialRequest) (*mimi.KeyMaterialResponse, error) {
	return through(ctx, l, func() (*mimi.KeyMaterialResponse, error) { return l.Client.KeyMaterial(ctx, target, r) })
}

// Update implements client.Provider.
func (l *link) Update(ctx context.Context, room uri.Room, r *mimi.UpdateRequest) (*mimi.UpdateRoomResponse, error) {
	return through(ctx, l, func() (*mimi.UpdateRoomResponse, error) { return l.Client.Update(ctx, room, r) })
}

// SubmitMessages implements client.Provider.
func (l *link) SubmitMessages(ctx context.Context, room uri.Room, r []*mimi.SubmitMessageRequest) ([]*mimi.SubmitMessageResponse, error) {
	return through(ctx, l, func() ([]*mimi.SubmitMessageResponse, error) { return l.Client.SubmitMessages(ctx, room, r) })
}

// GroupInfo implements client.Provider.
func (l *link) GroupInfo(ctx context.Context, room uri.Room, r *mimi.GroupInfoRequest) (*mimi.GroupInfoResponse, error) {
	return through(ctx, l, func() (*mimi.GroupInfoResponse, error) { return l.Client.GroupInfo(ctx, room, r) })
}

// Lanes is device.Config.Lanes.
func (l *link) Lanes(ctx context.Context, room uri.Room) ([]client.Lane, error) {
	return through(ctx, l, func() ([]client.Lane, error) { return l.Client.Lanes(ctx, room) })
}

// Ack implements client.Provider.
func (l *link) Ack(ctx context.Context, cursor client.Cursor) error {
	if err := l.gate(ctx); err != nil {
		return err
	}
	return l.Client.Ack(ctx, cursor)
}

// authorities is device.Config.Authorities.
func (l *link) authorities(ctx context.Context, p uri.Provider) ([]device.Authority, error) {
	list, err := through(ctx, l, func() ([]api.Authority, error) { return l.Client.Authorities(ctx, p) })
	if err != nil {
		return nil, err
	}
	var out []device.Authority
	for _, a := range list {
		of, err := uri.ParseProvider(a.Provider)
		if err != nil {
			return nil, err
		}
		out = append(out, device.Authority{Provider: of, Certificates: a.Certificates})
	}
	return out, nil
}

// whyOffline puts a failure to reach the provider, or its refusal, into words that help.
func whyOffline(err error) string {
	var (
		unknown  x509.UnknownAuthorityError
		name     x509.HostnameError
		invalid  x509.CertificateInvalidError
		notTLS   tls.RecordHeaderError
		dns      *net.DNSError
		network  *net.OpError
		answered *api.Error
		retry    *client.RetryError
	)
	switch {
	case errors.As(err, &answered) && answered.Code == api.Unauthenticated:
		return "the provider does not know this device any more: enrol again, in another directory"
	case errors.As(err, &answered):
		return "the provider says: " + cleanLine(detail(answered))
	case errors.As(err, &unknown):
		return "its TLS certificate is not from an authority that is trusted here (--ca of parley chat enrol names one)"
	case errors.As(err, &name):
		return "its TLS certificate is for another name"
	case errors.As(err, &invalid) && invalid.Reason == x509.Expired:
		return "its TLS certificate has expired or is not valid yet; is the clock right?"
	case errors.As(err, &invalid):
		return "its TLS certificate is not valid"
	case errors.As(err, &notTLS):
		return "what answers there does not speak TLS"
	case errors.As(err, &dns):
		return "its name cannot be looked up"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "the connection was refused: nothing listens there"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &network) && network.Timeout():
		return "it does not answer"
	case errors.As(err, &retry) && retry.Err != nil:
		return cleanLine(retry.Err.Error())
	}
	return cleanLine(err.Error())
}
