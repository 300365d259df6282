package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"parley/client"
	"parley/device"
	"parley/mls"
	"parley/mls/suite"
	"parley/uri"
)

// chat is one session of the terminal client.
//
// The device's goroutine owns the client; news and the commands (through device.Do) run there, one at a time. The goroutine of
// converse reads lines and waits.
type chat struct {
	dev    *device.Device
	suites *suite.Table   // what rooms may have
	way    *link          // what is asked of the provider beside the device
	home   string         // directory of the device
	jobs   sync.WaitGroup // transfers of files beside the conversation
	store  client.Store
	self   *client.Account
	show   func(*chatEvent) error                      // one event at a time
	prompt func(string)                                // nil: there is none
	paint  func(context.Context, *client.Client) error // nil: there is no picture to keep up to date
	stop   context.CancelCauseFunc
	now    func() time.Time
	view   *textView

	script bool          // lines come from a file or a program
	follow bool          // goes on after the last line
	wanted string        // --room
	wait   time.Duration // --wait

	// Used in the device's goroutine only.
	begun   bool
	current uri.Room
	numbers []uri.Room          // by the order of their appearance
	marks   map[uri.Room]uint64 // the first entry that was not shown yet
	told    map[uint64]client.Intent
	alarms  map[string]bool
	spoken  bool // something was said about being online
	line    int  // of the command that runs

	mu      sync.Mutex // of sum
	sum     chatSum
	changed chan struct{} // capacity one
	hurry   chan struct{} // closed when nobody wants to wait any more

	shown sync.Mutex // held while an event is shown; of view
}

// chatSum is how things stand.
type chatSum struct {
	begun, online, caughtUp bool
	offline                 string // why not online
	room                    bool   // there is a room to talk in
	waiting, accepted, auto int    // on their way; auto: what the client does by itself
	why                     string // the first of waiting
	failed, errors          int    // of this session
}

func (s *chatSum) settled() bool { return s.caughtUp && s.waiting+s.accepted+s.auto == 0 }

func (s *chat) summary() chatSum {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sum
}

