package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"parley/client"
	"parley/device"
	"parley/mls"
	store "parley/store/device"
	"parley/uri"
)

func chatCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "chat",
		Short: "Chat from the terminal, or from a script",
		Long: `Chat as an enrolled device. On a terminal: type messages, and commands that begin with a slash; /help lists them. Otherwise the
lines of standard input are messages and commands, and what happens is printed, with --json as one object per line.

What you write is stored on this device first and sent when the provider and the room's provider answer, in this session or a later
one. At the end of its input a script waits until everything is accepted, at most --wait.

Exit code 0: done. Exit code 1: something failed or was not sent (yet), the last line on standard error says what.`,
		Example: `  parley chat enrol --provider https://chat.a.example --code ABCD-EFGH --dir ~/.parley
  parley chat --dir ~/.parley
  echo 'the build is green' | parley chat --dir ~/.parley --room clubhouse
  parley chat --dir ~/.parley --json --follow </dev/null | jq -r 'select(.type=="message").text'`,
		Args: noArgs,
	}
	o := chatOptions{}
	f := c.Flags()
	f.StringVar(&o.dir, "dir", "", "directory of the enrolled device (required)")
	f.StringVar(&o.room, "room", "", "room to talk in: its URI or name")
	f.BoolVar(&o.follow, "follow", false, "go on printing after the end of the input, until a signal")
	f.DurationVar(&o.wait, "wait", 30*time.Second, "how long a script waits for the provider, and for what is on its way")
	f.BoolVar(&o.lines, "lines", false, "on a terminal: line by line instead of full-screen")
	f.BoolVar(&o.quiet, "no-receipts", false, "do not tell others what came and was read, where the room's rules leave that open")
	f.StringSliceVar(&o.hybrid, "hybrid", nil, "offer a hybrid post-quantum suite, for rooms that /move moves to it: NAME or NAME=0xf701")
	o.json = jsonFlag(c)
	c.RunE = func(c *cobra.Command, _ []string) error { return o.run(c) }
	f.BoolVar(&o.hold, "hold-strangers", false, "hold rooms apart to which somebody unknown adds you, until /accept")
	c.AddCommand(chatEnrolCommand(), chatMoveCommand(), chatRestoreCommand(), chatShareCommand(false), chatShareCommand(true))
	return c
}

type chatOptions struct {
	dir, room string
	hybrid    []string
	quiet     bool
	hold      bool
	lines     bool
	follow    bool
	wait      time.Duration
	json      *bool
}

// storeFile is the device's store in its directory.
const storeFile = device.StoreFile

var errNoDir = usageError{errors.New("--dir is missing: the directory of the device")}

func (o *chatOptions) run(c *cobra.Command) (err error) {
	if o.dir == "" {
		return errNoDir
	}
	if o.wait < 0 {
		return usageError{errors.New("--wait must not be negative")}
	}
	path := filepath.Join(o.dir, storeFile)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return notEnrolled(o.dir)
	}
	db, err := openDevice(c.Context(), path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	saved, err := device.LoadLink(c.Context(), db)
	if errors.Is(err, client.ErrNoAccount) {
		return notEnrolled(o.dir)
	}
	if err != nil {
		return err
	}
	if err := o.offers(c.Context(), db, saved); err != nil {
		return err
	}
	way, closeIdle, err := openLink(saved)
	if err != nil {
		return err
	}
	defer closeIdle()
	s, err := o.session(c.Context(), db, way)
	if errors.Is(err, client.ErrNoAccount) {
		return notEnrolled(o.dir)
	}
	if err != nil {
		return err
	}
	if in, out, ok := wholeScreen(c.InOrStdin(), c.OutOrStdout(), *o.json || o.lines); ok {
		return s.runFull(c, in, out)
	}
	screen, err := openScreen(c.InOrStdin(), c.OutOrStdout(), *o.json)
	if err != nil {
		return err
	}
	if screen == nil {
		return s.runScript(c, *o.json)
	}
	return s.runScreen(c, screen)
}

// offers keeps the hybrid suites that the device offers: a room that has moved to one cannot be read without it, whoever starts the chat
// how later.
func (o *chatOptions) offers(ctx context.Context, db client.Store, saved *device.Link) error {
	all := slices.Clone(saved.Hybrid)
	for _, name := range o.hybrid {
		if !slices.Contains(all, name) {
			all = append(all, name)
		}
	}
	o.hybrid = all
	if len(all) == len(saved.Hybrid) {
		return nil
	}
	if _, err := suiteTable(all); err != nil {
		return usageError{fmt.Errorf("--hybrid: %w", err)}
	}
	saved.Hybrid = all
	record, err := saved.Record()
	if err != nil {
		return err
	}
	return db.Commit(ctx, mls.Delta{record})
}

func notEnrolled(dir string) error {
	return fmt.Errorf("%s holds no enrolled device; `parley chat enrol --dir %s ...` enrols one", dir, dir)
}

func openDevice(ctx context.Context, path string) (*store.Store, error) {
	db, err := store.Open(ctx, path)
	if errors.Is(err, store.ErrInUse) {
		return nil, fmt.Errorf("%s is in use: another parley chat runs with this directory; end it first", filepath.Dir(path))
	}
	return db, err
}

