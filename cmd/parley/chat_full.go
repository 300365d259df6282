package main

import (
	"cmp"
	"context"
	"errors"
	"os"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"
	"github.com/spf13/cobra"

	"parley/client"
	"parley/content"
	"parley/uri"
)

// snapshot is what the full screen shows of the client, made in the device's goroutine.
type snapshot struct {
	room   string // URI
	draft  string // of the room, when it was entered
	title  string
	status string
	rooms  []roomRow
	rows   []chatRow
	typing string
}

type roomRow struct {
	number, unread, mentions int
	name                     string
	current                  bool
}

// chatRow is a message, or something else that happened.
type chatRow struct {
	at    uint64             // milliseconds since 1970
	id    *content.MessageID // of a message that something can be done about
	text  string             // of the message alone
	own   bool
	look  string
	lines func(columns int) []string
}

// What of a room is held ready for the screen.
const (
	fullMessages = 300
	fullDelivery = 40 // own messages whose ticks are worked out
	fullEntries  = 300
	fullNotices  = 100
)

// runFull works on a whole terminal.
func (s *chat) runFull(c *cobra.Command, in, out *os.File) error {
	f := &full{chat: s, out: make(chan string, 1024)}
	s.view.brief, s.view.noIDs, s.view.color = true, true, false
	s.show = f.notice
	s.paint = f.paint
	ctx, cancel := context.WithCancel(c.Context())
	defer cancel()
	model := newFullModel(f.out, os.Getenv("NO_COLOR") == "")
	f.program = tea.NewProgram(model, tea.WithContext(ctx), tea.WithInput(in), tea.WithOutput(out), tea.WithoutSignalHandler())
	ended := make(chan error, 1)
	err := s.run(ctx, func(inner context.Context, to chan<- chatInput) {
		go func() {
			_, err := f.program.Run()
			cancelled := errors.Is(err, tea.ErrProgramKilled) || errors.Is(err, context.Canceled) || errors.Is(err, tea.ErrInterrupted)
			if cancelled {
				err = nil
			}
			close(f.out)
			ended <- err
		}()
		f.forward(inner, to)
	})
	cancel()
	err = errors.Join(err, <-ended)
	if err != nil {
		return err
	}
	if sum := s.summary(); sum.waiting > 0 {
		return printf(c, "%d not sent yet; kept here and sent by the next parley chat\n", sum.waiting)
	}
	return nil
}

// full joins the session and the program on the screen.
type full struct {
	*chat
	program *tea.Program
	out     chan string // what was typed, from the program
	notices []chatRow   // events that are not messages; used under chat.shown
}

// forward hands on what was typed, until the program ends. Then whoever waits for something stops waiting.
func (f *full) forward(ctx context.Context, to chan<- chatInput) {
	for {
		select {
		case <-ctx.Done():
			return
		case text, more := <-f.out:
			if !more {
				close(f.hurry)
				return
			}
			if note, draft := strings.CutPrefix(text, draftMark); draft {
				if err := f.keepDraft(ctx, note); err != nil {
					f.stop(err)
				}
				continue
			}
			if !put(ctx, to, chatInput{text: text}) {
				return
			}
		}
	}
}

// notice keeps what the messages on the screen do not tell themselves.
func (f *full) notice(e *chatEvent) error {
	switch e.Type {
	case string(client.EntryMessage), eventEdited, eventDeleted, eventReaction, eventReport, eventShow, eventAccount, eventOnline,
		string(client.EntryJoined), string(client.EntryLeft), string(client.EntryDevice), string(client.EntryLeaving),
		string(client.EntryChanged), string(client.EntryGap), string(client.EntryMoved):
		return nil // painted from the room's log
	case eventStatus:
		if client.Kind(e.Kind) == client.SendMessage && e.Fate != string(client.Failed) {
			return nil
		}
	}
	look, text := f.view.render(e)
	if text == "" {
		return nil
	}
	f.notices = append(f.notices, chatRow{at: uint64(f.now().UnixMilli()), look: look, lines: wrapped(text, hanging)})
	f.notices = f.notices[max(len(f.notices)-fullNotices, 0):]
	return nil
}

func wrapped(text, indent string) func(int) []string {
	return func(columns int) []string { return wrap(text, columns, indent) }
}

