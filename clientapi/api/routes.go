package api

// Routes are fixed paths on the provider's own origin.
const (
	Prefix = "/client/v1/"

	RouteEnrol       = Prefix + "enrol"        // POST JSON EnrolRequest -> EnrolResponse; the only one without a token
	RouteCredential  = Prefix + "credential"   // POST JSON RenewRequest -> RenewResponse
	RouteSelf        = Prefix + "self"         // GET -> JSON Self
	RouteAuthorities = Prefix + "authorities"  // GET [?provider=] -> JSON Authorities
	RouteKeyPackages = Prefix + "key-packages" // POST TLS KeyPackages -> JSON KeyPackageCount; GET -> JSON KeyPackageCount
	RouteRooms       = Prefix + "rooms"        // POST ?room= TLS CreateRoom -> JSON RoomCreated
	RouteKeyMaterial = Prefix + "key-material" // POST ?user= TLS mimi.KeyMaterialRequest -> TLS mimi.KeyMaterialResponse
	RouteUpdate      = Prefix + "update"       // POST ?room= TLS mimi.UpdateRequest -> TLS mimi.UpdateRoomResponse
	RouteMessage     = Prefix + "message"      // POST ?room= TLS mimi.SubmitMessageRequest -> TLS mimi.SubmitMessageResponse
	RouteGroupInfo   = Prefix + "group-info"   // POST ?room= TLS mimi.GroupInfoRequest -> TLS mimi.GroupInfoResponse
	RouteEvents      = Prefix + "events"       // GET ?after=&wait= -> TLS Events
	RouteStream      = Prefix + "stream"       // GET ?after= -> a sequence of frames, see WriteFrame
	RouteAck         = Prefix + "ack"          // POST JSON Ack -> 204
)

// Names of query parameters.
const (
	ParamRoom     = "room"     // a room URI
	ParamUser     = "user"     // a user URI
	ParamProvider = "provider" // a provider URI
	ParamAfter    = "after"    // a cursor in decimal; absent means the last acknowledged one
	ParamWait     = "wait"     // seconds that an empty poll may be held, at most MaxWait
)

// Media types of bodies.
const (
	TypeJSON   = "application/json"
	TypeTLS    = "application/octet-stream"
	TypeStream = "application/vnd.parley.events"
)

// Limits of the interface.
const (
	MaxJSON        = 64 << 10 // octets of a JSON request
	MaxTLS         = 8 << 20  // octets of a request that carries a structure
	MaxFrame       = 8 << 20  // octets of one event
	MaxKeyPackages = 500      // in one request
	MaxEvents      = 256      // in one answer to a poll
	MaxWait        = 55       // seconds
	Heartbeat      = 20       // seconds between empty frames on an idle stream
)
