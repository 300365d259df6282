package content_test

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/content"
)

func TestOrder(t *testing.T) {
	t.Run("C-TS-03 by accepted time, then the lower ID", func(t *testing.T) {
		low, high := messageID(t, "01"+repeat("00", 31)), messageID(t, "01"+repeat("00", 30)+"01")
		want := []content.Position{{Accepted: 1, ID: high}, {Accepted: 2, ID: low}, {Accepted: 2, ID: high}, {Accepted: 1 << 63, ID: low}}
		got := []content.Position{want[2], want[3], want[0], want[1]}
		slices.SortFunc(got, content.Position.Compare)
		if !slices.Equal(got, want) {
			t.Errorf("%v", got)
		}
	})
	now, created := time.UnixMilli(1_800_000_000_000), time.UnixMilli(1_790_000_000_000)
	t.Run("C-TS-04 not more than five minutes ahead", func(t *testing.T) {
		for ahead, want := range map[time.Duration]error{0: nil, 5 * time.Minute: nil, 5*time.Minute + time.Millisecond: content.ErrFuture,
			6 * time.Minute: content.ErrFuture} {
			if err := content.CheckAccepted(uint64(now.Add(ahead).UnixMilli()), now, created); err != want {
				t.Errorf("%v ahead: %v", ahead, err)
			}
		}
		for _, millis := range []uint64{1 << 63, 1<<64 - 1} {
			if err := content.CheckAccepted(millis, now, created); err != content.ErrFuture {
				t.Errorf("%d: %v", millis, err)
			}
		}
	})
	t.Run("C-TS-05 not before the format or the room", func(t *testing.T) {
		year2022 := uint64(1644387225019)
		for _, c := range []struct {
			millis  uint64
			created time.Time
			want    error
		}{
			{year2022, time.Time{}, content.ErrPast}, {1704067199999, time.Time{}, content.ErrPast}, {1704067200000, time.Time{}, nil},
			{1_790_000_000_000, created, nil}, {1_790_000_000_000 - 1000, created, content.ErrPast},
			{1_790_000_000_000 - 1, created, content.ErrPast}, {0, created, content.ErrPast},
		} {
			if err := content.CheckAccepted(c.millis, now, c.created); err != c.want {
				t.Errorf("%d: %v", c.millis, err)
			}
		}
	})
	t.Run("C-XPR-02 expiry within a year of now", func(t *testing.T) {
		year := uint32(366 * 24 * 3600)
		base := uint32(now.Unix())
		for _, c := range []struct {
			e    *content.Expires
			want error
		}{
			{nil, nil}, {&content.Expires{Relative: true}, nil}, {&content.Expires{Relative: true, Time: year}, nil},
			{&content.Expires{Relative: true, Time: year + 1}, content.ErrExpires}, {&content.Expires{Time: base + year}, nil},
			{&content.Expires{Time: base + year + 1}, content.ErrExpires}, {&content.Expires{Time: base - year}, nil},
			{&content.Expires{Time: base - year - 1}, content.ErrExpires}, {&content.Expires{}, content.ErrExpires},
			{&content.Expires{Time: 1<<32 - 1}, content.ErrExpires}, {&content.Expires{Relative: true, Time: 1<<32 - 1}, content.ErrExpires},
		} {
			if err := (content.Message{Expires: c.e}).CheckExpires(now); err != c.want {
				t.Errorf("%+v: %v", c.e, err)
			}
		}
	})
}

