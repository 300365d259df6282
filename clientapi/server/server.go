package server

import (
	"context"
	"crypto"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"parley/clientapi/api"
	"parley/identity"
	"parley/mimi"
	"parley/uri"
)

const (
	// StallAfter is how long a client may take nothing of what is written to it.
	StallAfter = 30 * time.Second
	// ReadTimeout is how long a body may take to arrive.
	ReadTimeout = 30 * time.Second
	// CallTimeout bounds one function. It is longer than a call to another provider may take, so that the client learns which one
	// did not answer.
	CallTimeout = 40 * time.Second
)

// Server is the interface's server side. Every function must be set; they may be called concurrently. They return *api.Error or
// *mimi.Error for what the client should know, those of another provider made by FromPeer; any other error is answered as internal and
// logged. What they report as done must be durable.
type Server struct {
	// Authenticate returns identity.ErrToken for a token that is not valid (any more).
	Authenticate func(ctx context.Context, token string) (identity.Device, error)
	// Enrol and Renew are given the key of the signing request, which has signed it and fits the suite.
	Enrol       func(ctx context.Context, r *api.EnrolRequest, key crypto.PublicKey) (*api.EnrolResponse, error)
	Renew       func(ctx context.Context, d identity.Device, r *api.RenewRequest, key crypto.PublicKey) (*api.RenewResponse, error)
	Self        func(ctx context.Context, d identity.Device) (*api.Self, error)
	Authorities func(ctx context.Context, p uri.Provider) (*api.Authorities, error) // zero: all that are known

	PublishKeyPackages func(ctx context.Context, d identity.Device, r *api.KeyPackages) error
	CountKeyPackages   func(ctx context.Context, d identity.Device) (*api.KeyPackageCount, error)

	CreateRoom  func(ctx context.Context, d identity.Device, room uri.Room, r *api.CreateRoom) (*api.RoomCreated, error)
	KeyMaterial func(ctx context.Context, d identity.Device, target uri.User, r *mimi.KeyMaterialRequest) (*mimi.KeyMaterialResponse, error)
	Update      func(ctx context.Context, d identity.Device, room uri.Room, r *mimi.UpdateRequest) (*mimi.UpdateRoomResponse, error)
	// SubmitMessages answers the first messages of a room, at least one, or returns an error.
	SubmitMessages func(ctx context.Context, d identity.Device, room uri.Room, r []*mimi.SubmitMessageRequest) ([]*mimi.SubmitMessageResponse, error)
	GroupInfo      func(ctx context.Context, d identity.Device, room uri.Room, r *mimi.GroupInfoRequest) (*mimi.GroupInfoResponse, error)

	// Person and ChangePerson are about the device's user. Find looks for others, at other providers too.
	Person       func(ctx context.Context, d identity.Device) (*api.Person, error)
	ChangePerson func(ctx context.Context, d identity.Device, r *api.PersonChange) (*api.Person, error)
	Find         func(ctx context.Context, d identity.Device, r *mimi.IdentifierRequest) (*api.Found, error)

	// Consent takes what the user says about consent, Consents lists what there is, Block keeps the block list, Report sends a report of
	// misconduct to the room's hub.
	Consent  func(ctx context.Context, d identity.Device, r *mimi.ConsentEntry, tell bool) error
	Consents func(ctx context.Context, d identity.Device) (*api.ConsentList, error)
	Block    func(ctx context.Context, d identity.Device, r *api.Block) error
	Report   func(ctx context.Context, d identity.Device, room uri.Room, r *mimi.AbuseReport) error

	// Lanes tells a member how a room of our hub stands with other providers.
	Lanes func(ctx context.Context, d identity.Device, room uri.Room) (*api.Lanes, error)

	// Events returns at most limit events behind the cursor, in order, and whether more wait. A nil cursor means the last
	// acknowledged one. What it returns at once should be bounded in octets too: a stream holds it until it is sent.
	Events func(ctx context.Context, d identity.Device, after *uint64, limit int) (events []api.Event, more bool, err error)
	Ack    func(ctx context.Context, d identity.Device, cursor uint64) error
	// Wake returns a channel that receives after an event was stored for the client, and a function that gives it back. The
	// channel has room for one value, so that a wake-up is not lost while the stream writes, and is never closed.
	Wake func(d identity.Device) (wake <-chan struct{}, stop func())

	// Files serves the paths below api.FilesPrefix; nil: they are not there.
	Files *Files

	Stopping <-chan struct{} // closed when the process stops: streams and held polls end; nil: never
	Log      *slog.Logger

	// InFlight bounds the requests being served at once, Held the open streams and held polls; above it clients are told 503. 0
	// means 1024 and 16384.
	InFlight, Held int
}

