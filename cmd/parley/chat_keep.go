package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"parley/client"
	"parley/device"
	"parley/mls"
	"parley/uri"
)

// keepVerbs are the commands about what this device keeps.
func keepVerbs() []chatVerb {
	return []chatVerb{
		{"search", "WORDS", "find messages on this device that contain all the words", func(c *chatLine, arg string, _ uri.Provider) error {
			c.text = arg
			return needed(arg)
		}},
		{"mute", "", "do not mark this room as unread any more", bare},
		{"unmute", "", "mark it again", bare},
		{"accept", "", "take a room of strangers among the others; /leave declines it", bare},
	}
}

const eventHit = "hit"

// keep does what such a command says.
func (s *chat) keep(ctx context.Context, c *client.Client, at uri.Room, cmd *chatLine) error {
	switch cmd.verb {
	case "mute", "unmute":
		return c.Mute(ctx, at, cmd.verb == "mute")
	case "accept":
		return s.accept(ctx, c, at)
	}
	found, err := c.Search(ctx, cmd.text, 20)
	if err != nil {
		return err
	}
	for _, f := range found {
		e := entryEvent(f.Room, f.Entry, gatewaysOf(c, f.Room))
		e.Type, e.Line = eventHit, s.line
		s.emit(e)
	}
	if len(found) == 0 {
		return errors.New("no message on this device has all these words")
	}
	return nil
}

// accept takes a room in and shows what came there meanwhile.
func (s *chat) accept(ctx context.Context, c *client.Client, at uri.Room) error {
	if err := c.Accept(ctx, at); err != nil {
		return err
	}
	missed, err := c.Timeline(ctx, at, s.marks[at], int(^uint(0)>>1))
	if err != nil {
		return err
	}
	var marks mls.Delta
	s.entries(c, at, missed, &marks)
	return s.store.Commit(ctx, marks)
}

// block hides a user on this device, too, once the provider knows.
func (s *chat) block(ctx context.Context, subject string, blocked bool) error {
	user, err := uri.ParseUser(subject)
	if err != nil {
		return nil // a whole provider
	}
	return s.dev.Do(ctx, func(c *client.Client) error { return c.Block(ctx, user, blocked) })
}

// keepFlags are those of the commands about exports.
type keepFlags struct{ dir, file, passphrase string }

func (k *keepFlags) add(c *cobra.Command, file string) {
	c.Flags().StringVar(&k.dir, "dir", "", "directory of the enrolled device (required)")
	c.Flags().StringVar(&k.file, "file", "", file+" (required)")
	c.Flags().StringVar(&k.passphrase, "passphrase-file", "", "file whose first line is the passphrase; - or absent: standard input")
}

func (k *keepFlags) check() error {
	if k.dir == "" {
		return errNoDir
	}
	if k.file == "" {
		return usageError{errors.New("--file is missing")}
	}
	return nil
}

// word reads the passphrase.
func (k *keepFlags) word(in io.Reader) (string, error) {
	if k.passphrase != "" && k.passphrase != "-" {
		f, err := os.Open(k.passphrase)
		if err != nil {
			return "", err
		}
		line, err := bufio.NewReader(f).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return "", errors.Join(err, f.Close())
		}
		return strings.TrimRight(line, "\r\n"), f.Close()
	}
	line, err := bufio.NewReader(in).ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	return strings.TrimRight(line, "\r\n"), nil
}

// write makes a file that only its owner reads, and is sure that it is on the disk.
func writeExport(path string, do func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s is there already; choose another name", path)
	}
	if err != nil {
		return err
	}
	return errors.Join(do(syncing{f}), f.Close())
}

// syncing puts each piece on the disk before it says that it is written.
type syncing struct{ *os.File }

func (s syncing) Write(p []byte) (int, error) {
	n, err := s.File.Write(p)
	if err == nil {
		err = s.Sync()
	}
	return n, err
}

func explainExport(err error) error {
	switch {
	case errors.Is(err, client.ErrPassphrase):
		return errors.New("the passphrase is too short: at least 12 characters")
	case errors.Is(err, client.ErrExport):
		return errors.New("the file is no export, is damaged, or the passphrase is wrong")
	case errors.Is(err, client.ErrMoved):
		return errors.New("this device has moved: use it where it was restored")
	case errors.Is(err, client.ErrNotEmpty):
		return errors.New("there is a device in that directory already; choose another")
	}
	return err
}

