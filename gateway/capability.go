package gateway

import "fmt"

// Level is how well something is carried.
type Level int8

// The levels.
const (
	Rejected Level = iota - 2 // refused, and the sender is told
	Dropped                   // left out; there is a record
	Fallback                  // something readable stands in its place
	Partial                   // carried with limits
	Full
)

func (l Level) String() string {
	switch l {
	case Rejected:
		return "rejected"
	case Dropped:
		return "dropped"
	case Fallback:
		return "fallback"
	case Partial:
		return "partial"
	case Full:
		return "full"
	}
	return fmt.Sprintf("level %d", int8(l))
}

// Feature is something that people do with each other.
type Feature string

// The features.
const (
	Text       Feature = "text"
	Formatting Feature = "formatting"
	Mentions   Feature = "mentions"
	LongText   Feature = "long text"
	Replies    Feature = "replies"
	Edits      Feature = "edits"
	Deletions  Feature = "deletions"
	Reactions  Feature = "reactions"
	Files      Feature = "files"
	Delivered  Feature = "delivery reports"
	Read       Feature = "reading reports"
	Failures   Feature = "delivery failures"
	Typing     Feature = "typing"
	Groups     Feature = "groups"
	Joins      Feature = "joins and leaves"
	Topics     Feature = "names and topics"
)

// Features are all features in the order in which they are shown.
func Features() []Feature {
	return []Feature{Text, Formatting, Mentions, LongText, Replies, Edits, Deletions, Reactions, Files, Delivered, Read, Failures, Typing,
		Groups, Joins, Topics}
}

// Cell is what a network makes of a feature in one direction.
type Cell struct {
	Level Level
	How   string // in a few words; how it looks, or why not
}

// Pair are the cells of a feature.
type Pair struct {
	Out Cell // from MIMI to the network
	In  Cell // from the network to MIMI
}

// Limits are what the network takes; 0: no limit of its own.
type Limits struct {
	Text int // octets of one message
	Line int // octets of one line; longer text is sent in several
	Name int // octets of a user's name
	File int // octets of a file
}

// Capabilities are what a network, or one address in it, can carry.
type Capabilities struct {
	Network string // short name, as in configuration: irc
	System  string // for people: IRC (server link, RFC 2813)
	Cells   map[Feature]Pair
	Limits  Limits
}

// Out is the level of a feature towards the network. What is not declared is rejected.
func (c Capabilities) Out(f Feature) Level {
	if p, ok := c.Cells[f]; ok {
		return p.Out.Level
	}
	return Rejected
}

// In is the level of a feature from the network.
func (c Capabilities) In(f Feature) Level {
	if p, ok := c.Cells[f]; ok {
		return p.In.Level
	}
	return Rejected
}
