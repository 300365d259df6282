package content_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"parley/content"
)

// Slots of the outer array.
const (
	slotSalt = iota
	slotReplaces
	slotTopic
	slotExpires
	slotReply
	slotExtensions
	slotBody
)

// craft is a small valid message, written by hand, with one element replaced by the given hexadecimal octets.
func craft(t testing.TB, slot int, element string) []byte {
	t.Helper()
	slots := []string{"50" + strings.Repeat("11", 16), "f6", "40", "f6", "f6", "a0", "85016001604178"}
	slots[slot] = strings.ReplaceAll(element, " ", "")
	return unhex(t, "87"+strings.Join(slots, ""))
}

func accept(t *testing.T, slot int, elements ...string) {
	t.Helper()
	for _, element := range elements {
		data := craft(t, slot, element)
		m, err := content.Decode(data)
		if err != nil {
			t.Errorf("%.80s refused: %v", element, err)
			continue
		}
		if again, err := m.Encode(); err != nil || !bytes.Equal(again, data) {
			t.Errorf("%.80s re-encoded to %x, %v", element, again, err)
		}
	}
}

func refuse(t *testing.T, want content.Error, slot int, elements ...string) {
	t.Helper()
	for _, element := range elements {
		if _, err := content.Decode(craft(t, slot, element)); err != want {
			t.Errorf("%.80s: %v, want %v", element, err, want)
		}
	}
}

func repeat(s string, n int) string { return strings.Repeat(s, n) }

func TestContainer(t *testing.T) {
	t.Run("C-CBOR-01 one array of seven elements, no tag, nothing after it", func(t *testing.T) {
		good := craft(t, slotTopic, "40")
		if _, err := content.Decode(good); err != nil {
			t.Fatal(err)
		}
		six, eight := bytes.Clone(good), append(bytes.Clone(good), 0)
		six[0], eight[0] = 0x86, 0x88
		for name, data := range map[string][]byte{
			"six": six, "eight": eight, "trailing": append(bytes.Clone(good), 0), "tag": append([]byte{0xd9, 0xd9, 0xf7}, good...),
			"map": append([]byte{0xa7}, good[1:]...), "empty": nil, "short": good[:len(good)-1],
		} {
			if _, err := content.Decode(data); err == nil {
				t.Errorf("%s accepted", name)
			}
		}
	})
	t.Run("C-ORD-01 no eighth element", func(t *testing.T) {
		data := append(craft(t, slotTopic, "40"), 0x80)
		data[0] = 0x88
		if _, err := content.Decode(data); err == nil {
			t.Error("lastSeen accepted")
		}
	})
	t.Run("C-SALT-01 sixteen octets", func(t *testing.T) {
		refuse(t, content.ErrShape, slotSalt, "4f"+repeat("11", 15), "51"+repeat("11", 17), "f6", "70"+repeat("61", 16))
	})
	t.Run("C-REPL-01 null or 32 octets", func(t *testing.T) {
		accept(t, slotReplaces, "f6", "582001"+repeat("22", 31))
		refuse(t, content.ErrShape, slotReplaces, "581f01"+repeat("22", 30), "582101"+repeat("22", 32), "40", "7820"+repeat("61", 32))
	})
	t.Run("C-IRT-01 null or 32 octets", func(t *testing.T) {
		accept(t, slotReply, "f6", "582001"+repeat("22", 31))
		refuse(t, content.ErrShape, slotReply, "581f01"+repeat("22", 30), "00")
	})
	t.Run("C-ID-04 unknown hash algorithm discarded", func(t *testing.T) {
		for _, algorithm := range []string{"00", "07", "ff"} {
			refuse(t, content.ErrHash, slotReplaces, "5820"+algorithm+repeat("22", 31))
			refuse(t, content.ErrHash, slotReply, "5820"+algorithm+repeat("22", 31))
			if (content.MessageID(unhex(t, algorithm+repeat("22", 31)))).Known() {
				t.Errorf("algorithm %s known", algorithm)
			}
		}
	})
	t.Run("C-TOP-01 octets, never null", func(t *testing.T) {
		accept(t, slotTopic, "40", "47466f6f20313138")
		refuse(t, content.ErrShape, slotTopic, "f6", "6161")
	})
	t.Run("C-TOP-02 at most 4096 octets", func(t *testing.T) {
		accept(t, slotTopic, "591000"+repeat("ab", 4096))
		refuse(t, content.ErrSize, slotTopic, "591001"+repeat("ab", 4097))
	})
	t.Run("C-EXP-01 null or two elements", func(t *testing.T) {
		accept(t, slotExpires, "f6", "82f400", "82f51affffffff")
		refuse(t, content.ErrShape, slotExpires, "820005", "82f520", "81f5", "83f50000", "05", "82f6 00")
		refuse(t, content.ErrRange, slotExpires, "82f51b0000000100000000")
	})
	t.Run("C-PART-13 larger than the limit", func(t *testing.T) {
		data := craft(t, slotBody, "8501600160 5a"+fmt.Sprintf("%08x", 66000)+repeat("00", 66000))
		if _, err := content.Decode(data); err != content.ErrSize {
			t.Errorf("%d octets: %v", len(data), err)
		}
		if _, err := (content.Limits{Size: len(data)}).Decode(data); err != nil {
			t.Errorf("at the limit: %v", err)
		}
		if _, err := (content.Limits{Size: len(data) - 1}).Decode(data); err != content.ErrSize {
			t.Errorf("one over the limit: %v", err)
		}
	})
}

