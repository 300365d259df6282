package api

// Prefix begins every path. Paths are fixed, on the provider's own origin.
const Prefix = "/client/v1/"

// The paths. Routes tells what they take and answer.
const (
	PathEnrol       = Prefix + "enrol"
	PathCredential  = Prefix + "credential"
	PathSelf        = Prefix + "self"
	PathAuthorities = Prefix + "authorities"
	PathKeyPackages = Prefix + "key-packages"
	PathRooms       = Prefix + "rooms"
	PathKeyMaterial = Prefix + "key-material"
	PathUpdate      = Prefix + "update"
	PathMessages    = Prefix + "messages"
	PathGroupInfo   = Prefix + "group-info"
	PathConsent     = Prefix + "consent"
	PathBlock       = Prefix + "block"
	PathReport      = Prefix + "report"
	PathLanes       = Prefix + "lanes"
	PathEvents      = Prefix + "events"
	PathStream      = Prefix + "stream"
	PathAck         = Prefix + "ack"
	PathPerson      = Prefix + "person"
	PathFind        = Prefix + "find"
)

// Names of query parameters.
const (
	ParamRoom     = "room"     // a room URI
	ParamUser     = "user"     // a user URI
	ParamProvider = "provider" // a provider URI
	ParamAfter    = "after"    // a cursor in decimal; absent means the last acknowledged one
	ParamTell     = "tell"     // 1: the other one is told of a revoke
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
	MaxJSON        = 16 << 10         // octets of a JSON request
	MaxFrame       = 16<<20 + 64<<10  // octets of one event: above what a hub may send in one notification
	MaxAnswer      = MaxFrame + 4<<20 // octets of any answer but a stream
	MaxKeyPackages = 500              // in one request
	MaxMessages    = 64               // in one request
	MaxEvents      = 256              // in one answer to a poll
	MaxWait        = 55               // seconds
	MaxHeld        = 4                // streams and held polls of one client; a further one ends the oldest
	Heartbeat      = 20               // seconds between empty frames on an idle stream
	MaxRetryAfter  = 3600             // seconds; a client believes no more
)

// Route is one request of the interface.
type Route struct {
	Method string
	Path   string
	Params []string // of the query; no other may stand there, and none twice
	Body   string   // media type of the request's body; "" when there is none
	Limit  int64    // octets of the request's body
	Answer string   // media type of a 200; "" means 204 without a body
	Open   bool     // no token is needed
}

// Routes returns all requests that there are.
func Routes() []Route {
	room := []string{ParamRoom}
	return []Route{
		{Method: "POST", Path: PathEnrol, Body: TypeJSON, Limit: MaxJSON, Answer: TypeJSON, Open: true},    // EnrolRequest, EnrolResponse
		{Method: "POST", Path: PathCredential, Body: TypeJSON, Limit: MaxJSON, Answer: TypeJSON},           // RenewRequest, RenewResponse
		{Method: "GET", Path: PathSelf, Answer: TypeJSON},                                                  // Self
		{Method: "GET", Path: PathAuthorities, Params: []string{ParamProvider}, Answer: TypeJSON},          // Authorities
		{Method: "POST", Path: PathKeyPackages, Body: TypeTLS, Limit: 2 << 20, Answer: TypeJSON},           // KeyPackages, KeyPackageCount
		{Method: "GET", Path: PathKeyPackages, Answer: TypeJSON},                                           // KeyPackageCount
		{Method: "POST", Path: PathRooms, Params: room, Body: TypeTLS, Limit: 512 << 10, Answer: TypeJSON}, // CreateRoom, RoomCreated
		{Method: "POST", Path: PathKeyMaterial, Params: []string{ParamUser}, Body: TypeTLS, Limit: 64 << 10, Answer: TypeTLS},
		{Method: "POST", Path: PathUpdate, Params: room, Body: TypeTLS, Limit: 8 << 20, Answer: TypeTLS},
		{Method: "POST", Path: PathMessages, Params: room, Body: TypeTLS, Limit: 1 << 20, Answer: TypeTLS}, // SubmitMessages, MessagesSubmitted
		{Method: "POST", Path: PathGroupInfo, Params: room, Body: TypeTLS, Limit: 64 << 10, Answer: TypeTLS},
		{Method: "GET", Path: PathEvents, Params: []string{ParamAfter, ParamWait}, Answer: TypeTLS},      // Events
		{Method: "GET", Path: PathStream, Params: []string{ParamAfter}, Answer: TypeStream},              // frames, see WriteFrame
		{Method: "POST", Path: PathAck, Body: TypeJSON, Limit: MaxJSON},                                  // Ack
		{Method: "POST", Path: PathConsent, Params: []string{ParamTell}, Body: TypeTLS, Limit: 16 << 10}, // mimi.ConsentEntry
		{Method: "GET", Path: PathConsent, Answer: TypeJSON},                                             // ConsentList
		{Method: "POST", Path: PathBlock, Body: TypeJSON, Limit: MaxJSON},                                // Block
		{Method: "POST", Path: PathReport, Params: room, Body: TypeTLS, Limit: 4 << 20},                  // mimi.AbuseReport
		{Method: "GET", Path: PathLanes, Params: room, Answer: TypeJSON},                                 // Lanes
		{Method: "GET", Path: PathPerson, Answer: TypeJSON},                                              // Person
		{Method: "POST", Path: PathPerson, Body: TypeJSON, Limit: MaxJSON, Answer: TypeJSON},             // PersonChange, Person
		{Method: "POST", Path: PathFind, Body: TypeTLS, Limit: 16 << 10, Answer: TypeJSON},               // Found
	}
}
