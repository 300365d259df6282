package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"parley/gatewayd/nativelab"
	"parley/provider/lab"
)

// natives are servers of other networks with a gateway each, and a user on each.
type natives struct {
	irc      *nativelab.IRC
	xmpp     *nativelab.XMPP
	dora     *nativelab.IRCUser
	romeo    *nativelab.XMPPUser
	gateways []*exec.Cmd
	channel  string // of IRC
}

const (
	doraURI  = "mimi://b.example/u/irc.dora"
	romeoURI = "mimi://a.example/u/xmpp.romeo-localhost"
)

// networks are those that With may name.
func networks() []string { return []string{"irc", "xmpp"} }

// checkWith says what is missing on the machine before anything is started.
func checkWith(with []string) error {
	for _, n := range with {
		if !slices.Contains(networks(), n) {
			return fmt.Errorf("the demo has no network %q; it has %s", n, strings.Join(networks(), ", "))
		}
	}
	if missing := nativelab.Missing(with...); len(missing) > 0 {
		return fmt.Errorf("missing on this machine: %s (Debian packages); install them and run this again", strings.Join(missing, ", "))
	}
	return nil
}

func (d *demo) with(network string) bool { return slices.Contains(d.cfg.With, network) }

// playNatives brings users of other networks into the room.
func (d *demo) playNatives(ctx context.Context, b, a *lab.Server, alice, cathy *device) error {
	steps := []struct {
		title string
		do    func() error
	}{
		{"Servers of other networks start on loopback, and a gateway for each: a client of its provider that holds its users' keys.", func() error {
			return errors.Join(d.startIRC(ctx, b), d.startXMPP(ctx, a))
		}},
		{"Alice adds them. Everybody is shown that they are not end-to-end.", func() error {
			return errors.Join(d.addsNative(ctx, alice, cathy, "irc", doraURI), d.addsNative(ctx, alice, cathy, "xmpp", romeoURI))
		}},
		{"Alice writes: a channel of IRC and a chat of XMPP have it, too.", func() error { return d.invites(ctx, alice) }},
		{"They answer from there, and all read each other.", func() error { return d.answers(ctx, alice, cathy) }},
	}
	for _, s := range steps {
		if err := d.step(s.title, s.do); err != nil {
			return err
		}
	}
	return nil
}

func (d *demo) startIRC(ctx context.Context, home *lab.Server) (err error) {
	if !d.with("irc") {
		return nil
	}
	dir := filepath.Join(d.cfg.Dir, "irc")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if d.natives.irc, err = nativelab.NewIRC(dir); err != nil {
		return err
	}
	if err := d.natives.irc.Start(ctx); err != nil {
		return err
	}
	if d.natives.dora, err = d.natives.irc.Join(ctx, "dora"); err != nil {
		return err
	}
	d.note("ngIRCd at %s, with Dora on it; gateway of %s", d.natives.irc.Address, home.Domain)
	return d.startGateway(ctx, home, "irc", nativelab.IRCLinkPassword,
		fmt.Sprintf("[irc]\naddress = %q\nname = %q\npassword_file = \"secret\"\nusers = [\"dora\"]\n", d.natives.irc.Address, nativelab.IRCLinkName))
}

func (d *demo) startXMPP(ctx context.Context, home *lab.Server) (err error) {
	if !d.with("xmpp") {
		return nil
	}
	dir := filepath.Join(d.cfg.Dir, "xmpp")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	if d.natives.xmpp, err = nativelab.NewXMPP(dir, "romeo"); err != nil {
		return err
	}
	if err := d.natives.xmpp.Start(ctx); err != nil {
		return err
	}
	if d.natives.romeo, err = d.natives.xmpp.Join(ctx, "romeo"); err != nil {
		return err
	}
	d.note("Prosody, with Romeo on it; gateway of %s", home.Domain)
	return d.startGateway(ctx, home, "xmpp", nativelab.XMPPSecret,
		fmt.Sprintf("[xmpp]\naddress = %q\ndomain = %q\nsecret_file = \"secret\"\nserver = %q\nrooms = %q\nusers = [\"romeo@localhost\"]\n",
			d.natives.xmpp.Component, nativelab.XMPPComponent, nativelab.XMPPHost, nativelab.XMPPRooms))
}

