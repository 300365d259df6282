package content

import (
	"slices"

	"parley/uri"
)

// StatusMediaType is the media type of an encoded StatusReport (draft-mahy-mimi-message-status-01 §7).
const StatusMediaType = "application/mimi-message-status"

// Status is what became of a message at its recipient; values that are not listed are kept and ignored.
type Status uint8

// The statuses of draft-mahy-mimi-message-status-01 §3.
const (
	StatusUnread Status = iota
	StatusDelivered
	StatusRead
	StatusExpired
	StatusDeleted
	StatusHidden
	StatusError
)

// Next is the status to keep for one message and one reporting user when update arrives after s, in hub order (C-ST-05):
// deleted is final, read does not fall back to delivered, unknown statuses change nothing. Everything else replaces.
func (s Status) Next(update Status) Status {
	if s == StatusDeleted || update > StatusError || s == StatusRead && update == StatusDelivered {
		return s
	}
	return update
}

// StatusEntry is the status of one message.
type StatusEntry struct {
	ID     MessageID
	Status Status
}

// StatusReport tells the statuses of any number of messages of one room. It is a claim of its sender.
type StatusReport []StatusEntry

// DecodeStatus reads a report of at most 64 KiB.
func DecodeStatus(data []byte) (StatusReport, error) {
	if len(data) > defaultLimit {
		return nil, ErrSize
	}
	r := &reader{data: data}
	n := r.length(majorArray)
	var report StatusReport
	for range n {
		r.fields(2)
		var e StatusEntry
		r.fixed(e.ID[:])
		e.Status = Status(r.uint(255))
		if r.err != nil {
			break
		}
		report = append(report, e)
	}
	if err := r.end(); err != nil {
		return nil, err
	}
	return report, nil
}

// Encode writes the report.
func (s StatusReport) Encode() []byte {
	b := appendHead(make([]byte, 0, 8+len(s)*37), majorArray, uint64(len(s)))
	for _, e := range s {
		b = appendBytes(appendHead(b, majorArray, 2), e.ID[:])
		b = appendHead(b, majorUint, uint64(e.Status))
	}
	return b
}

// Validate finds entries with IDs of an unknown algorithm, which are not to be produced and are dropped by Known.
func (s StatusReport) Validate() error {
	for _, e := range s {
		if !e.ID.Known() {
			return ErrHash
		}
	}
	return nil
}

// Known is the report without the entries whose ID has an unknown algorithm (draft-ietf-mimi-content-08 §9.1).
func (s StatusReport) Known() StatusReport {
	return slices.DeleteFunc(slices.Clone(s), func(e StatusEntry) bool { return !e.ID.Known() })
}

// NewStatus wraps a report in a message, the form in which we send reports (A-C9).
func NewStatus(salt [16]byte, sender uri.User, room uri.Room, report StatusReport) Message {
	return newMessage(salt, sender, room, Part{Body: Single{StatusMediaType, report.Encode()}})
}

// Status is the report that the message wraps; found is false for any other message.
func (m Message) Status() (report StatusReport, found bool, err error) {
	single, ok := m.Body.Body.(Single)
	if !ok || mediaName(single.ContentType) != StatusMediaType {
		return nil, false, nil
	}
	report, err = DecodeStatus(single.Content)
	return report, true, err
}