// note changes the summary and wakes converse.
func (s *chat) note(change func(*chatSum)) {
	s.mu.Lock()
	change(&s.sum)
	s.mu.Unlock()
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// emit shows an event. That it cannot be shown ends the session.
func (s *chat) emit(e chatEvent) {
	s.shown.Lock()
	defer s.shown.Unlock()
	if err := s.show(&e); err != nil {
		s.stop(fmt.Errorf("cannot write what happens: %w", err))
	}
}

// complain shows what was wrong with a line.
func (s *chat) complain(line int, err error) {
	s.note(func(sum *chatSum) { sum.errors++ })
	s.emit(chatEvent{Type: eventError, Line: line, Reason: err.Error()})
}

// news is device.Config.News.
func (s *chat) news(n device.News) {
	// Not derived from the session's context: what was shown is marked also when the session ends meanwhile.
	if err := s.hear(context.Background(), n); err != nil {
		s.stop(err)
	}
}

func (s *chat) hear(ctx context.Context, n device.News) error {
	if !s.begun {
		if err := s.begin(ctx, n.Client); err != nil {
			return err
		}
		s.begun = true
	}
	s.meet(n.Client)
	var marks mls.Delta
	for _, at := range s.numbers {
		s.entries(n.Client, at, n.Entries[at], &marks)
	}
	if err := s.store.Commit(ctx, marks); err != nil {
		return err
	}
	s.consentNews(n.Client)
	s.presence(n)
	if err := s.look(ctx, n.Client); err != nil {
		return err
	}
	if !s.script {
		s.pick(n.Client)
	}
	s.note(func(sum *chatSum) {
		sum.begun, sum.online, sum.caughtUp, sum.room = true, n.Online, n.CaughtUp, !s.current.IsZero()
		if sum.offline = ""; n.Err != nil {
			sum.offline = whyOffline(n.Err)
		}
	})
	s.refreshPrompt()
	return s.repaint(ctx, n.Client)
}

func (s *chat) repaint(ctx context.Context, c *client.Client) error {
	if s.paint == nil {
		return nil
	}
	return s.paint(ctx, c)
}

// keyShown is where the session keeps up to where a room's timeline was shown.
const keyShown = "chat/shown/"

// begin shows who this is and what came in and was not shown: a process that was killed may have stored more than it showed.
func (s *chat) begin(ctx context.Context, c *client.Client) error {
	s.emit(chatEvent{Type: eventAccount, Schema: chatSchema, User: s.self.User.String(), Client: s.self.Client.String(),
		Provider: s.self.User.Domain()})
	records, err := s.store.Load(ctx, keyShown)
	if err != nil {
		return err
	}
	for _, r := range records {
		at, err := uri.ParseRoom(strings.TrimPrefix(r.Key, keyShown))
		if err != nil {
			return errors.New("the stored place in a room's timeline is damaged")
		}
		if s.marks[at], err = strconv.ParseUint(string(r.Value), 10, 64); err != nil {
			return errors.New("the stored place in a room's timeline is damaged")
		}
	}
	s.meet(c)
	s.pick(c)
	if !s.script && !s.current.IsZero() {
		if err := s.past(ctx, c, s.current, 10, s.marks[s.current]); err != nil {
			return err
		}
	}
	var marks mls.Delta
	for _, at := range s.numbers {
		missed, err := c.Timeline(ctx, at, s.marks[at], int(^uint(0)>>1))
		if err != nil {
			return err
		}
		s.entries(c, at, missed, &marks)
	}
	return s.store.Commit(ctx, marks)
}

// meet gives new rooms their numbers.
func (s *chat) meet(c *client.Client) {
	s.shown.Lock()
	defer s.shown.Unlock()
	for _, r := range c.Rooms() {
		if !slices.Contains(s.numbers, r.URI) {
			s.numbers = append(s.numbers, r.URI)
		}
		if name := r.Name(); name != "" {
			s.view.names[r.URI.String()] = name
		}
	}
}

// entries shows what is new in a room.
func (s *chat) entries(c *client.Client, at uri.Room, list []client.Entry, marks *mls.Delta) {
	var gateways map[string]string
	for _, e := range list {
		if e.Seq < s.marks[at] {
			continue
		}
		if c.Requested(at) {
			return // shown once the room is accepted
		}
		if by, err := uri.ParseUser(e.User); err == nil && e.Kind == client.EntryMessage && c.Blocked(by) {
			s.marks[at] = e.Seq + 1
			continue
		}
		if gateways == nil {
			gateways = gatewaysOf(c, at)
		}
		s.emit(entryEvent(at, e, gateways))
		s.marks[at] = e.Seq + 1
	}
	if gateways != nil {
		marks.Put(keyShown+at.String(), strconv.AppendUint(nil, s.marks[at], 10))
	}
}

// gatewaysOf lists the users of a room whose keys a gateway holds, with the gateway's provider.
func gatewaysOf(c *client.Client, at uri.Room) map[string]string {
	out := make(map[string]string)
	r, ok := c.Room(at)
	if !ok {
		return out
	}
	people, err := r.People()
	if err != nil {
		return out // no longer in the room, so nobody's keys are known
	}
	for _, p := range people {
		if p.Gateway {
			out[p.User.String()] = p.User.Domain()
		}
	}
	return out
}

// past shows the last n entries of a room before a place in its timeline.
func (s *chat) past(ctx context.Context, c *client.Client, at uri.Room, n int, before uint64) error {
	from := before - min(before, uint64(4*n)) // reports of status are not shown
	list, err := c.Timeline(ctx, at, from, int(before-from))
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(e client.Entry) bool { return e.Act == client.ActReport })
	list = list[max(len(list)-n, 0):]
	gateways := gatewaysOf(c, at)
	for _, e := range list {
		event := entryEvent(at, e, gateways)
		event.History, event.Line = true, s.line
		s.emit(event)
	}
	return nil
}

