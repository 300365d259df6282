package content_test

import (
	"fmt"
	"strings"
	"testing"

	"parley/content"
)

const text = "85016001604178" // a single part

// external is a well-formed external part in hexadecimal with some elements replaced.
func external(changes map[int]string) string {
	items := []string{"06", "60", "02", "69696d6167652f706e67", "6a68747470733a2f2f612f", "00", "00", "01", "50" + repeat("33", 16),
		"4c" + repeat("44", 12), "40", "01", "5820" + repeat("55", 32), "60", "60"}
	for at, element := range changes {
		items[at] = strings.ReplaceAll(element, " ", "")
	}
	return "8f" + strings.Join(items, "")
}

// nest is a part of the given number of levels.
func nest(levels int) string {
	if levels == 1 {
		return text
	}
	return "8501600302 82" + nest(levels-1) + text
}

func TestParts(t *testing.T) {
	t.Run("C-PART-01 array length by cardinality", func(t *testing.T) {
		accept(t, slotBody, "83016000", text, external(nil), "850160030282"+text+text)
		refuse(t, content.ErrShape, slotBody, "84016000f6", "860160016041 7800", "8e"+external(nil)[2:], "90"+external(nil)[2:]+"00",
			"8501600000 00", "83016001", "8401600302", "f6", "00")
		refuse(t, content.ErrRange, slotBody, "83016004", "8501600460 4178")
	})
	t.Run("C-PART-02 cardinalities", func(t *testing.T) {
		for element, want := range map[string]string{
			"83016000": "<nil>", text: "content.Single", external(nil): "content.External", "850160030282" + text + text: "content.Multi",
		} {
			m, err := content.Decode(craft(t, slotBody, element))
			if got := fmt.Sprintf("%T", m.Body.Body); err != nil || got != want {
				t.Errorf("%s: %s, %v", element, got, err)
			}
		}
	})
	t.Run("C-PART-03 disposition is 0 to 255", func(t *testing.T) {
		accept(t, slotBody, "83006000", "8318ff6000")
		refuse(t, content.ErrRange, slotBody, "831901006000")
		refuse(t, content.ErrShape, slotBody, "83206000", "836672656e6465726000", "83f66000")
	})
	t.Run("C-PART-04 unrecognised disposition is render", func(t *testing.T) {
		m := content.Message{Body: single(77, "", "text/plain", "seen")}
		encoded, err := m.Encode()
		if err != nil {
			t.Fatal(err)
		}
		got, err := content.Decode(encoded)
		if err != nil || got.Body.Disposition != 77 || got.Body.Disposition.Effective() != content.DispositionRender {
			t.Fatalf("disposition %d, %v", got.Body.Disposition, err)
		}
		if s := content.Text(got); s != "seen" {
			t.Errorf("rendered %q", s)
		}
		if content.DispositionPreview.Effective() != content.DispositionPreview {
			t.Error("a registered disposition changed")
		}
	})
	t.Run("C-PART-05 language is text", func(t *testing.T) {
		accept(t, slotBody, text, "850162656e01604178", "850168656e2c66722d434101604178")
		refuse(t, content.ErrShape, slotBody, "850142656e01604178", "8501f601604178")
	})
	t.Run("C-PART-06 malformed language is no error", func(t *testing.T) {
		m := content.Message{Body: single(content.DispositionRender, "xx-nonsense, -", "text/plain", "seen")}
		if encoded, err := m.Encode(); err != nil {
			t.Error(err)
		} else if got, err := content.Decode(encoded); err != nil || content.Text(got) != "seen" {
			t.Error(err)
		}
	})
	t.Run("C-PART-07 media type text, content octets", func(t *testing.T) {
		accept(t, slotBody, "8501600160 40", "85016001 6161 41ff")
		refuse(t, content.ErrShape, slotBody, "85016001606178", "85016001416140", "8501600160f6")
	})
	t.Run("C-PART-09 two children at least", func(t *testing.T) {
		accept(t, slotBody, "850160030082"+text+text, "850160030182"+text+"83016000")
		refuse(t, content.ErrShape, slotBody, "850160030280", "850160030281"+text)
	})
	t.Run("C-PART-10 unknown semantics discarded", func(t *testing.T) {
		refuse(t, content.ErrRange, slotBody, "850160030382"+text+text)
	})
	t.Run("C-PART-11 at most 1024 parts, multi parts counted", func(t *testing.T) {
		accept(t, slotBody, "85016003021903ff"[:10]+"9903ff"+repeat("83016000", 1023))
		refuse(t, content.ErrParts, slotBody, "8501600302"+"990400"+repeat("83016000", 1024),
			"850160030282"+"8501600302"+"990200"+repeat("83016000", 512)+"8501600302"+"990200"+repeat("83016000", 512))
	})
	t.Run("C-CBOR-14 four levels of parts", func(t *testing.T) {
		accept(t, slotBody, nest(4))
		refuse(t, content.ErrDepth, slotBody, nest(5))
	})
	t.Run("C-PART-12 deeper than four is discarded", func(t *testing.T) { refuse(t, content.ErrDepth, slotBody, nest(5), nest(60)) })
	t.Run("C-PART-18 part index in pre-order", func(t *testing.T) {
		m := examples(t)[13].message
		count, gif, png := 0, -1, -1
		for n, p := range m.Body.All() {
			count++
			if s, ok := p.Body.(content.Single); ok && s.ContentType == "image/gif" {
				gif = n
			} else if ok && s.ContentType == "image/png" {
				png = n
			}
		}
		if count != 11 || gif != 5 || png != 10 {
			t.Errorf("%d parts, GIF %d, PNG %d", count, gif, png)
		}
		if p, ok := m.Body.At(10); !ok || p.Disposition != content.DispositionInline {
			t.Error("part 10 is not the image")
		}
		if _, ok := m.Body.At(11); ok {
			t.Error("there is a part 11")
		}
	})
	t.Run("C-PART-19 form of a reference", func(t *testing.T) {
		got := content.References(`a cid:5@local.invalid cid:x@local.invalid cid:@local.invalid cid:7@other cid:1023@local.invalid cid:`)
		if fmt.Sprint(got) != "[5 1023]" {
			t.Errorf("%v", got)
		}
	})
	for d, name := range []string{"unspecified", "render", "reaction", "profile", "inline", "icon", "attachment", "session", "preview"} {
		t.Run(fmt.Sprintf("C-DISP-%02d %s", d, name), func(t *testing.T) {
			m, err := content.Decode(craft(t, slotBody, fmt.Sprintf("83%02x6000", d)))
			named := []content.Disposition{content.DispositionUnspecified, content.DispositionRender, content.DispositionReaction,
				content.DispositionProfile, content.DispositionInline, content.DispositionIcon, content.DispositionAttachment,
				content.DispositionSession, content.DispositionPreview}
			if err != nil || m.Body.Disposition != named[d] || m.Body.Disposition.Effective() != named[d] {
				t.Errorf("disposition %d, %v", m.Body.Disposition, err)
			}
		})
	}
}

