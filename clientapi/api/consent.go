package api

// ConsentList tells what there is between a user and others (draft-ietf-mimi-protocol-06 §5.7).
type ConsentList struct {
	Entries []ConsentEntry `json:"entries"`
}

// ConsentEntry is one matter of the user. Room is empty for every room.
type ConsentEntry struct {
	Side     string `json:"side"`     // see the constants
	Other    string `json:"other"`    // user URI; of a block also a provider URI
	Room     string `json:"room"`     // room URI or ""
	Standing string `json:"standing"` // "asked", "granted" or "refused"
	Since    uint64 `json:"since"`    // milliseconds since 1970
}

// Sides of a ConsentEntry.
const (
	ConsentIncoming = "incoming" // the other one asks for the user's consent, or has the user's answer
	ConsentOutgoing = "outgoing" // the user asks for the other one's consent, or has the answer
	ConsentBlocked  = "blocked"  // the user does not want to hear of the other one
)

// Block puts a user or a provider on the user's block list, or takes it off.
type Block struct {
	Subject string `json:"subject"` // user or provider URI
	Blocked bool   `json:"blocked"`
}
