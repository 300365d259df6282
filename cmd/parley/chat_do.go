package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"parley/client"
	"parley/clientapi/api"
	"parley/uri"
)

// chatInput is one line of input.
type chatInput struct {
	text string
	line int
	err  error // the input failed; the last one
}

// errQuit ends the session as its user wishes.
var errQuit = errors.New("quit")

// converse does what the lines say until they end, /quit, or ctx ends.
func (s *chat) converse(ctx context.Context, lines <-chan chatInput) error {
	if s.script {
		if err := s.arrive(ctx); err != nil {
			return err
		}
	}
	ctx, stop := context.WithCancel(ctx)
	defer s.jobs.Wait()
	defer stop() // what is cut goes on at the next start
	s.aside(func() { s.resumeFiles(ctx) })
	for {
		select {
		case <-ctx.Done():
			return nil
		case in, more := <-lines:
			if !more {
				return s.last(ctx)
			}
			if err := s.take(ctx, in); errors.Is(err, errQuit) {
				s.follow = false
				return s.last(ctx)
			} else if err != nil {
				return err
			}
		}
	}
}

// arrive waits, in a script, until the inbox is looked through or the provider is known to be away, and for the room that was asked
// for: an invitation may be on its way.
func (s *chat) arrive(ctx context.Context) error {
	s.await(ctx, s.wait, func(sum *chatSum) bool { return sum.caughtUp || sum.offline != "" })
	choose := func(c *client.Client) error { s.pick(c); return nil }
	if err := s.dev.Do(ctx, choose); err != nil || s.wanted == "" {
		return s.ended(ctx, err)
	}
	deadline := s.now().Add(s.wait)
	for !s.summary().room {
		if !s.awaitChange(ctx, deadline) {
			s.complain(0, fmt.Errorf("there is no room %q here; parley chat without --room and /rooms shows which there are", s.wanted))
			return nil
		}
		if err := s.dev.Do(ctx, choose); err != nil {
			return s.ended(ctx, err)
		}
	}
	return nil
}

// ended drops errors that only say that the session is over.
func (s *chat) ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// last is what happens after the last line.
func (s *chat) last(ctx context.Context) error {
	switch {
	case s.follow && s.script:
		<-ctx.Done()
	case s.script:
		s.settle(ctx, 0, s.wait)
	}
	return nil
}

// settle waits until nothing is on its way and says how it is then.
func (s *chat) settle(ctx context.Context, line int, limit time.Duration) {
	settled := s.await(ctx, limit, (*chatSum).settled)
	sum := s.summary()
	s.emit(chatEvent{Type: eventSettled, Line: line, Settled: &settled, Waiting: &sum.waiting, Accepted: &sum.accepted, Failed: &sum.failed})
}

// await waits until ok, at most for limit.
func (s *chat) await(ctx context.Context, limit time.Duration, ok func(*chatSum) bool) bool {
	deadline := s.now().Add(limit)
	for {
		if sum := s.summary(); ok(&sum) {
			return true
		}
		if !s.awaitChange(ctx, deadline) {
			return false
		}
	}
}

// awaitChange waits for the next change of the summary; false when the time is over.
func (s *chat) awaitChange(ctx context.Context, deadline time.Time) bool {
	timer := time.NewTimer(deadline.Sub(s.now()))
	defer timer.Stop()
	select {
	case <-s.changed:
		return true
	case <-timer.C:
	case <-s.hurry:
	case <-ctx.Done():
	}
	return false
}