// presence tells when the provider came or went.
func (s *chat) presence(n device.News) {
	if n.Alarm != "" && !s.alarms[n.Alarm] {
		s.alarms[n.Alarm] = true
		s.emit(chatEvent{Type: eventAlarm, Provider: n.Alarm, Reason: "other authorities than the pinned ones"})
	}
	if !n.Online && n.Err == nil {
		return // nothing was heard yet
	}
	reason := ""
	if n.Err != nil {
		reason = whyOffline(n.Err)
	}
	was := s.summary()
	if s.spoken && was.online == n.Online && was.offline == reason {
		return
	}
	s.spoken = true
	s.emit(chatEvent{Type: eventOnline, Time: moment(s.now()), Provider: s.self.User.Domain(), Online: &n.Online, Reason: reason})
}

// look tells the fates of what is on its way that have changed, and forgets what has failed once that was shown.
func (s *chat) look(ctx context.Context, c *client.Client) error {
	intents := c.Intents()
	var failed []uint64
	there := make(map[uint64]bool, len(intents))
	next := chatSum{}
	for _, i := range intents {
		there[i.ID] = true
		next.count(&i)
		if i.Auto && i.Fate != client.Failed {
			continue // nobody asked for it
		}
		if last, known := s.told[i.ID]; known && last.Fate == i.Fate && last.Reason == i.Reason {
			continue
		}
		s.told[i.ID] = i
		s.status(i)
		if i.Fate == client.Failed {
			failed = append(failed, i.ID)
		}
	}
	for _, id := range gone(s.told, there) {
		i := s.told[id]
		delete(s.told, id)
		if i.Fate != client.Failed { // a failed one was forgotten because it was shown
			i.Fate, i.Reason = client.Done, ""
			s.status(i)
		}
	}
	s.note(func(sum *chatSum) {
		sum.waiting, sum.accepted, sum.auto, sum.why = next.waiting, next.accepted, next.auto, next.why
		sum.failed += len(failed)
	})
	for _, id := range failed {
		if err := c.Forget(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

func (s *chatSum) count(i *client.Intent) {
	switch {
	case i.Fate == client.Failed:
	case i.Kind == client.CommitRoom, i.Kind == client.SucceedRoom, i.Auto:
		s.auto++
	case i.Fate == client.Accepted:
		s.accepted++
	default:
		if s.waiting++; s.why == "" {
			s.why = i.Reason
		}
	}
}

// gone are the keys of told that are not there any more, ascending.
func gone(told map[uint64]client.Intent, there map[uint64]bool) (out []uint64) {
	for id := range told {
		if !there[id] {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

func (s *chat) status(i client.Intent) {
	e := intentEvent(i, s.now())
	e.Line = s.line
	s.emit(e)
}

// pick chooses the room to talk in when none was chosen yet: the one that was asked for, or the only one that there is.
func (s *chat) pick(c *client.Client) {
	if !s.current.IsZero() {
		return
	}
	if s.wanted != "" {
		at, err := s.find(c, s.wanted)
		if r, ok := c.Room(at); err == nil && ok && r.Active() {
			s.enter(at)
		}
		return
	}
	var only uri.Room
	for _, r := range c.Rooms() {
		if !r.Active() {
			continue
		}
		if !only.IsZero() {
			return
		}
		only = r.URI
	}
	s.enter(only)
}

// enter makes a room the current one; the zero value leaves none.
func (s *chat) enter(at uri.Room) {
	s.current = at
	s.shown.Lock()
	s.view.current = at.String()
	s.shown.Unlock()
	s.note(func(sum *chatSum) { sum.room = !at.IsZero() })
	s.refreshPrompt()
}

func (s *chat) refreshPrompt() {
	if s.prompt == nil {
		return
	}
	name := "no room"
	if !s.current.IsZero() {
		s.shown.Lock()
		name = s.view.label(s.current.String())
		s.shown.Unlock()
	}
	sum := s.summary()
	var notes []string
	if sum.offline != "" {
		notes = append(notes, "offline")
	}
	if sum.waiting > 0 {
		notes = append(notes, fmt.Sprintf("%d not sent", sum.waiting))
	}
	if sum.accepted > 0 {
		notes = append(notes, fmt.Sprintf("%d accepted", sum.accepted))
	}
	if len(notes) > 0 {
		name += " (" + strings.Join(notes, ", ") + ")"
	}
	s.prompt(name + "> ")
}
