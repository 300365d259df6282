package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"parley/provider/lab"
)

// Config says what to play.
type Config struct {
	Binary string    // the parley binary
	Dir    string    // where everything is put; what an earlier run left there is removed
	Once   bool      // end after the play
	With   []string  // other networks whose users take part: irc, xmpp
	Out    io.Writer // the ladder and what to do next
	// Built is called when all files are made and nothing runs yet; tests damage something there.
	Built func(dir string) error
}

type demo struct {
	cfg     Config
	servers []*lab.Server
	devices []*device
	room    string
	began   time.Time
	texts   []string // that were written
	natives natives
	notes   []string // what the step has verified
}

const mark = ".parley-demo" // says that a directory is ours to remove

// Run plays the example and, unless it is to be played once, stays up until ctx ends. It returns nil only if every step was verified.
func Run(ctx context.Context, cfg Config) (err error) {
	if err := checkWith(cfg.With); err != nil {
		return err
	}
	d := &demo{cfg: cfg, began: time.Now()}
	if err := d.clear(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.stop()) }()
	if err := d.play(ctx); err != nil {
		return err
	}
	if err := d.printf("\nVerified: every text was decrypted by those who should read it and by nobody else. %.1f s.\n",
		time.Since(d.began).Seconds()); err != nil {
		return err
	}
	if cfg.Once {
		return nil
	}
	return d.stay(ctx)
}

func (d *demo) printf(format string, args ...any) error {
	_, err := fmt.Fprintf(d.cfg.Out, format, args...)
	return err
}

