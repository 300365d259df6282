package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"parley/provider/lab"
)

// number is Cathy's, in a range that is kept for stories.
const number = "+33199001234"

// codesFile is where the providers of the demo put codes instead of sending them, beside their configurations.
const codesFile = "codes.json"

// peopleConfig lets users prove addresses.
const peopleConfig = "\n[people]\nregion = \"FR\"\ncodes_file = \"" + codesFile + "\"\n"

// askFirst makes a provider whose users have to be asked before others may add them.
func askFirst(s *lab.Server) error {
	f, err := os.OpenFile(s.Config, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString("\n[consent]\nrule = \"ask\"\n")
	return errors.Join(err, f.Close())
}

// consents has by ask whom, and whom say yes. Before that, by cannot add whom.
func (d *demo) consents(ctx context.Context, by, whom *device) error {
	about := func(said string, incoming bool, other *device) func(event) bool {
		return func(e event) bool {
			return e.Type == "consent" && e.Consent.Said == said && e.Consent.Incoming == incoming && e.User == other.user
		}
	}
	if err := by.say("/ask " + whom.user); err != nil {
		return err
	}
	if _, err := whom.expect(ctx, "that "+by.name+" asks", about("asked", true, by)); err != nil {
		return err
	}
	if err := whom.say("/allow " + by.user); err != nil {
		return err
	}
	if _, err := by.expect(ctx, "that "+whom.name+" agrees", about("granted", false, whom)); err != nil {
		return err
	}
	d.note("%s may add %s", by.name, whom.name)
	return nil
}

// proves has a user prove a number and show it to everybody.
func (d *demo) proves(ctx context.Context, who *device) error {
	person := func(e event) bool { return e.Type == "person" }
	if _, err := d.ask(ctx, who, "/me prove "+number, "that a code is on its way", person); err != nil {
		return err
	}
	code, err := lastCode(filepath.Join(d.cfg.Dir, codesFile))
	if err != nil {
		return err
	}
	for _, line := range []string{"/me confirm " + number + " " + code, "/me show " + number + " everybody"} {
		if _, err := d.ask(ctx, who, line, "what others can find", person); err != nil {
			return err
		}
	}
	return nil
}

// lastCode reads the code that was sent last.
func lastCode(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	lines := bytes.Split(bytes.TrimSpace(text), []byte("\n"))
	var sent struct{ Code string }
	err = json.Unmarshal(lines[len(lines)-1], &sent)
	return sent.Code, err
}

// finds has somebody of another provider look for the number.
func (d *demo) finds(ctx context.Context, who, whom *device) error {
	e, err := d.ask(ctx, who, "/find "+number, "whom the number belongs to", func(e event) bool { return e.Type == "found" })
	if err != nil {
		return err
	}
	if len(e.Found.Matches) != 1 || e.Found.Matches[0].User != whom.user || !slices.Contains(e.Found.Asked, whom.home.Domain) {
		return fmt.Errorf("%s found %+v by the number of %s", who.name, e.Found, whom.name)
	}
	d.note("%s found %s by %s", who.name, whom.user, number)
	return nil
}