func TestSending(t *testing.T) {
	alice, bob, hub := user(t, "mimi://a.example/u/alice"), user(t, "mimi://b.example/u/bob"), room(t, "mimi://a.example/r/x")
	good := content.NewText([16]byte{1}, alice, hub, "hi")
	with := func(e ...content.Extension) content.Message {
		m := good
		m.Extensions = append(slices.Clone(m.Extensions), e...)
		return m
	}
	value := func(hex string) content.Value { return parse(t, hex) }
	key := func(n int64) content.Key { return content.Key{Int: n} }
	t.Run("C-EXT-04 only registered and private keys are sent", func(t *testing.T) {
		for _, m := range []content.Message{good, with(content.Extension{Key: key(-1), Value: value("00")}),
			with(content.Extension{Key: content.Key{Text: "x"}, Value: value("a0")})} {
			if err := m.CheckSend(alice, hub); err != nil {
				t.Errorf("%+v: %v", m.Extensions, err)
			}
		}
		for n, want := range map[int64]error{0: content.ErrReserved, 3: content.ErrUnregistered, 300: content.ErrUnregistered} {
			if err := with(content.Extension{Key: key(n), Value: value("00")}).CheckSend(alice, hub); err != want {
				t.Errorf("key %d: %v", n, err)
			}
		}
	})
	t.Run("C-EXT-08 sender and room are in every message and true", func(t *testing.T) {
		first := messageID(t, idOriginal)
		reaction, err := content.NewReaction([16]byte{}, alice, hub, first, "\u2764")
		if err != nil {
			t.Fatal(err)
		}
		reactions, err := content.NewReactions([16]byte{}, alice, hub, first, "\u2764", "\u2764")
		if err != nil {
			t.Fatal(err)
		}
		session, err := content.NewSession([16]byte{}, alice, hub, "https://example.com/", "")
		if err != nil {
			t.Fatal(err)
		}
		for n, m := range []content.Message{good, reaction, reactions, session, content.NewReply([16]byte{}, alice, hub, first, nil, ""),
			content.NewMessage([16]byte{}, alice, hub, say("text/plain", "")), content.NewEdit([16]byte{}, alice, hub, first, good, say("text/plain", "")),
			content.NewDelete([16]byte{}, alice, hub, first, good), content.NewStatus([16]byte{}, alice, hub, nil)} {
			sender, _ := m.Sender()
			at, _ := m.Room()
			if sender != alice.String() || at != hub.String() || m.CheckSend(alice, hub) != nil {
				t.Errorf("message %d: %q %q %v", n, sender, at, m.CheckSend(alice, hub))
			}
		}
		if err := good.CheckSend(bob, hub); err != content.ErrOrigin {
			t.Errorf("as another: %v", err)
		}
		for _, m := range []content.Message{{Body: good.Body}, {Body: good.Body, Extensions: good.Extensions[:1]}} {
			if err := m.CheckSend(alice, hub); err != content.ErrNoOrigin {
				t.Errorf("without: %v", err)
			}
		}
	})
	t.Run("C-CBOR-13 no floats are sent", func(t *testing.T) {
		for _, nan := range []string{"f97e00", "81f97e00", "a101f97e00"} {
			if err := with(content.Extension{Key: key(-1), Value: value(nan)}).CheckSend(alice, hub); err != content.ErrFloat {
				t.Errorf("%s: %v", nan, err)
			}
		}
		for _, other := range []string{"43f97e00", "63797e00", "f5", "f6", "d8544400007ec0", "1b7e007e007e007e00"} {
			if err := with(content.Extension{Key: key(-1), Value: value(other)}).CheckSend(alice, hub); err != nil {
				t.Errorf("%s: %v", other, err)
			}
		}
	})
	t.Run("C-PART-14 no body only to delete", func(t *testing.T) {
		if err := content.NewMessage([16]byte{}, alice, hub, content.Part{}).CheckSend(alice, hub); err != content.ErrEmpty {
			t.Errorf("%v", err)
		}
		if got := content.Text(content.Message{}); got != "" {
			t.Errorf("shown as %q", got)
		}
	})
	t.Run("C-EXT-09 another sender or room than MLS knows is discarded", func(t *testing.T) {
		encoded, err := good.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := good.ID(encoded, alice, hub); err != nil {
			t.Error(err)
		}
		if _, err := good.ID(encoded, bob, hub); err != content.ErrOrigin {
			t.Errorf("another's: %v", err)
		}
		if _, err := good.ID(encoded, alice, room(t, "mimi://a.example/r/y")); err != content.ErrOrigin {
			t.Errorf("another room's: %v", err)
		}
	})
}

func TestMessageIDs(t *testing.T) {
	alice, hub := user(t, "mimi://example.com/u/alice-smith"), room(t, "mimi://example.com/r/engineering_team")
	encoded, err := examples(t)[0].message.Encode()
	if err != nil {
		t.Fatal(err)
	}
	salt := examples(t)[0].message.Salt
	t.Run("C-ID-03 SHA-256 whatever the group uses", func(t *testing.T) {
		for _, e := range examples(t) {
			octets, err := e.message.Encode()
			if err != nil {
				t.Fatal(err)
			}
			sender, _ := e.message.Sender()
			if id, err := e.message.ID(octets, user(t, sender), hub); err != nil || id[0] != 1 || id.String() != e.id {
				t.Errorf("%s: %s, %v", e.file, id, err)
			}
		}
	})
	t.Run("C-ID-06 received octets are hashed, others than deterministic refused", func(t *testing.T) {
		long := append(append([]byte{0x87, 0x58, 0x10}, encoded[2:18]...), encoded[18:]...) // the salt's length in two octets
		if _, err := content.Decode(long); err != content.ErrCanonical {
			t.Errorf("%v", err)
		}
		if content.ID(alice, hub, long, salt) == content.ID(alice, hub, encoded, salt) {
			t.Error("the ID is not that of the octets")
		}
		if id := content.ID(alice, hub, encoded, salt); id.String() != idOriginal {
			t.Errorf("%s", id)
		}
	})
	t.Run("C-ID-07 the ID is over the inner content", func(t *testing.T) {
		_, inner, err := content.Unframe(content.Frame(content.MediaType, encoded))
		if err != nil {
			t.Fatal(err)
		}
		if id := content.ID(alice, hub, inner, salt); id.String() != idOriginal {
			t.Errorf("%s", id)
		}
	})
	t.Run("C-ID-08 URIs that have no length are refused", func(t *testing.T) {
		long := strings.Repeat("x", 65536)
		for _, pair := range [][2]string{{long, "r"}, {"s", long}} {
			if _, err := content.RawID(pair[0], pair[1], encoded, salt); err != content.ErrURILength {
				t.Errorf("%v", err)
			}
		}
		if _, err := content.RawID(long[1:], long[1:], encoded, salt); err != nil {
			t.Error(err)
		}
	})
	t.Run("C-TS-06 extended times are read", func(t *testing.T) {
		for item, want := range map[string]uint64{"d903e9a1011a6955b900": 1767225600000, "d903e9a2011a6955b9002205": 1767225600005, "1b0000019b76da5c00": 1767225580544} {
			d := content.Derived{ID: messageID(t, idOriginal)}
			if _, err := d.Encode(); err == nil {
				t.Fatal("no accepted time and yet encoded")
			}
			d.Accepted = content.AcceptedAt(1)
			encoded, err := d.Encode()
			if err != nil {
				t.Fatal(err)
			}
			data := append(append(bytes.Clone(encoded[:35]), unhex(t, item)...), encoded[36:]...)
			got, err := content.DecodeDerived(data)
			if err != nil {
				t.Fatal(err)
			}
			if n, ok := got.Millis(); !ok || n != want {
				t.Errorf("%s: %d, %v", item, n, ok)
			}
		}
	})
}