// clear makes an empty directory, and removes only what an earlier demo has made.
func (d *demo) clear() error {
	var err error
	if d.cfg.Dir, err = filepath.Abs(d.cfg.Dir); err != nil {
		return err
	}
	entries, err := os.ReadDir(d.cfg.Dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if len(entries) > 0 {
		if _, err := os.Stat(filepath.Join(d.cfg.Dir, mark)); err != nil {
			return fmt.Errorf("%s is not empty and was not made by a demo; name another directory with --dir", d.cfg.Dir)
		}
		if err := os.RemoveAll(d.cfg.Dir); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(d.cfg.Dir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(d.cfg.Dir, mark), nil, 0o600)
}

func (d *demo) stop() error {
	var errs []error
	errs = append(errs, d.natives.stop())
	for _, p := range d.devices {
		errs = append(errs, p.stop())
	}
	for _, s := range d.servers {
		errs = append(errs, s.Stop())
	}
	return errors.Join(errs...)
}

// stay keeps the servers up for the person who started the demo. The chats of the play are closed, so that their devices are free.
func (d *demo) stay(ctx context.Context) error {
	for _, p := range d.devices {
		if err := p.stop(); err != nil {
			return err
		}
	}
	if err := d.printf("\nThe providers stay up. Chat as any of them, each in a terminal of its own:\n\n"); err != nil {
		return err
	}
	for _, p := range d.devices {
		if err := d.printf("    %s chat --dir %s     # %s, %s\n", shown(d.cfg.Binary), shown(p.dir), p.name, p.user); err != nil {
			return err
		}
	}
	if d.natives.irc != nil {
		if err := d.printf("\nAn IRC client reaches ngIRCd at %s; alice is there as alice, the room is %s.\n", d.natives.irc.Address, d.natives.channel); err != nil {
			return err
		}
	}
	if err := d.printf("\nLogs and traces: %s. Ctrl-C ends everything.\n", shown(d.cfg.Dir)); err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

// shown shortens a path for who reads it.
func shown(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return path
	}
	short, err := filepath.Rel(here, path)
	if err != nil || strings.HasPrefix(short, "..") {
		return path
	}
	if !strings.ContainsRune(short, filepath.Separator) {
		return "." + string(filepath.Separator) + short // or else a shell looks for it elsewhere
	}
	return short
}

// step runs one part of the story and prints what went between the providers meanwhile.
func (d *demo) step(title string, f func() error) error {
	if err := d.printf("\n%s\n", title); err != nil {
		return err
	}
	from := time.Now()
	if err := f(); err != nil {
		return fmt.Errorf("%s: %w", strings.TrimSuffix(title, "."), err)
	}
	list, err := d.requests(from, time.Now())
	if err != nil {
		return err
	}
	if err := d.ladder(d.cfg.Out, list); err != nil {
		return err
	}
	for _, note := range d.notes {
		if err := d.printf("      * %s\n", note); err != nil {
			return err
		}
	}
	d.notes = nil
	return nil
}

func (d *demo) note(format string, args ...any) {
	d.notes = append(d.notes, fmt.Sprintf(format, args...))
}

func (d *demo) play(ctx context.Context) error {
	var alice, bob, cathy, tablet *device
	err := d.step("Three providers with a certificate each from one lab authority, and a CA each for its users.", func() error {
		plan := lab.Plan{Binary: d.cfg.Binary, Dir: d.cfg.Dir, Domains: []string{"a.example", "b.example", "c.example"}, Trace: true, Extra: peopleConfig + hybridConfig}
		var err error
		if d.servers, err = lab.Build(ctx, plan); err != nil {
			return err
		}
		if err := askFirst(d.servers[2]); err != nil {
			return err
		}
		if d.cfg.Built != nil {
			if err := d.cfg.Built(d.cfg.Dir); err != nil {
				return err
			}
		}
		for _, s := range d.servers {
			if err := s.Start(ctx); err != nil {
				return err
			}
		}
		return d.heads(d.cfg.Out)
	})
	if err != nil {
		return err
	}
	a, b, c := d.servers[0], d.servers[1], d.servers[2]
	steps := []struct {
		title string
		do    func() error
	}{
		{"Alice, Bob and Cathy enrol a device each: it makes its own keys, its provider's CA certifies them.", func() (err error) {
			for _, who := range []struct {
				at   **device
				home *lab.Server
				name string
			}{{&alice, a, "alice"}, {&bob, b, "bob"}, {&cathy, c, "cathy"}} {
				if *who.at, err = d.open(ctx, who.home, who.name, who.name); err != nil {
					return err
				}
			}
			return nil
		}},
		{"Cathy proves her phone number to c.example; Bob finds her by it from b.example.", func() error {
			if err := d.proves(ctx, cathy); err != nil {
				return err
			}
			return d.finds(ctx, bob, cathy)
		}},
		{"Bob asks Cathy whether he may add her to rooms; her provider has everybody ask first. She agrees.", func() error {
			return d.consents(ctx, bob, cathy)
		}},
		{"Alice creates the room at a.example, which is its hub.", func() error {
			made, err := d.ask(ctx, alice, "/new Clubhouse", "the room", func(e event) bool { return e.Type == "created" })
			d.room = made.Room
			return err
		}},
		{"Alice adds Bob: KeyPackages from b.example, one commit, a Welcome.", func() error { return d.adds(ctx, alice, bob, alice) }},
		{"Bob adds Cathy, through the hub.", func() error { return d.adds(ctx, bob, cathy, alice) }},
		{"Cathy writes; the hub gives it to everybody.", func() error {
			return d.says(ctx, cathy, "Hello from c.example!", alice, bob)
		}},
		{"Alice makes another room and moves it to a post-quantum suite (ML-KEM-768 with X25519): a ReInit closes its group, the next one takes its place.", func() error {
			return d.moves(ctx, alice, bob, cathy)
		}},
		{"Bob leaves. The hub holds his proposals and stops his messages at once; the next commit completes it.", func() error {
			return d.leaves(ctx, bob, alice, cathy)
		}},
		{"Cathy's tablet enters by an external commit.", func() (err error) {
			if tablet, err = d.open(ctx, c, "cathy", "cathy-tablet"); err != nil {
				return err
			}
			if err := tablet.say("/join " + d.room); err != nil {
				return err
			}
			return d.seeDevice(ctx, tablet, alice, cathy)
		}},
		{"Alice writes: both devices of Cathy read it, Bob and b.example get nothing.", func() error {
			since := time.Now()
			const text = "Bob is gone, and this is the next epoch."
			if err := d.says(ctx, alice, text, cathy, tablet); err != nil {
				return err
			}
			return d.kept(since, text, bob)
		}},
		{"Cathy's tablet answers.", func() error { return d.says(ctx, tablet, "Good to be here on both devices.", alice, cathy) }},
	}
	for _, s := range steps {
		if err := d.step(s.title, s.do); err != nil {
			return err
		}
	}
	if len(d.cfg.With) > 0 {
		if err := d.playNatives(ctx, b, a, alice, cathy); err != nil {
			return err
		}
	}
	return d.step("The servers' stores, logs and traces are searched for what was written.", d.scan)
}

// open enrols a device and opens its chat.
func (d *demo) open(ctx context.Context, home *lab.Server, user, name string) (*device, error) {
	p, err := d.enrol(ctx, home, user, name)
	if err != nil {
		return nil, err
	}
	if err := p.start(d.cfg.Binary); err != nil {
		return nil, err
	}
	d.devices = append(d.devices, p)
	_, err = p.expect(ctx, "its provider", func(e event) bool { return e.Type == "online" && e.Online })
	return p, err
}

// ask types a line and waits for what it leads to.
func (d *demo) ask(ctx context.Context, p *device, line, what string, fits func(event) bool) (event, error) {
	if err := p.say(line); err != nil {
		return event{}, err
	}
	return p.expect(ctx, what, fits)
}

// adds has by add who; both and a witness see it.
func (d *demo) adds(ctx context.Context, by, who, witness *device) error {
	joined := func(e event) bool { return e.Type == "joined" && e.Room == d.room && e.User == who.user }
	defer func() { d.note("%s is in the room, says %s", who.name, witness.name) }()
	if _, err := d.ask(ctx, by, "/add "+who.user, who.name+" in the room", joined); err != nil {
		return err
	}
	if _, err := who.expect(ctx, "the invitation", joined); err != nil {
		return err
	}
	if err := who.say("/room " + d.room); err != nil {
		return err
	}
	if witness == by {
		return nil
	}
	_, err := witness.expect(ctx, who.name+" in the room", joined)
	return err
}

// seeDevice waits until a new device and the others show it in the room.
func (d *demo) seeDevice(ctx context.Context, who *device, others ...*device) error {
	for _, p := range append(others, who) {
		seen, err := p.expect(ctx, who.name+" in the room", func(e event) bool { return e.Type == "device" && e.User == who.user })
		if err != nil {
			return err
		}
		if p == who {
			d.note("%s is a member from epoch %d on", who.name, seen.Epoch)
		}
	}
	return who.say("/room " + d.room)
}

// says has a text written, and decrypted by all the readers.
func (d *demo) says(ctx context.Context, by *device, text string, readers ...*device) error {
	d.texts = append(d.texts, text)
	if err := by.say(text); err != nil {
		return err
	}
	for _, p := range append(readers, by) {
		seen, err := p.expect(ctx, fmt.Sprintf("%q", text), func(e event) bool {
			return e.Type == "message" && e.Room == d.room && e.User == by.user && e.Text == text && e.Own == (p == by)
		})
		if err != nil {
			return err
		}
		if p != by {
			d.note("%s decrypted %q of %s, epoch %d", p.name, text, by.name, seen.Epoch)
		}
	}
	return nil
}

// kept verifies that a text did not reach a device, and that the device's provider was not even told of it.
func (d *demo) kept(since time.Time, text string, from *device) error {
	if from.saw(text) {
		return fmt.Errorf("%s reads what was written after leaving", from.name)
	}
	list, err := d.requests(since, time.Now())
	if err != nil {
		return err
	}
	for _, r := range list {
		if r.To == from.home.Domain {
			return fmt.Errorf("%s was called (%s) about a room in which it has nobody", r.To, r.Endpoint)
		}
	}
	d.note("%s got nothing, and %s was not called", from.name, from.home.Domain)
	return nil
}

// leaves has a device leave and the others see first the wish, then its completion.
func (d *demo) leaves(ctx context.Context, who *device, others ...*device) error {
	if err := who.say("/leave"); err != nil {
		return err
	}
	for _, want := range []string{"leaving", "left"} {
		for _, p := range others {
			seen, err := p.expect(ctx, who.name+" "+want, func(e event) bool { return e.Type == want && e.User == who.user })
			if err != nil {
				return err
			}
			d.note("%s sees %s %s, epoch %d", p.name, who.name, want, seen.Epoch)
		}
	}
	_, err := who.expect(ctx, "the end of the room", func(e event) bool { return e.Type == "left" && e.User == who.user })
	return err
}

// scan looks for plaintext in everything that the servers have written.
func (d *demo) scan() error {
	files, octets := 0, 0
	look := func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		octets += len(content)
		for _, text := range d.texts {
			if bytes.Contains(content, []byte(text)) {
				return fmt.Errorf("%s holds plaintext", path)
			}
		}
		return nil
	}
	for _, s := range d.servers {
		for _, path := range []string{s.Dir, s.Log, s.Trace} {
			if err := filepath.WalkDir(path, look); err != nil {
				return err
			}
		}
	}
	d.note("none of %d texts in %d files, %d octets", len(d.texts), files, octets)
	return nil
}