func TestDeterministic(t *testing.T) {
	t.Run("C-CBOR-03 shortest form of every head", func(t *testing.T) {
		accept(t, slotExtensions, "a12017", "a1201818", "a12018ff", "a120190100", "a1201a00010000", "a1201b0000000100000000", "a120d81800")
		refuse(t, content.ErrCanonical, slotExtensions, "a1201801", "a1201817", "a120190000", "a12019 00ff", "a1201a0000ffff",
			"a1201b00000000ffffffff", "a120 d801 00", "a120 7801 61", "a120 9801 00", "a120 b801 00 00", "b801 20 00", "a1 3800 00")
		refuse(t, content.ErrCanonical, slotSalt, "5810"+repeat("11", 16))
		refuse(t, content.ErrCanonical, slotExpires, "82f5 1801")
	})
	t.Run("C-CBOR-04 no indefinite length at any depth", func(t *testing.T) {
		refuse(t, content.ErrCanonical, slotTopic, "5f41 61ff")
		refuse(t, content.ErrCanonical, slotExtensions, "bf2000ff", "a1209f00ff", "a1205f4100ff", "a1207f6161ff", "a12081bf0000ff")
		refuse(t, content.ErrCanonical, slotBody, "85017f6161ff01604178", "850160 01605f4178ff", "9f016000ff")
		outer := craft(t, slotTopic, "40")
		outer[0] = 0x9f
		if _, err := content.Decode(append(outer, 0xff)); err != content.ErrCanonical {
			t.Errorf("outer array: %v", err)
		}
	})
	t.Run("C-CBOR-05 keys in bytewise order", func(t *testing.T) {
		accept(t, slotExtensions, "a4 016178 190100 00 20 00 6161 00", "a120 a4 01 00 190100 00 20 00 6161 00")
		m := content.Message{Extensions: []content.Extension{ // in no order
			{Key: content.Key{Text: "a"}, Value: content.IntValue(4)}, {Key: content.Key{Int: -1}, Value: content.IntValue(3)},
			{Key: content.Key{Int: 1}, Value: content.TextValue("x")}, {Key: content.Key{Int: 256}, Value: content.IntValue(2)},
		}}
		encoded, err := m.Encode()
		if err != nil || !bytes.Contains(encoded, unhex(t, "a401617819010002200361"+"6104")) {
			t.Errorf("encoded to %x, %v", encoded, err)
		}
		if m.Extensions[0].Key.Text != "a" {
			t.Error("Encode changed the caller's value")
		}
	})
	t.Run("C-CBOR-06 not length first", func(t *testing.T) {
		refuse(t, content.ErrCanonical, slotExtensions, "a4 016178 20 00 6161 00 190100 00", "a120 a2 20 00 190100 00")
	})
	t.Run("C-CBOR-07 bignums only beyond integers", func(t *testing.T) {
		accept(t, slotExtensions, "a120 c249010000000000000000", "a120 c349010000000000000000")
		refuse(t, content.ErrCanonical, slotExtensions, "a120 c24101", "a120 c340", "a120 c248ffffffffffffffff", "a120 c2 4a00010000000000000000")
		refuse(t, content.ErrShape, slotExtensions, "a120 c201")
	})
	t.Run("C-CBOR-08 extension keys integer or text of 1 to 255 octets", func(t *testing.T) {
		accept(t, slotExtensions, "a12000", "a1616100", "a178ff"+repeat("61", 255)+"00")
		refuse(t, content.ErrKey, slotExtensions, "a1410100", "a16000", "a1790100"+repeat("61", 256)+"00", "a1f500", "a1f600", "a1c100 00", "a18000")
	})
	t.Run("C-CBOR-09 keys of nested maps integer, text or octets", func(t *testing.T) {
		accept(t, slotExtensions, "a120a10000", "a120a1616100", "a120a1410000", "a120a12000")
		refuse(t, content.ErrKey, slotExtensions, "a120a1f93e0000", "a120a1f97e0000", "a120a1810100", "a120a1f600", "a120a1a000", "a120a1c10000")
	})
	t.Run("C-CBOR-10 integer keys within 2^53-1", func(t *testing.T) {
		accept(t, slotExtensions, "a1 1b001fffffffffffff 00", "a1 3b001ffffffffffffe 00", "a120a1 1b001fffffffffffff 00")
		refuse(t, content.ErrKey, slotExtensions, "a1 1b0020000000000000 00", "a1 3b001fffffffffffff 00", "a1 3bffffffffffffffff 00",
			"a120a1 1b0020000000000000 00", "a120a1 3b001fffffffffffff 00")
	})
	t.Run("C-CBOR-11 the one NaN", func(t *testing.T) {
		accept(t, slotExtensions, "a120f97e00", "a120d85441ff", "a120 d854 48 00007ec0ffffc07f")
		refuse(t, content.ErrForbidden, slotExtensions, "a120fa7fc00000", "a120fb7ff8000000000000", "a120f97e01", "a120f9fe00", "a120f97c00",
			"a120f90000", "a120fa47c35000", "a120f7", "a120e0", "a120f8ff", "a120f3", "a120f814")
	})
	t.Run("C-CBOR-12 text is UTF-8", func(t *testing.T) {
		refuse(t, content.ErrUTF8, slotBody, "850162c328 01604178", "8501600162c3284178", external(map[int]string{3: "62c328"}),
			external(map[int]string{4: "62c328"}), external(map[int]string{13: "62c328"}), external(map[int]string{14: "62c328"}))
		refuse(t, content.ErrUTF8, slotExtensions, "a12062c328", "a162c32800", "a120a162c32800", "a12063eda080")
		m := content.Message{Body: single(content.DispositionRender, "\xff", "", "")}
		if _, err := m.Encode(); err != content.ErrUTF8 {
			t.Errorf("encoded: %v", err)
		}
	})
	t.Run("C-CBOR-15 extensions four levels deep", func(t *testing.T) {
		accept(t, slotExtensions, "a120a1 20a1 20a1 2000", "a120818181f6", "a120c9c9c900", "a120 c9 81 a1 20 00")
		refuse(t, content.ErrDepth, slotExtensions, "a120a120a120a120a1 2000", "a1208181818100", "a120c9c9c9c900", "a120 818181 80", "a120 818181 a0")
	})
	t.Run("C-CBOR-16 no key twice", func(t *testing.T) {
		refuse(t, content.ErrKey, slotExtensions, "a2016178016179", "a220002000", "a120a220002000", "a2616100616100")
		m := content.Message{Extensions: []content.Extension{
			{Key: content.Key{Int: 9}, Value: content.IntValue(1)}, {Key: content.Key{Int: 9}, Value: content.IntValue(2)},
		}}
		if _, err := m.Encode(); err != content.ErrKey {
			t.Errorf("encoded: %v", err)
		}
	})
}

