package provider

import (
	"context"
	"errors"
	"time"

	"parley/content"
	"parley/hub"
	"parley/identity"
	"parley/mimi"
	"parley/uri"
)

func (s *service) ReportAbuse(ctx context.Context, at uri.Room, r *mimi.AbuseReport) error {
	if err := s.hub.ReportAbuse(ctx, s.caller, at, r); err != nil {
		return err
	}
	s.log.Warn("abuse was reported", "peer", s.caller.Domain(), "room", uri.Hash(at.String()), "messages", len(r.Messages))
	return nil
}

func (d *devices) report(ctx context.Context, v identity.Device, at uri.Room, r *mimi.AbuseReport) error {
	return waiting(d.follower.ReportAbuse(ctx, by(v), at, r))
}

var errContent = errors.New("provider: the octets are not a message that says whose and of which room it is")

// readContent is hub.Config.ReadContent: application data of a room with named media types, else the content itself.
func readContent(data []byte) (hub.Authorship, error) {
	if kind, inner, err := content.Unframe(data); err == nil && (kind == "" || kind == content.MediaType) {
		if a, err := authorship(inner); err == nil {
			return a, nil
		}
	}
	return authorship(data)
}

func authorship(encoded []byte) (hub.Authorship, error) {
	m, err := content.Decode(encoded)
	if err != nil {
		return hub.Authorship{}, errContent
	}
	sender, named := m.Sender()
	room, placed := m.Room()
	if !named || !placed {
		return hub.Authorship{}, errContent
	}
	return hub.Authorship{Salt: m.Salt[:], Sender: sender, Room: room}, nil
}

// ReportEntry is one report of misconduct for operators. Users and content stand in it, for an operator has to judge them.
type ReportEntry struct {
	ID       uint64          `json:"id"`
	At       time.Time       `json:"at"`
	From     string          `json:"from"` // the provider that handed it in
	Room     string          `json:"room"`
	Reporter string          `json:"reporter,omitempty"` // absent: anonymous
	Abuser   string          `json:"abuser"`
	Reason   int             `json:"reason"`
	Note     string          `json:"note,omitempty"`
	Verified bool            `json:"verified"` // there is a message, and all are genuine
	Messages []ReportMessage `json:"messages"`
	Resolved *time.Time      `json:"resolved,omitempty"`
	Outcome  string          `json:"outcome,omitempty"`
}

// ReportMessage is one reported message. Only of a genuine one is it certain that the abuser sent it to the room at that time.
type ReportMessage struct {
	Verdict string    `json:"verdict"` // hub.Verdict
	Sent    time.Time `json:"sent"`
	Text    string    `json:"text,omitempty"`
}

// ErrNoReport means that there is no such report, or one that is decided.
var ErrNoReport = errors.New("provider: no such report waits for a decision")

func (d *desk) reports(ctx context.Context, after uint64, limit int, all bool) ([]ReportEntry, error) {
	list, err := d.hub.Reports(ctx, after, limit, !all)
	if err != nil {
		return nil, err
	}
	out := []ReportEntry{}
	for i := range list {
		out = append(out, reportEntry(&list[i]))
	}
	return out, nil
}

func reportEntry(r *hub.Report) ReportEntry {
	e := ReportEntry{ID: r.ID, At: r.At.UTC(), From: r.Caller.Domain(), Room: r.Room.String(), Reporter: r.Content.Reporter,
		Abuser: r.Content.Abuser, Reason: int(r.Content.Reason), Note: r.Content.Note, Verified: len(r.Verdicts) > 0,
		Messages: []ReportMessage{}, Resolved: known(r.Resolved), Outcome: r.Outcome}
	for i := range r.Content.Messages {
		m := &r.Content.Messages[i]
		verdict := hub.Unreadable
		if i < len(r.Verdicts) {
			verdict = r.Verdicts[i]
		}
		e.Verified = e.Verified && verdict == hub.Genuine
		e.Messages = append(e.Messages, ReportMessage{Verdict: verdict.String(), Sent: time.UnixMilli(int64(min(m.AcceptedAt, 1<<52))).UTC(),
			Text: textOf(m.Content)})
	}
	return e
}

// textOf is what an operator can read of reported content.
func textOf(data []byte) string {
	if kind, inner, err := content.Unframe(data); err == nil && (kind == "" || kind == content.MediaType) {
		if m, err := content.Decode(inner); err == nil {
			return content.Text(m)
		}
	}
	m, err := content.Decode(data)
	if err != nil {
		return ""
	}
	return content.Text(m)
}

func (d *desk) resolve(ctx context.Context, id uint64, outcome string) error {
	done, err := d.hub.Resolve(ctx, id, outcome)
	if err == nil && !done {
		return ErrNoReport
	}
	return err
}
