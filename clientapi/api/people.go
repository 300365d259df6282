package api

// Person is what the provider knows of the device's user, and who may find it.
type Person struct {
	User    string    `json:"user"`
	Reach   string    `json:"reach"` // of the person: nothing of it is found beyond
	Entries []Fact    `json:"entries"`
	Pending []Waiting `json:"pending"`
}

// Fact is an address or a field of a profile.
type Fact struct {
	Type   string `json:"type"` // one of the Kinds
	Name   string `json:"name,omitempty"`
	Value  string `json:"value"`
	Proven bool   `json:"proven"`
	Reach  string `json:"reach"` // nobody, own, everybody, or provider domains with blanks between
}

// Waiting is an address to which a code was sent.
type Waiting struct {
	Type    string `json:"type"`
	Value   string `json:"value"`
	Expires uint64 `json:"expires"` // milliseconds since 1970
}

// Kinds are the names of what identifies people, with the codes of §5.8 of the protocol.
func Kinds() map[string]uint8 {
	return map[string]uint8{"handle": 1, "nick": 2, "email": 3, "phone": 4, "claim": 7, "property": 8}
}

// What a PersonChange can do.
const (
	PersonProve    = "prove"    // send a code to the address Value
	PersonConfirm  = "confirm"  // Code is the one that was sent
	PersonSet      = "set"      // a nick, a claim or a property
	PersonWithdraw = "withdraw" // of anything
	PersonShow     = "show"     // who may find the entry: Reach
	PersonHide     = "hide"     // who may find the person: Reach
)

// PersonChange changes what is known of the device's user. All members must be there; those that the action does not need are empty.
type PersonChange struct {
	Action string `json:"action"`
	Type   string `json:"type"`
	Name   string `json:"name"`
	Value  string `json:"value"`
	Code   string `json:"code"`
	Reach  string `json:"reach"`
}

// Found answers a search over all providers that were asked.
type Found struct {
	Code    uint8   `json:"code"` // the five codes of §5.8
	Matches []Match `json:"matches"`
	// Asked and Failed are domains. A provider that failed may know the person all the same.
	Asked  []string `json:"asked"`
	Failed []string `json:"failed"`
}

// Match is somebody who was found.
type Match struct {
	User   string       `json:"user"`
	Fields []MatchField `json:"fields"`
}

// MatchField is what that person's provider shows.
type MatchField struct {
	Type  string `json:"type"` // claim or property
	Name  string `json:"name"`
	Value string `json:"value"`
}