func TestExtensions(t *testing.T) {
	t.Run("C-EXT-01 always a map", func(t *testing.T) {
		accept(t, slotExtensions, "a0")
		refuse(t, content.ErrShape, slotExtensions, "f6", "80", "00")
	})
	t.Run("C-EXT-02 senderUri and roomUri are text", func(t *testing.T) {
		accept(t, slotExtensions, "a1016178", "a1026178")
		refuse(t, content.ErrShape, slotExtensions, "a1014178", "a10205", "a101f6", "a10281 6178")
	})
	t.Run("C-EXT-03 key 0 ignored on receipt, not for sending", func(t *testing.T) {
		accept(t, slotExtensions, "a10000")
		m, err := content.Decode(craft(t, slotExtensions, "a10000"))
		if err != nil {
			t.Fatal(err)
		}
		if content.Text(m) != "[unsupported message]" && m.Validate() != content.ErrReserved {
			t.Errorf("valid for sending: %v", m.Validate())
		}
	})
	t.Run("C-EXT-05 unknown keys ignored and kept", func(t *testing.T) {
		data := unhex(t, "87 50"[:2]+"50"+repeat("11", 16)+"f640f6f6"+"a2"+"19012c"+"8201f5"+"6178"+"4100"+"850160016a746578742f706c61696e4178")
		m, err := content.Decode(data)
		if err != nil || m.Validate() != nil || content.Text(m) != "x" {
			t.Fatalf("%v, %q", err, content.Text(m))
		}
		if v, found := m.Extension(content.Key{Int: 300}); !found || !bytes.Equal(v.Encoded(), []byte{0x82, 0x01, 0xf5}) {
			t.Errorf("key 300: %x", v.Encoded())
		}
		if _, found := m.Extension(content.Key{Text: "x"}); !found {
			t.Error("key x lost")
		}
		if again, err := m.Encode(); err != nil || !bytes.Equal(again, data) {
			t.Errorf("re-encoded to %x, %v", again, err)
		}
	})
	t.Run("C-EXT-06 no limit of 4095 octets", func(t *testing.T) {
		accept(t, slotExtensions, "a120591388"+repeat("ab", 5000))
	})
}
