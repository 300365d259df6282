package client_test

import (
	"bytes"
	"errors"
	"slices"
	"testing"

	"parley/client"
	"parley/storetest/roletest"
)

const passphrase = "correct horse battery"

func TestMove(t *testing.T) {
	c := newCircle(t)
	ctx := t.Context()
	c.sent(c.alice.Say(ctx, c.room, "before the move"))
	var file bytes.Buffer
	if err := client.Move(ctx, c.bob.Disk, &file, "short"); err != client.ErrPassphrase {
		t.Errorf("%v", err)
	}
	c.must(client.MoveQuickly(ctx, c.bob.Disk, &file, passphrase))
	if _, err := client.Open(ctx, client.Config{Store: c.bob.Disk}); err != client.ErrMoved {
		t.Errorf("the old store opens: %v", err)
	}
	if bytes.Contains(file.Bytes(), []byte("before the move")) || bytes.Contains(file.Bytes(), []byte("mimi://")) {
		t.Error("the export can be read")
	}
	octets := file.Bytes()
	for what, bad := range map[string][]byte{
		"a flipped bit": append(append([]byte{}, octets[:len(octets)-9]...), octets[len(octets)-9]^1, 0, 0, 0, 0, 0, 0, 0, 0), "cut off": octets[:len(octets)-1],
		"empty": nil, "more": append(slices.Clone(octets), 0),
	} {
		if err := client.Restore(ctx, roletest.Disk{}, bytes.NewReader(bad), passphrase); !errors.Is(err, client.ErrExport) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := client.Restore(ctx, roletest.Disk{}, bytes.NewReader(octets), passphrase+"!"); err != client.ErrExport {
		t.Errorf("wrong passphrase: %v", err)
	}
	if err := client.Restore(ctx, c.alice.Disk, bytes.NewReader(octets), passphrase); err != client.ErrNotEmpty {
		t.Errorf("over another store: %v", err)
	}
	c.bob.Disk = roletest.Disk{}
	c.must(client.Restore(ctx, c.bob.Disk, bytes.NewReader(octets), passphrase))
	c.bob.Reopen()
	c.sent(c.bob.Say(ctx, c.room, "after the move"))
	c.agree(c.alice, c.bob)
	c.shows("alice: before the move", "bob: after the move")
}

func TestHistory(t *testing.T) {
	c := newCircle(t)
	ctx := t.Context()
	one := c.sent(c.alice.Say(ctx, c.room, "old news"))
	c.sent(c.bob.Reply(ctx, c.room, one, "old answer"))
	secret := c.sent(c.alice.Say(ctx, c.room, "SECRET"))
	c.sent(c.alice.Delete(ctx, c.room, secret))
	tablet := c.Person("b.example", "bob", "tablet")
	c.want(tablet.Join(ctx, c.room))
	c.Work()
	c.sent(c.alice.Edit(ctx, c.room, one, "fresh news"))
	if got := c.screen(tablet); len(got) != 1 { // an edit of something that is not here
		t.Errorf("%q", got)
	}
	var file bytes.Buffer
	n, err := c.bob.ShareQuickly(ctx, &file, passphrase)
	if err != nil || n != 5 {
		t.Fatalf("%d entries, %v", n, err)
	}
	if n, err = tablet.TakeHistory(ctx, bytes.NewReader(file.Bytes()), passphrase); err != nil || n != 4 {
		t.Fatalf("%d entries, %v", n, err)
	}
	want := []string{"alice: fresh news (edited)", "bob: old answer > old news", "alice deleted by alice"}
	for range 2 {
		if got := c.screen(tablet); !slices.Equal(got, want) {
			t.Errorf("%q", got)
		}
		tablet.Reopen()
	}
	if n, err = tablet.TakeHistory(ctx, bytes.NewReader(file.Bytes()), passphrase); err != nil || n != 0 {
		t.Errorf("again: %d entries, %v", n, err)
	}
	if found, err := tablet.Search(ctx, "answer", 5); err != nil || len(found) != 1 || !found[0].Entry.Shared {
		t.Errorf("%+v, %v", found, err)
	}
	if _, before, err := tablet.Missing(ctx, c.room); err != nil || before != 4 {
		t.Errorf("%d, %v", before, err)
	}
	for key, value := range tablet.Disk {
		if bytes.Contains(value, []byte("SECRET")) {
			t.Errorf("what was deleted was shared: %s", key)
		}
	}
	c.Run("nothing that is not what it says", func(t *testing.T) {
		if _, err := tablet.TakeHistory(ctx, bytes.NewReader(file.Bytes()), "another passphrase"); err != client.ErrExport {
			t.Errorf("%v", err)
		}
	})
}