// take does what one line says. Only errQuit and what ends the session are errors.
func (s *chat) take(ctx context.Context, in chatInput) error {
	if in.err != nil {
		s.complain(in.line, in.err)
		return errQuit
	}
	cmd, err := parseLine(in.text, s.self.User.Provider())
	if err != nil {
		s.complain(in.line, err)
		return nil
	}
	switch cmd.verb {
	case "":
		return nil
	case "quit":
		return errQuit
	case "help":
		text := chatHelp()
		s.emit(chatEvent{Type: eventHelp, Line: in.line, Text: &text})
		return nil
	case "wait":
		limit := cmd.wait
		if limit == 0 {
			limit = s.wait
		}
		s.settle(ctx, in.line, limit)
		return nil
	}
	if cmd.verb == "find" || cmd.verb == "me" {
		if err := s.about(ctx, in.line, &cmd); err != nil {
			s.complain(in.line, err)
		}
		return nil
	}
	if isConsent(cmd.verb) {
		if err := s.consent(ctx, in.line, &cmd); err != nil {
			s.complain(in.line, err)
		}
		return nil
	}
	if isFileVerb(cmd.verb) {
		s.aside(func() {
			if err := s.doFile(ctx, in.line, &cmd); err != nil && ctx.Err() == nil {
				s.complain(in.line, err)
			}
		})
		return nil
	}
	var wrong error
	err = s.dev.Do(ctx, func(c *client.Client) error {
		s.line = in.line
		defer func() { s.line = 0 }()
		wrong = s.carryOut(ctx, c, &cmd)
		if errors.Is(wrong, client.ErrBroken) {
			return wrong
		}
		return s.look(ctx, c)
	})
	if wrong != nil && err == nil {
		s.complain(in.line, wrong)
	}
	return s.ended(ctx, err)
}

// carryOut does what a command says. It runs in the device's goroutine.
func (s *chat) carryOut(ctx context.Context, c *client.Client, cmd *chatLine) error {
	switch cmd.verb {
	case "rooms":
		return s.rooms(c)
	case "room":
		return s.choose(ctx, c, cmd.text)
	case "new":
		return s.create(ctx, c, cmd.text)
	case "join":
		if _, err := c.Join(ctx, cmd.room); err != nil {
			return explainChat(err)
		}
		s.enter(cmd.room)
		return nil
	}
	if done, err := s.anywhere(ctx, c, cmd); done {
		return err
	}
	if s.current.IsZero() {
		return errors.New("no room is chosen; /room chooses one, /rooms lists them, /new NAME makes one")
	}
	return explainChat(s.inRoom(ctx, c, s.current, cmd))
}

// inRoom does what concerns the current room.
func (s *chat) inRoom(ctx context.Context, c *client.Client, at uri.Room, cmd *chatLine) (err error) {
	switch cmd.verb {
	case say:
		return s.say(ctx, c, at, cmd.text)
	case "people":
		return s.people(c, at)
	case "history":
		return s.past(ctx, c, at, cmd.n, s.marks[at])
	case "add":
		_, err = c.Add(ctx, at, cmd.user)
	case "remove":
		if cmd.user == s.self.User {
			return errors.New("that is you; /leave leaves the room")
		}
		_, err = c.Remove(ctx, at, cmd.user)
	case "leave":
		_, err = c.Leave(ctx, at)
	case "move":
		id, wrong := parseSuite(cmd.text, s.suites)
		if wrong != nil {
			return wrong
		}
		_, err = c.Move(ctx, at, id)
	default:
		if isRoomVerb(cmd.verb) {
			return s.govern(ctx, c, at, cmd)
		}
		return explainTalk(s.talk(ctx, c, at, cmd))
	}
	return err
}

func (s *chat) say(ctx context.Context, c *client.Client, at uri.Room, text string) error {
	_, err := c.Say(ctx, at, text)
	return explainTalk(err)
}

func (s *chat) rooms(c *client.Client) error {
	s.meet(c)
	for _, at := range s.numbers {
		s.roomEvent(c, at)
	}
	if len(s.numbers) == 0 {
		return errors.New("there is no room yet; /new NAME makes one, and others can add you to theirs")
	}
	return nil
}

func (s *chat) roomEvent(c *client.Client, at uri.Room) {
	r, ok := c.Room(at)
	if !ok {
		return
	}
	active, current, epoch := r.Active(), at == s.current, r.Epoch()
	s.emit(chatEvent{Type: eventRoom, Line: s.line, Room: at.String(), Name: r.Name(), Number: slices.Index(s.numbers, at) + 1,
		Active: &active, Current: &current, Epoch: &epoch})
}

// choose makes another room the current one. A script that names a room that is not there must not go on in another one.
func (s *chat) choose(ctx context.Context, c *client.Client, name string) error {
	s.meet(c)
	at, err := s.find(c, name)
	if err != nil {
		if s.script {
			s.enter(uri.Room{})
		}
		return err
	}
	s.enter(at)
	s.roomEvent(c, at)
	if s.script {
		return nil
	}
	return s.past(ctx, c, at, 10, s.marks[at])
}