// paint sends the screen a picture of the current room. It runs in the device's goroutine.
func (f *full) paint(ctx context.Context, c *client.Client) error {
	snap := snapshot{status: f.state()}
	f.shown.Lock()
	snap.rows = slices.Clone(f.notices)
	f.shown.Unlock()
	for n, at := range f.numbers {
		unread, mentions := c.Unread(at)
		f.shown.Lock()
		name := f.view.label(at.String())
		f.shown.Unlock()
		switch {
		case c.Requested(at):
			name = "? " + name
		case c.Muted(at):
			unread = 0
		}
		snap.rooms = append(snap.rooms, roomRow{number: n + 1, unread: unread, mentions: mentions, name: name, current: at == f.current})
	}
	if at := f.current; !at.IsZero() {
		var err error
		if snap.draft, err = c.Draft(ctx, at); err != nil {
			return err
		}
		snap.room = at.String()
		if c.Requested(at) {
			snap.rows = append(snap.rows, chatRow{at: 1 << 63, look: alert, lines: wrapped(
				"! You were added to this room by somebody whom you have no other room with. Nothing of it is shown, and nobody learns whether you "+
					"have read it. /people shows who is here, /accept takes the room among yours, /leave declines it.", hanging)})
			f.program.Send(snap)
			return nil
		}
		if n, _ := c.Unread(at); n > 0 || c.ReadTo(at) == 0 {
			if err := c.MarkRead(ctx, at, 1<<62); err != nil {
				return err
			}
		}
		f.shown.Lock()
		snap.title = f.view.label(at.String())
		f.shown.Unlock()
		snap.typing = f.typing(c, at)
		for _, rows := range []func(context.Context, *client.Client, uri.Room) ([]chatRow, error){f.messageRows, f.entryRows, f.pendingRows} {
			list, err := rows(ctx, c, at)
			if err != nil {
				return err
			}
			snap.rows = append(snap.rows, list...)
		}
	}
	slices.SortStableFunc(snap.rows, func(a, b chatRow) int { return cmp.Compare(a.at, b.at) })
	f.program.Send(snap)
	return nil
}

// state is how things stand, in few words.
func (f *full) state() string {
	sum := f.summary()
	switch {
	case sum.offline != "":
		return "offline: " + sum.offline
	case sum.online:
		return "online"
	}
	return "connecting"
}

func (f *full) messageRows(ctx context.Context, c *client.Client, at uri.Room) ([]chatRow, error) {
	list, err := c.Messages(ctx, at, fullMessages)
	if err != nil {
		return nil, err
	}
	gateways := gatewaysOf(c, at)
	rows := make([]chatRow, 0, len(list))
	ticks := 0
	for _, m := range slices.Backward(list) {
		own := m.Sender == f.self.User
		if own {
			ticks++
		}
		e, err := f.shownEvent(ctx, c, at, &m, gateways, own && ticks <= fullDelivery)
		if err != nil {
			return nil, err
		}
		f.shown.Lock()
		text := f.view.shownText(&e)
		f.shown.Unlock()
		id := m.ID
		rows = append(rows, chatRow{at: m.Place.Accepted, id: &id, text: cleanText(m.Text), own: own, lines: wrapped(text, insideMessage)})
	}
	slices.Reverse(rows)
	return rows, nil
}

// entryRows are who came and went, and what could not be read.
func (f *full) entryRows(ctx context.Context, c *client.Client, at uri.Room) ([]chatRow, error) {
	last := f.marks[at]
	list, err := c.Timeline(ctx, at, last-min(last, fullEntries), fullEntries)
	if err != nil {
		return nil, err
	}
	gateways := gatewaysOf(c, at)
	var rows []chatRow
	for _, entry := range list {
		if entry.Kind == client.EntryMessage || entry.Kind == client.EntryReport {
			continue
		}
		e := entryEvent(at, entry, gateways)
		f.shown.Lock()
		look, text := f.view.render(&e)
		f.shown.Unlock()
		if text != "" {
			rows = append(rows, chatRow{at: entry.Time, look: look, lines: wrapped(text, hanging)})
		}
	}
	return rows, nil
}

// pendingRows are the messages that are not in the room yet.
func (f *full) pendingRows(_ context.Context, c *client.Client, at uri.Room) ([]chatRow, error) {
	var rows []chatRow
	for _, i := range c.Intents() {
		if i.Kind != client.SendMessage || i.Auto || i.Room != at.String() || i.Fate != client.Waiting && i.Fate != client.Accepted {
			continue
		}
		m, err := content.Decode(i.Content)
		if err != nil {
			continue
		}
		what := cleanText(content.Text(m))
		if m.Replaces != nil || m.Body.Disposition == content.DispositionReaction {
			what = "[" + what + "]"
		}
		mark := "… not sent yet"
		switch {
		case i.Fate == client.Accepted:
			mark = "✓ accepted"
		case i.Reason != "":
			mark += ", " + cleanLine(i.Reason)
		}
		f.shown.Lock()
		text := "you: " + what + "  " + mark
		f.shown.Unlock()
		rows = append(rows, chatRow{at: 1<<63 + i.ID, look: dim, own: true, text: what, lines: wrapped(text, insideMessage)})
	}
	return rows, nil
}

// typing is nothing as long as there are no signals of it.
func (f *full) typing(*client.Client, uri.Room) string { return "" }