// session makes a session on an open store. It has no output yet.
func (o *chatOptions) session(ctx context.Context, db client.Store, way *link) (*chat, error) {
	s := &chat{
		store: db, now: time.Now, follow: o.follow, wanted: o.room, wait: o.wait, changed: make(chan struct{}, 1),
		hurry: make(chan struct{}), way: way, home: o.dir,
		marks: make(map[uri.Room]uint64), told: make(map[uint64]client.Intent), alarms: make(map[string]bool),
	}
	var err error
	if s.suites, err = suiteTable(o.hybrid); err != nil {
		return nil, usageError{fmt.Errorf("--hybrid: %w", err)}
	}
	dev, err := device.Open(ctx, device.Config{Store: db, Provider: way, Suites: s.suites, Authorities: way.authorities, News: s.news, Lanes: way.Lanes,
		HoldStrangers: o.hold, Receipts: client.Receipts{Delivered: !o.quiet, Read: !o.quiet}})
	if err != nil {
		return nil, err
	}
	s.dev, s.self = dev, dev.Account()
	s.view = &textView{self: s.self.User.String(), own: s.self.Client.String(), names: make(map[string]string), now: time.Now, waited: make(map[uint64]bool)}
	return s, nil
}

// runScript works without a terminal.
func (s *chat) runScript(c *cobra.Command, asJSON bool) error {
	s.script = true
	out := c.OutOrStdout()
	s.show = func(e *chatEvent) error { return s.showText(out, c.ErrOrStderr(), e) }
	if asJSON {
		s.show = func(e *chatEvent) error { return showJSON(out, e) }
	}
	if err := s.run(c.Context(), scriptLines(c.InOrStdin())); err != nil {
		return err
	}
	return s.verdict()
}

func showJSON(out io.Writer, e *chatEvent) error {
	line, err := e.encode()
	if err != nil {
		return err
	}
	_, err = out.Write(line)
	return err
}

// showText prints what is wrong with the input to errs.
func (s *chat) showText(out, errs io.Writer, e *chatEvent) error {
	if e.Type == eventError {
		out = errs
	}
	for _, line := range s.view.lines(e) {
		if _, err := fmt.Fprintln(out, line); err != nil {
			return err
		}
	}
	return nil
}

// maxLine is the longest line of a script.
const maxLine = 1 << 20

// scriptLines reads lines until the input ends.
func scriptLines(in io.Reader) func(ctx context.Context, to chan<- chatInput) {
	return func(ctx context.Context, to chan<- chatInput) {
		scanner := bufio.NewScanner(in)
		scanner.Buffer(make([]byte, 0, 4096), maxLine)
		n := 0
		for scanner.Scan() {
			n++
			if !put(ctx, to, chatInput{text: scanner.Text(), line: n}) {
				return
			}
		}
		if err := scanner.Err(); err != nil {
			put(ctx, to, chatInput{line: n + 1, err: fmt.Errorf("the input cannot be read: %w", err)})
		}
	}
}

func put(ctx context.Context, to chan<- chatInput, in chatInput) bool {
	select {
	case to <- in:
		return true
	case <-ctx.Done():
		return false
	}
}

// run runs the device and the conversation until the conversation ends, ctx ends, or the device fails.
func (s *chat) run(ctx context.Context, read func(context.Context, chan<- chatInput)) error {
	inner, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	s.stop = stop
	g, inner := errgroup.WithContext(inner)
	g.Go(func() error { return s.dev.Run(inner) })
	lines := make(chan chatInput, 16)
	// Not in the group: a read of standard input ends with its next line only, or with the process.
	go func() {
		defer close(lines)
		read(inner, lines)
	}()
	g.Go(func() error {
		defer stop(nil)
		return s.converse(inner, lines)
	})
	err := g.Wait()
	if cause := context.Cause(inner); err == nil && ctx.Err() == nil && !errors.Is(cause, context.Canceled) {
		err = cause
	}
	return err
}

// verdict is how a script ends.
func (s *chat) verdict() error {
	sum := s.summary()
	switch {
	case sum.failed > 0:
		return fmt.Errorf("%d of what was asked for failed; the reasons are above", sum.failed)
	case sum.errors > 0:
		return fmt.Errorf("%d lines could not be carried out; the reasons are above", sum.errors)
	case sum.waiting > 0:
		why := sum.why
		if sum.offline != "" {
			why = fmt.Sprintf("provider %s cannot be reached: %s", s.self.User.Domain(), sum.offline)
		} else if why == "" {
			why = "there was not enough time"
		}
		return fmt.Errorf("%d not sent yet (%s); kept here and sent by the next parley chat", sum.waiting, cleanLine(why))
	case sum.offline != "":
		return fmt.Errorf("provider %s cannot be reached (%s): what others wrote is not here", s.self.User.Domain(), sum.offline)
	case !sum.caughtUp:
		return errors.New("there was not enough time to fetch what others wrote; --wait gives more")
	}
	return nil
}