func chatMoveCommand() *cobra.Command {
	var k keepFlags
	c := &cobra.Command{
		Use:   "move-out",
		Short: "Write the whole device into an encrypted file, to go on elsewhere",
		Long: `Write everything of the device, its keys included, into a file encrypted for a passphrase. The device cannot be used here any more
afterwards: keys that are used in two places give away what they protect. parley chat move-in goes on elsewhere.`,
		Example: "  parley chat move-out --dir ~/.parley --file phone.export --passphrase-file word",
		Args:    noArgs,
	}
	k.add(c, "file to write")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return k.run(c, func(ctx context.Context, word string) error {
			db, err := openDevice(ctx, filepath.Join(k.dir, storeFile))
			if err != nil {
				return err
			}
			err = writeExport(k.file, func(w io.Writer) error { return client.Move(ctx, db, w, word) })
			return errors.Join(err, db.Close())
		})
	}
	return c
}

func chatRestoreCommand() *cobra.Command {
	var k keepFlags
	c := &cobra.Command{Use: "move-in", Short: "Go on with a device that parley chat move-out has written", Args: noArgs,
		Example: "  parley chat move-in --dir ~/.parley --file phone.export --passphrase-file word"}
	k.add(c, "file to read")
	c.RunE = func(c *cobra.Command, _ []string) error {
		return k.run(c, func(ctx context.Context, word string) error {
			f, err := os.Open(k.file)
			if err != nil {
				return err
			}
			db, err := openDevice(ctx, filepath.Join(k.dir, storeFile))
			if err != nil {
				return errors.Join(err, f.Close())
			}
			return errors.Join(client.Restore(ctx, db, f, word), db.Close(), f.Close())
		})
	}
	return c
}

func chatShareCommand(take bool) *cobra.Command {
	var k keepFlags
	c := &cobra.Command{
		Use:   "share-history",
		Short: "Write what was said, without keys, for another device of yours",
		Long: `Write the messages of the rooms, as far as each room's rules let you share them, into a file encrypted for a passphrase. Another device of
yours takes it in with parley chat take-history.`,
		Example: "  parley chat share-history --dir ~/.parley --file history.export --passphrase-file word",
		Args:    noArgs,
	}
	what := "file to write"
	if take {
		c.Use, c.Short, c.Long, what = "take-history", "Take in what another device of yours has shared", "", "file to read"
		c.Example = "  parley chat take-history --dir ~/.parley-tablet --file history.export --passphrase-file word"
	}
	k.add(c, what)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return k.run(c, func(ctx context.Context, word string) (err error) {
			dev, done, err := device.OpenDir(ctx, k.dir, device.Config{})
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, done()) }()
			n := 0
			if take {
				f, err := os.Open(k.file)
				if err != nil {
					return err
				}
				n, err = dev.Client().TakeHistory(ctx, f, word)
				if err := errors.Join(err, f.Close()); err != nil {
					return err
				}
			} else if err := writeExport(k.file, func(w io.Writer) error {
				n, err = dev.Client().ShareHistory(ctx, w, word)
				return err
			}); err != nil {
				return err
			}
			return printf(c, "%d entries\n", n)
		})
	}
	return c
}

// run asks for the passphrase and does it.
func (k *keepFlags) run(c *cobra.Command, do func(ctx context.Context, word string) error) error {
	if err := k.check(); err != nil {
		return err
	}
	word, err := k.word(c.InOrStdin())
	if err != nil {
		return err
	}
	return explainExport(do(c.Context(), word))
}

// keepDraft stores what is typed in a room and not sent.
func (f *full) keepDraft(ctx context.Context, note string) error {
	name, text, _ := strings.Cut(note, " ")
	at, err := uri.ParseRoom(name)
	if err != nil {
		return nil // no room is chosen
	}
	return f.ended(ctx, f.dev.Do(ctx, func(c *client.Client) error { return c.SetDraft(ctx, at, text) }))
}

// draftPause is how long nobody types before a draft is stored.
const draftPause = 700 * time.Millisecond