// find looks a room up by number, URI or name; rooms that this device is in come first.
func (s *chat) find(c *client.Client, name string) (uri.Room, error) {
	if strings.Contains(name, "://") {
		at, err := uri.ParseRoom(name)
		if _, ok := c.Room(at); err != nil || !ok {
			return uri.Room{}, errors.New("there is no such room here; /join lets this device into a room of yours")
		}
		return at, nil
	}
	if n, err := strconv.Atoi(name); err == nil && n >= 1 && n <= len(s.numbers) {
		return s.numbers[n-1], nil
	}
	var active, other []uri.Room
	for _, r := range c.Rooms() {
		s.shown.Lock()
		named := r.URI.Name() == name || s.view.names[r.URI.String()] == name
		s.shown.Unlock()
		switch {
		case named && r.Active():
			active = append(active, r.URI)
		case named:
			other = append(other, r.URI)
		}
	}
	if len(active) == 0 {
		active = other
	}
	switch len(active) {
	case 0:
		return uri.Room{}, errors.New("there is no room of that name here; /rooms lists them")
	case 1:
		return active[0], nil
	}
	return uri.Room{}, errors.New("several rooms have that name; choose by number or URI, /rooms lists them")
}

// create makes a room. Its URI has the name where that is free and fits into one.
func (s *chat) create(ctx context.Context, c *client.Client, name string) error {
	return s.createAs(ctx, c, client.Plan{Name: name})
}

func (s *chat) createAs(ctx context.Context, c *client.Client, plan client.Plan) error {
	name := plan.Name
	var taken *api.Error
	short := slug(name)
	for range 3 {
		at, err := uri.NewRoom(s.self.User.Provider(), short)
		if err != nil {
			return err
		}
		err = c.CreateAs(ctx, at, plan)
		if errors.Is(err, client.ErrHaveRoom) || errors.As(err, &taken) && taken.Code == api.Forbidden {
			short = slug(name) + "-" + random(5)
			continue
		}
		if errors.Is(err, client.ErrBroken) {
			return err
		}
		if err != nil {
			return fmt.Errorf("the room could not be made; unlike messages, a new room needs the provider at once: %s", whyOffline(err))
		}
		s.emit(chatEvent{Type: eventCreated, Line: s.line, Room: at.String(), Name: name, Time: moment(s.now())})
		s.enter(at)
		return nil
	}
	if taken == nil {
		return errors.New("rooms of that name are here already; choose another name")
	}
	return fmt.Errorf("the provider refused the room: %s", cleanLine(taken.Detail))
}

// slug makes the end of a URI of a name.
func slug(name string) string {
	var out strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			out.WriteRune(r)
		case out.Len() > 0 && !strings.HasSuffix(out.String(), "-"):
			out.WriteByte('-')
		}
	}
	s := strings.Trim(out.String()[:min(out.Len(), 40)], "-")
	if s == "" {
		return "room-" + random(8)
	}
	return s
}

// random is a text of n small letters and digits.
func random(n int) string { return strings.ToLower(rand.Text()[:n]) }

func (s *chat) people(c *client.Client, at uri.Room) error {
	r, ok := c.Room(at)
	if !ok {
		return client.ErrNoRoom
	}
	people, err := r.People()
	if err != nil {
		return err
	}
	e := chatEvent{Type: eventPeople, Line: s.line, Room: at.String()}
	for _, p := range people {
		e.People = append(e.People, personOf(p, s.self.User))
	}
	s.emit(e)
	return nil
}

// explainChat says what to do about errors of package client.
func explainChat(err error) error {
	switch {
	case errors.Is(err, client.ErrNoRoom):
		return errors.New("this device is not in that room (any more)")
	case errors.Is(err, client.ErrHaveRoom):
		return errors.New("this device is in that room already")
	case errors.Is(err, client.ErrParticipant):
		return errors.New("that user is in the room already")
	case errors.Is(err, client.ErrStranger):
		return errors.New("that user is not in the room; /people shows who is")
	}
	return err
}