func TestExternal(t *testing.T) {
	t.Run("C-XP-01 fifteen elements in order", func(t *testing.T) {
		accept(t, slotBody, external(nil), external(map[int]string{5: "1affffffff", 6: "1bffffffffffffffff", 11: "18ff"}))
		refuse(t, content.ErrRange, slotBody, external(map[int]string{5: "1b0000000100000000"}), external(map[int]string{7: "1a00010000"}),
			external(map[int]string{11: "190100"}))
		for n := 3; n < 15; n++ {
			refuse(t, content.ErrShape, slotBody, external(map[int]string{n: "f6"}))
		}
	})
	t.Run("C-XP-02 url is plain text and absolute", func(t *testing.T) {
		refuse(t, content.ErrShape, slotBody, external(map[int]string{4: "d8206a68747470733a2f2f612f"}))
		for _, url := range []string{"", "/x", "a.example/x", "//a.example/x", ":x", "1a:x", "https:", "a b:c"} {
			if err := (content.External{URL: url}).Validate(); err != content.ErrURL {
				t.Errorf("%q: %v", url, err)
			}
		}
		if err := (content.External{URL: "https://a.example/x"}).Validate(); err != nil {
			t.Error(err)
		}
	})
	t.Run("C-XP-04 keys fit the algorithm", func(t *testing.T) {
		none := map[int]string{7: "00", 8: "40", 9: "40"}
		accept(t, slotBody, external(none), external(map[int]string{7: "02", 8: "5820" + repeat("33", 32)}), external(map[int]string{7: "1863", 8: "40"}))
		refuse(t, content.ErrExternal, slotBody, external(map[int]string{7: "00"}), external(map[int]string{7: "00", 8: "40"}),
			external(map[int]string{7: "00", 8: "40", 9: "40", 10: "4100"}), external(map[int]string{8: "4f" + repeat("33", 15)}),
			external(map[int]string{9: "4b" + repeat("44", 11)}), external(map[int]string{7: "02"}))
	})
	t.Run("C-XP-06 aad is empty or not", func(t *testing.T) {
		accept(t, slotBody, external(nil), external(map[int]string{10: "4100"}))
	})
	t.Run("C-XP-09 no automatic processing without a fitting hash", func(t *testing.T) {
		for element, want := range map[string]error{
			external(nil): nil,
			external(map[int]string{11: "00", 12: "40"}):                            content.ErrUnverifiable,
			external(map[int]string{11: "00"}):                                      content.ErrUnverifiable,
			external(map[int]string{7: "00", 8: "40", 9: "40", 11: "00", 12: "40"}): nil,
			external(map[int]string{7: "00", 8: "40", 9: "40", 11: "00"}):           content.ErrUnverifiable,
			external(map[int]string{11: "07", 12: "5830" + repeat("55", 48)}):       nil,
			external(map[int]string{11: "08", 12: "5840" + repeat("55", 64)}):       nil,
			external(map[int]string{11: "08"}):                                      content.ErrUnverifiable,
			external(map[int]string{11: "02"}):                                      content.ErrUnverifiable,
		} {
			m, err := content.Decode(craft(t, slotBody, element))
			if err != nil {
				t.Fatal(err)
			}
			if got := m.Validate(); got != want {
				t.Errorf("%s: %v", element, got)
			}
		}
	})
	t.Run("C-XP-13 filename is only a suggestion", func(t *testing.T) {
		for name, want := range map[string]string{
			"cat.png": "cat.png", "../../etc/passwd": "passwd", `..\..\boot.ini`: "boot.ini", "/": "", "..": "", ".profile": "profile",
			"a\u202egnp.exe": "agnp.exe", "a\x00b\n\x1b[31m.txt": "ab[31m.txt", "dir/": "", "\u2066x\u2069": "x",
		} {
			if got := content.SafeFilename(name); got != want {
				t.Errorf("%q became %q", name, got)
			}
		}
	})
}