// Handler returns the routes. It is called once.
func (s *Server) Handler() http.Handler {
	h := &handler{Server: s, gate: newGate(s.InFlight, s.Held), routes: make(map[string]map[string]endpoint)}
	serve := h.calls()
	for _, r := range api.Routes() {
		if h.routes[r.Path] == nil {
			h.routes[r.Path] = make(map[string]endpoint)
		}
		h.routes[r.Path][r.Method] = endpoint{r, serve[r.Method+" "+r.Path]}
	}
	return h
}

type handler struct {
	*Server
	gate   *gate
	routes map[string]map[string]endpoint // by path and method
}

type endpoint struct {
	api.Route
	serve func(*call) (any, error)
}

// calls says who serves a route.
func (h *handler) calls() map[string]func(*call) (any, error) {
	return map[string]func(*call) (any, error){
		"POST " + api.PathEnrol:       (*call).enrol,
		"POST " + api.PathCredential:  (*call).renew,
		"GET " + api.PathSelf:         (*call).self,
		"GET " + api.PathAuthorities:  (*call).authorities,
		"POST " + api.PathKeyPackages: (*call).publishKeyPackages,
		"GET " + api.PathKeyPackages:  (*call).countKeyPackages,
		"POST " + api.PathRooms:       (*call).createRoom,
		"POST " + api.PathKeyMaterial: (*call).keyMaterial,
		"POST " + api.PathUpdate:      (*call).update,
		"POST " + api.PathMessages:    (*call).submitMessages,
		"POST " + api.PathGroupInfo:   (*call).groupInfo,
		"POST " + api.PathConsent:     (*call).consent,
		"GET " + api.PathConsent:      (*call).consents,
		"POST " + api.PathBlock:       (*call).block,
		"POST " + api.PathReport:      (*call).report,
		"GET " + api.PathLanes:        (*call).lanes,
		"GET " + api.PathEvents:       (*call).events,
		"GET " + api.PathStream:       (*call).stream,
		"POST " + api.PathAck:         (*call).ack,
		"GET " + api.PathPerson:       (*call).person,
		"POST " + api.PathPerson:      (*call).changePerson,
		"POST " + api.PathFind:        (*call).find,
	}
}

// ServeHTTP implements http.Handler.
func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.Header().Set("Cache-Control", "no-store")
	c := &call{handler: h, w: w, r: r, control: http.NewResponseController(w)}
	answer, err := c.run()
	if err == nil {
		err = c.answer(answer)
	}
	if err != nil {
		c.fail(err)
	}
}

// call is one request.
type call struct {
	*handler
	w       http.ResponseWriter
	r       *http.Request
	control *http.ResponseController

	ctx    context.Context // with the time that functions have
	route  api.Route       // zero until found
	token  string
	device identity.Device
	query  map[string]string
	leave  func() // gives back the places among the requests being served
	began  bool   // something of the answer was written
}

// sent is the answer of an endpoint that wrote by itself.
type sent struct{}

func (c *call) run() (any, error) {
	if isFile(c.r.URL.EscapedPath()) {
		return c.serveFiles()
	}
	methods, ok := c.routes[c.r.URL.EscapedPath()]
	if !ok {
		return nil, refusal(api.NotFound, "there is no such path")
	}
	e, ok := methods[c.r.Method]
	if !ok {
		for method := range methods {
			c.w.Header().Add("Allow", method)
		}
		return nil, refusal(api.BadMethod, "the path does not take this method")
	}
	c.route = e.Route
	var cancel context.CancelFunc
	c.ctx, cancel = context.WithTimeout(c.r.Context(), CallTimeout)
	defer cancel()
	leave, err := c.gate.enter()
	if err != nil {
		return nil, err
	}
	defer leave()
	if !c.route.Open {
		if err := c.authenticate(); err != nil {
			return nil, err
		}
		done, err := c.gate.of(c.device.Client)
		if err != nil {
			return nil, err
		}
		defer done()
		c.leave = func() { leave(); done() }
	}
	if err := c.readQuery(); err != nil {
		return nil, err
	}
	return e.serve(c)
}

func (c *call) authenticate() error {
	token, ok := bearer(c.r)
	if !ok {
		return refusal(api.Unauthenticated, "the request carries no bearer token")
	}
	d, err := c.Authenticate(c.ctx, token)
	if errors.Is(err, identity.ErrToken) {
		return refusal(api.Unauthenticated, "the token is not valid; enrol again")
	}
	c.token, c.device = token, d
	return err
}

func bearer(r *http.Request) (string, bool) {
	values := r.Header.Values("Authorization")
	if len(values) != 1 {
		return "", false
	}
	scheme, token, ok := strings.Cut(values[0], " ")
	return token, ok && strings.EqualFold(scheme, "Bearer") && token != ""
}
