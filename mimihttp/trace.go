package mimihttp

import (
	"time"

	"parley/uri"
)

// Side is who reports a TraceEvent.
type Side uint8

const (
	ServerSide Side = iota
	ClientSide
)

// String is the side's word.
func (s Side) String() string {
	if s == ClientSide {
		return "client"
	}
	return "server"
}

// TraceEvent tells of one finished request, as this side's end of the TLS connection saw it.
type TraceEvent struct {
	Time     time.Time // when the request began
	Side     Side
	Self     uri.Provider // the provider that reports; zero when the request named none of ours
	Peer     uri.Provider // the other one; zero when it is not authenticated
	Endpoint string       // the directory's name for the endpoint, "directory", or "" when there is none
	Epoch    *uint64      // of the MLS message that a server took: of the first one in a notify; nil when there is none
	BytesIn  int64        // body octets received
	BytesOut int64        // body octets sent
	Status   int          // HTTP status; 0 when no answer came
	Duration time.Duration
	Reason   string // why it was refused or failed; safe for logs
}