// startGateway writes a configuration and runs the process; the process ends with the demo.
func (d *demo) startGateway(ctx context.Context, home *lab.Server, network, secret, section string) error {
	dir := filepath.Join(d.cfg.Dir, "gateway-"+network)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	config := filepath.Join(dir, "gateway.toml")
	text := fmt.Sprintf("provider = %q\nurl = %q\nca_file = %q\ndata = \"data\"\nadmin_socket = %q\n%s", home.Domain, "https://"+home.Client, home.LabCA,
		home.Socket(), section)
	if err := errors.Join(os.WriteFile(config, []byte(text), 0o600), os.WriteFile(filepath.Join(dir, "secret"), []byte(secret+"\n"), 0o600)); err != nil {
		return err
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, d.cfg.Binary, "gateway", "--config", config)
	cmd.Stdout, cmd.Stderr = log, log
	err = cmd.Start()
	if err := errors.Join(err, log.Close()); err != nil {
		return err
	}
	d.natives.gateways = append(d.natives.gateways, cmd)
	return nativelab.Await(ctx, func() bool {
		said, err := os.ReadFile(log.Name())
		return err == nil && strings.Contains(string(said), "gateway runs")
	}, "the gateway of "+home.Domain+" is not ready; "+log.Name()+" says why")
}

func (d *demo) addsNative(ctx context.Context, by, witness *device, network, user string) error {
	if !d.with(network) {
		return nil
	}
	joined := func(e event) bool { return e.Type == "joined" && e.Room == d.room && e.User == user }
	if err := by.say("/add " + user); err != nil {
		return err
	}
	for _, p := range []*device{by, witness} {
		seen, err := p.expect(ctx, user+" in the room", joined)
		if err != nil {
			return err
		}
		if seen.Gateway == "" {
			return fmt.Errorf("%s is not shown that a gateway holds the keys of %s", p.name, user)
		}
		d.note("%s sees %s: not end-to-end, keys held by gateway of %s", p.name, user, seen.Gateway)
	}
	return nil
}

// invites has Alice write: who is not in the channel or the chat yet is told in private, and enters it then.
func (d *demo) invites(ctx context.Context, alice *device) error {
	const text = "Welcome, whatever you use."
	if err := alice.say(text); err != nil {
		return err
	}
	if d.natives.dora != nil {
		line, err := d.natives.dora.Expect(ctx, "] "+text)
		if err != nil {
			return err
		}
		d.natives.channel = between(line, "[", "]")
		if err := d.natives.dora.Say("JOIN " + d.natives.channel); err != nil {
			return err
		}
		if _, err := d.natives.dora.Expect(ctx, " 366 "); err != nil {
			return err
		}
		d.note("Dora reads it with IRC, and enters %s", d.natives.channel)
	}
	if d.natives.romeo == nil {
		return nil
	}
	if _, err := d.natives.romeo.Expect(ctx, text); err != nil {
		return err
	}
	room, err := d.natives.romeo.Room(ctx)
	if err != nil {
		return err
	}
	d.note("Romeo reads it with XMPP, and enters %s", room)
	return nil
}

func between(s, before, after string) string {
	_, s, _ = strings.Cut(s, before)
	s, _, _ = strings.Cut(s, after)
	return s
}

// answers has each of them write, and all others read.
func (d *demo) answers(ctx context.Context, alice, cathy *device) error {
	n := d.natives
	readers := func(user, text string) error {
		for _, p := range []*device{alice, cathy} {
			if _, err := p.expect(ctx, text, func(e event) bool { return e.Type == "message" && e.User == user && e.Text == text && e.Gateway != "" }); err != nil {
				return err
			}
			d.note("%s decrypted %q of %s, marked as a gateway's", p.name, text, user)
		}
		if n.dora != nil && user != doraURI {
			if _, err := n.dora.Expect(ctx, "PRIVMSG "+n.channel+" :"+text); err != nil {
				return err
			}
			d.note("Dora reads %q with IRC", text)
		}
		if n.romeo != nil && user != romeoURI {
			if _, err := n.romeo.Expect(ctx, "<body>"+text+"</body>"); err != nil {
				return err
			}
			d.note("Romeo reads %q with XMPP", text)
		}
		return nil
	}
	if n.dora != nil {
		const text = "Hello from an IRC client."
		if err := errors.Join(n.dora.Say("PRIVMSG "+n.channel+" :"+text), readers(doraURI, text)); err != nil {
			return err
		}
	}
	if n.romeo != nil {
		const text = "Hello from an XMPP client."
		if err := errors.Join(n.romeo.SayInRoom(text), readers(romeoURI, text)); err != nil {
			return err
		}
	}
	return nil
}

// stop ends gateways and servers, by their ids.
func (n *natives) stop() error {
	var errs []error
	for _, cmd := range n.gateways {
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			errs = append(errs, err)
		}
		var exit *exec.ExitError
		if err := cmd.Wait(); err != nil && !errors.As(err, &exit) {
			errs = append(errs, err)
		}
	}
	if n.irc != nil {
		errs = append(errs, n.irc.Kill())
	}
	if n.xmpp != nil {
		errs = append(errs, n.xmpp.Kill())
	}
	return errors.Join(errs...)
}
