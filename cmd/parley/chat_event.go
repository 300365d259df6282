package main

import (
	"encoding/hex"
	"encoding/json"
	"time"

	"parley/client"
	"parley/clientapi/api"
	"parley/content"
	"parley/policy"
	"parley/uri"
)

// chatSchema is the version of the JSON events. It grows when a field changes its meaning or goes; new fields and types may come
// without it.
const chatSchema = 1

// Types of chatEvent beside those of client.EntryKind: message, joined, left, device, leaving, changed, gap.
const (
	eventAccount = "account"
	eventRoom    = "room"
	eventCreated = "created"
	eventPeople  = "people"
	eventStatus  = "status"
	eventOnline  = "online"
	eventAlarm   = "alarm"
	eventError   = "error"
	eventHelp    = "help"
	eventFound   = "found"
	eventPerson  = "person"
	eventSettled = "settled"

	eventEdited   = "edited"
	eventDeleted  = "deleted"
	eventReaction = "reaction"
	eventReport   = "report"
)

// chatEvent is all that the chat shows: one JSON object per line with --json, text otherwise. doc/chat.md says which fields which type
// has.
type chatEvent struct {
	Type string `json:"type"`
	Line int    `json:"line,omitempty"` // of the input, when the event answers one; the first is 1
	Room string `json:"room,omitempty"`
	Time string `json:"time,omitempty"` // RFC 3339 in UTC with milliseconds

	Seq        *uint64 `json:"seq,omitempty"`
	Epoch      *uint64 `json:"epoch,omitempty"`
	User       string  `json:"user,omitempty"`
	Actor      string  `json:"actor,omitempty"`
	Client     string  `json:"client,omitempty"`
	Own        bool    `json:"own,omitempty"`
	Gone       bool    `json:"gone,omitempty"`    // device: it went
	Gateway    string  `json:"gateway,omitempty"` // provider whose gateway holds the user's keys
	History    bool    `json:"history,omitempty"` // shown because of /history
	Text       *string `json:"text,omitempty"`
	MessageID  string  `json:"message_id,omitempty"`
	Unverified string  `json:"unverified,omitempty"`

	About    string       `json:"about,omitempty"` // message that it changes or reacts to
	Report   []chatStatus `json:"report,omitempty"`
	Refused  string       `json:"refused,omitempty"` // why it has no effect
	Shown    *chatShown   `json:"shown,omitempty"`
	Unread   *int         `json:"unread,omitempty"`
	Mentions int          `json:"mentions,omitempty"`

	Intent uint64 `json:"intent,omitempty"`
	Kind   string `json:"kind,omitempty"`
	Fate   string `json:"fate,omitempty"`
	Reason string `json:"reason,omitempty"`

	Name    string       `json:"name,omitempty"`
	Number  int          `json:"number,omitempty"`
	Active  *bool        `json:"active,omitempty"`
	Current *bool        `json:"current,omitempty"`
	People  []chatPerson `json:"people,omitempty"`

	Consent  *chatConsent       `json:"consent,omitempty"`
	Consents []api.ConsentEntry `json:"consents,omitempty"`

	File *chatFile `json:"file,omitempty"`

	Found  *api.Found  `json:"found,omitempty"`
	Person *api.Person `json:"person,omitempty"`

	Online   *bool  `json:"online,omitempty"`
	Provider string `json:"provider,omitempty"`
	Schema   int    `json:"schema,omitempty"`

	Settled  *bool `json:"settled,omitempty"`
	Waiting  *int  `json:"waiting,omitempty"`
	Accepted *int  `json:"accepted,omitempty"`
	Failed   *int  `json:"failed,omitempty"`
}

// chatStatus is what somebody says has become of a message.
type chatStatus struct {
	MessageID string `json:"message_id"`
	Status    string `json:"status"`
}

// reportOf reads a report, which stands by itself or in a message.
func reportOf(e *client.Entry) (out []chatStatus) {
	var report content.StatusReport
	if e.Kind == client.EntryReport {
		r, err := content.DecodeStatus(e.Content)
		if err != nil {
			return nil
		}
		report = r
	} else if m, err := content.Decode(e.Content); err == nil {
		r, found, err := m.Status()
		if !found || err != nil {
			return nil
		}
		report = r
	}
	names := []string{"unread", "delivered", "read", "expired", "deleted", "hidden", "error"}
	for _, x := range report {
		if int(x.Status) < len(names) {
			out = append(out, chatStatus{x.ID.String(), names[x.Status]})
		}
	}
	return out
}

// chatPerson is one participant.
type chatPerson struct {
	User     string   `json:"user"`
	Provider string   `json:"provider"`
	Role     string   `json:"role"`
	Devices  []string `json:"devices"`
	Self     bool     `json:"self,omitempty"`
	Gateway  string   `json:"gateway,omitempty"` // provider whose gateway holds the keys: not end-to-end to the person
}

// encode is the event as a line of JSON that is safe to show on a terminal.
func (e *chatEvent) encode() ([]byte, error) {
	text, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	return append(escapeJSON(text), '\n'), nil
}

func moment(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z07:00") }

// entryEvent shows a timeline entry. gateways are the users of the room whose keys a gateway holds.
func entryEvent(room uri.Room, e client.Entry, gateways map[string]string) chatEvent {
	out := chatEvent{
		Type: string(e.Kind), Room: room.String(), Time: moment(time.UnixMilli(int64(e.Time))), Seq: &e.Seq, Epoch: &e.Epoch,
		User: e.User, Actor: e.Actor, Client: e.Client, Own: e.Own, Gone: e.Gone, Gateway: gateways[e.User],
		MessageID: hex.EncodeToString(e.MessageID), Unverified: e.Unverified, Reason: e.Reason,
		About: hex.EncodeToString(e.About), Refused: e.Refused,
	}
	if e.Kind != client.EntryMessage && e.Kind != client.EntryReport {
		return out
	}
	switch e.Act {
	case client.ActSay:
		out.Text = &e.Text
	case client.ActEdit:
		out.Type, out.Text = eventEdited, &e.Text
	case client.ActReact:
		out.Type, out.Text = eventReaction, &e.Text
	case client.ActDelete:
		out.Type = eventDeleted
	case client.ActReport:
		out.Type, out.Report = eventReport, reportOf(&e)
	}
	return out
}

// intentEvent shows how far something is that the person, or the client itself, wants done.
func intentEvent(i client.Intent, now time.Time) chatEvent {
	out := chatEvent{
		Type: eventStatus, Room: i.Room, Time: moment(now), Intent: i.ID, Kind: string(i.Kind), User: i.User,
		MessageID: hex.EncodeToString(i.MessageID), Fate: string(i.Fate), Reason: i.Reason,
	}
	if i.Kind != client.SendMessage {
		return out
	}
	text := ""
	if m, err := content.Decode(i.Content); err == nil {
		text = content.Text(m)
	}
	out.Text = &text
	return out
}

// personOf shows a participant.
func personOf(p client.Person, self uri.User) chatPerson {
	out := chatPerson{User: p.User.String(), Provider: p.User.Domain(), Role: roleName(p.Role), Devices: []string{}, Self: p.User == self}
	for _, d := range p.Devices {
		out.Devices = append(out.Devices, d.String())
	}
	if p.Gateway {
		out.Gateway = p.User.Domain()
	}
	return out
}

func roleName(role uint32) string {
	switch role {
	case policy.RoleMember:
		return "member"
	case policy.RoleAdmin:
		return "admin"
	case policy.RoleOwner:
		return "owner"
	case policy.BannedRole:
		return "banned"
	}
	return "unknown"
}
