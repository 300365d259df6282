package client

import (
	"errors"
	"fmt"

	"parley/mimi"
	"parley/syntax"
	"parley/uri"
)

// ErrNotReportable means that an entry of a timeline is no message of somebody else.
var ErrNotReportable = errors.New("client: only messages of others can be reported")

// MostReported is how many messages one report brings.
const MostReported = 64

// NewReport makes a report of misconduct for the hub of a room (§5.9) of messages by one user. A message that brought a frank goes into
// it whole: whoever reads the report reads the message. One without can only be named, and is, in the note. An anonymous report
// does not name the reporting user to other providers.
func (c *Client) NewReport(at uri.Room, entries []Entry, note string, anonymous bool) (*mimi.AbuseReport, error) {
	if _, ok := c.rooms[at]; !ok {
		return nil, ErrNoRoom
	}
	r := &mimi.AbuseReport{Reporter: c.self.User.String(), Reason: mimi.AbuseReserved, Note: note}
	if anonymous {
		r.Reporter = ""
	}
	for i := range entries {
		e := &entries[i]
		switch {
		case e.Kind != EntryMessage || e.User == "" || uri.Equal(e.User, c.self.User.String()), r.Abuser != "" && !uri.Equal(r.Abuser, e.User):
			return nil, ErrNotReportable
		case len(r.Messages) == MostReported:
			return nil, fmt.Errorf("client: more than %d messages in one report", MostReported)
		}
		r.Abuser = e.User
		if e.Franked == nil || e.Franked.Frank == nil || e.Content == nil {
			r.Note += fmt.Sprintf("\nwithout proof: message %x", e.MessageID)
			continue
		}
		m := mimi.AbusiveMessage{Content: append(append([]byte(nil), e.Franked.Frame...), e.Content...), AcceptedAt: e.Time}
		if err := syntax.Unmarshal(e.Franked.Frank, &m.Frank); err != nil {
			return nil, fmt.Errorf("client: stored frank: %w", err)
		}
		r.Messages = append(r.Messages, m)
	}
	if r.Abuser == "" {
		return nil, ErrNotReportable
	}
	return r, nil
}
