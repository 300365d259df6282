package demo

import (
	"context"
	"fmt"
)

// hybrid is the cipher suite to which the room moves, with the number that Parley gives it.
const hybrid = "MLKEM768-X25519"

// asksFirst is the provider of askFirst.
const asksFirst = "c.example"

// hybridConfig makes a provider offer it.
const hybridConfig = "\n[mls]\nhybrid_suites = [\"" + hybrid + "\"]\n"

// moves has a device make another room, with the others in it, and move it to the hybrid suite. All devices see it, and read what each of
// them writes in the new group. Then they go back to the room of the story.
func (d *demo) moves(ctx context.Context, by *device, others ...*device) error {
	story := d.room
	made, err := d.ask(ctx, by, "/new Garden", "another room", func(e event) bool { return e.Type == "created" })
	if err != nil {
		return err
	}
	d.room = made.Room
	for _, p := range others {
		if p.home.Domain == asksFirst { // whose people have to agree before they are brought along
			if err := d.consents(ctx, by, p); err != nil {
				return err
			}
		}
		if err := d.adds(ctx, by, p, by); err != nil {
			return err
		}
	}
	if err := d.says(ctx, by, "Let us move.", others...); err != nil {
		return err
	}
	if err := d.move(ctx, by, others...); err != nil {
		return err
	}
	d.room = story
	for _, p := range append([]*device{by}, others...) {
		if err := p.say("/room " + d.room); err != nil {
			return err
		}
	}
	return nil
}

// move moves the room.
func (d *demo) move(ctx context.Context, by *device, others ...*device) error {
	if err := by.say("/move " + hybrid); err != nil {
		return err
	}
	all := append([]*device{by}, others...)
	for _, p := range all {
		seen, err := p.expect(ctx, "the move", func(e event) bool { return e.Type == "moved" && e.Room == d.room })
		if err != nil {
			return err
		}
		if seen.Epoch != 1 {
			return fmt.Errorf("%s is in epoch %d of the new group", p.name, seen.Epoch)
		}
	}
	d.note("%d devices of three providers are in the new group, epoch 1", len(all))
	for i, p := range all {
		readers := append(append([]*device(nil), all[:i]...), all[i+1:]...)
		if err := d.says(ctx, p, "Under the new suite, from "+p.name+".", readers...); err != nil {
			return err
		}
	}
	return nil
}
