package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// screen is a terminal with the editor on its bottom row.
type screen struct {
	in   *os.File
	edit *editor
	old  *term.State
}

// wholeScreen tells whether both sides are a terminal that shows more than lines.
func wholeScreen(in io.Reader, out io.Writer, lines bool) (from, to *os.File, ok bool) {
	from, ok1 := in.(*os.File)
	to, ok2 := out.(*os.File)
	if lines || !ok1 || !ok2 || os.Getenv("TERM") == "dumb" {
		return nil, nil, false
	}
	return from, to, term.IsTerminal(int(from.Fd())) && term.IsTerminal(int(to.Fd()))
}

// openScreen puts the terminal into raw mode; nil when there is no terminal on both sides, or JSON is asked for.
func openScreen(in io.Reader, out io.Writer, asJSON bool) (*screen, error) {
	from, ok1 := in.(*os.File)
	to, ok2 := out.(*os.File)
	if asJSON || !ok1 || !ok2 || !term.IsTerminal(int(from.Fd())) || !term.IsTerminal(int(to.Fd())) || os.Getenv("TERM") == "dumb" {
		return nil, nil
	}
	old, err := term.MakeRaw(int(from.Fd()))
	if err != nil {
		return nil, fmt.Errorf("the terminal cannot be used: %w", err)
	}
	columns := func() int {
		n, _, err := term.GetSize(int(to.Fd()))
		if err != nil || n <= 0 {
			return 80
		}
		return n
	}
	return &screen{in: from, old: old, edit: &editor{out: to, columns: columns, prompt: "> "}}, nil
}

// close gives the terminal back as it was.
func (t *screen) close() error {
	t.edit.end()
	return errors.Join(t.edit.err, term.Restore(int(t.in.Fd()), t.old))
}

// runScreen works on a terminal.
func (s *chat) runScreen(c *cobra.Command, t *screen) (err error) {
	s.prompt = t.edit.setPrompt
	s.view.columns, s.view.brief, s.view.color = t.edit.columns, true, os.Getenv("NO_COLOR") == ""
	s.show = func(e *chatEvent) error {
		lines := s.view.lines(e)
		if len(lines) == 0 {
			return nil
		}
		return t.edit.print(lines...)
	}
	t.edit.begin()
	stop := onResize(t.edit.redraw)
	err = errors.Join(s.run(c.Context(), s.typedLines(t)), t.close())
	stop()
	if err != nil {
		return err
	}
	if sum := s.summary(); sum.waiting > 0 {
		return printf(c, "%d not sent yet; kept here and sent by the next parley chat\n", sum.waiting)
	}
	return nil
}

// typedLines reads what is typed. Commands stay on the screen; a message comes back when it stands in the room.
func (s *chat) typedLines(t *screen) func(context.Context, chan<- chatInput) {
	return func(ctx context.Context, to chan<- chatInput) {
		in := bufio.NewReader(t.in)
		for {
			text, err := t.edit.readLine(in)
			switch {
			case errors.Is(err, errInterrupted):
				close(s.hurry)
				return
			case errors.Is(err, io.EOF):
				return
			case err != nil:
				put(ctx, to, chatInput{err: fmt.Errorf("the terminal cannot be read: %w", err)})
				return
			}
			if strings.HasPrefix(text, "/") && !strings.HasPrefix(text, "//") {
				if t.edit.print("> "+shown([]rune(text))) != nil {
					return
				}
			}
			if !put(ctx, to, chatInput{text: text}) {
				return
			}
		}
	}
}
