package media_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"parley/content"
	"parley/media"
)

var update = flag.Bool("update", false, "write the golden files")

func TestIdentifiers(t *testing.T) {
	seen := make(map[media.Capability]bool)
	for _, c := range media.Known() {
		if !strings.HasPrefix(string(c), "26143_") || seen[c] {
			t.Errorf("%s", c)
		}
		seen[c] = true
		if (c.SignalledAs() == "") != (c == media.ContainerSingle) {
			t.Errorf("%s is signalled as %q", c, c.SignalledAs())
		}
	}
	got := media.Parse("26143_TEXT_PLAIN, 26143_VIDEO_SOMETHING\tnonsense 26143_TEXT_PLAIN")
	if !reflect.DeepEqual(got, []media.Capability{media.TextPlain, "26143_VIDEO_SOMETHING"}) {
		t.Errorf("%v", got)
	}
	if media.Capability("26143_VIDEO_SOMETHING").SignalledAs() != "" {
		t.Error("a media type was made up")
	}
	for urn, want := range map[string]string{
		"urn:3GPP:26143:18:baseline-mmbp-player":    "urn:3GPP:26143:18:baseline-mmbp-player",
		"URN:3gpp:26143:19:baseline-mmbp-player":    "urn:3GPP:26143:19:baseline-mmbp-player",
		"urn:3gpp:26143:18:baseline-mmbp-generator": "urn:3GPP:26143:18:baseline-mmbp-generator",
		"urn:3GPP:26143:20:something-new":           "urn:3GPP:26143:20:something-new",
		"urn:3GPP:26143:18":                         "", "urn:ietf:26143:18:x": "", "urn:3GPP:26143:x:y": "", "urn:3GPP:26143:18:": "", "": "",
	} {
		p, ok := media.ParseProfile(urn)
		if ok != (want != "") || ok && p.String() != want {
			t.Errorf("%s: %v, %v", urn, p, ok)
		}
	}
	for _, c := range media.Baseline() {
		if !seen[c] {
			t.Errorf("%s is not in the table", c)
		}
	}
}

// cases are containers of TS 26.143; the golden files show what MIMI makes of them and what comes back.
func cases() map[string]media.Entity {
	text := media.Entity{Type: "text/plain;charset=utf-8", Content: []byte("hello")}
	html := media.Entity{Type: "text/html", ID: "root@x", Content: []byte(`<img src="cid:pic@x"> <img src="cid:pic@x2">`)}
	pic := media.Entity{Type: "image/jpeg", ID: "pic@x", Content: []byte{0xff, 0xd8, 0xff}}
	pic2 := media.Entity{Type: "image/png", ID: "pic@x2", Content: []byte{0x89, 'P'}, Filename: "a.png"}
	return map[string]media.Entity{
		"single":      text,
		"mixed":       {Type: "multipart/mixed", Parts: []media.Entity{text, pic2}},
		"alternative": {Type: "multipart/alternative;boundary=x", Parts: []media.Entity{text, html}},
		"related":     {Type: "multipart/related", Parts: []media.Entity{html, pic, pic2}},
		"parallel":    {Type: "multipart/parallel", Parts: []media.Entity{text, {Type: "audio/mp4", Content: []byte{1}, Optional: true}}},
		"together":    {Type: "multipart/parallel", Parts: []media.Entity{text, {Type: "audio/mp4", Content: []byte{1}}}},
		"of one":      {Type: "multipart/mixed", Parts: []media.Entity{text}},
		"nested": {Type: "multipart/alternative", Parts: []media.Entity{text, {Type: "multipart/mixed", Parts: []media.Entity{html}},
			{Type: "multipart/related", Parts: []media.Entity{html, pic}}}},
		"3gp": {Type: `video/mp4;profile="3gp9"`, Content: []byte{0, 0, 0, 8, 'f', 't', 'y', 'p'}},
	}
}

type golden struct {
	MIMI   string       // content.Text and structure
	Losses []media.Loss `json:",omitempty"`
	Back   media.Entity
}

func TestContainers(t *testing.T) {
	for name, e := range cases() {
		part, losses, err := media.ToMIMI(e)
		if err != nil {
			t.Fatal(name, err)
		}
		back, lost, err := media.FromMIMI(part)
		if err != nil || len(lost) != 0 {
			t.Errorf("%s: %v, %v", name, lost, err)
		}
		got, err := json.MarshalIndent(golden{MIMI: outline(part), Losses: losses, Back: back}, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("testdata", strings.ReplaceAll(name, " ", "-")+".json")
		if *update {
			if err := os.WriteFile(path, append(got, '\n'), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(append(got, '\n'), want) {
			t.Errorf("%s: %v\n%s", name, err, got)
		}
	}
	for name, e := range map[string]media.Entity{
		"signed": {Type: "multipart/signed", Parts: []media.Entity{{Type: "text/plain"}, {Type: "x/y"}}},
		"empty":  {Type: "multipart/mixed"}, "parts of no multipart": {Type: "text/plain", Parts: []media.Entity{{Type: "text/plain"}}},
	} {
		if _, _, err := media.ToMIMI(e); !errors.Is(err, media.ErrContainer) {
			t.Errorf("%s: %v", name, err)
		}
	}
	deep := media.Entity{Type: "text/plain"}
	for range 6 {
		deep = media.Entity{Type: "multipart/mixed", Parts: []media.Entity{deep, {Type: "text/plain"}}}
	}
	if _, _, err := media.ToMIMI(deep); !errors.Is(err, media.ErrContainer) {
		t.Error(err)
	}
	external := content.Part{Body: content.External{URL: "https://a.example/x"}}
	text := content.Part{Body: content.Single{ContentType: "text/plain", Content: []byte("x")}}
	for semantics, want := range map[content.Semantics]bool{content.ProcessAll: true, content.ChooseOne: true, content.SingleUnit: false} {
		e, lost, err := media.FromMIMI(content.Part{Body: content.Multi{Semantics: semantics, Parts: []content.Part{text, external}}})
		if (err == nil) != want || len(lost) != 1 || lost[0] != media.LostExternal || want && len(e.Parts) != 1 {
			t.Errorf("%d: %+v, %v, %v", semantics, e, lost, err)
		}
	}
}

// outline shows a body as text.
func outline(p content.Part) string {
	var b strings.Builder
	for i, part := range p.All() {
		switch body := part.Body.(type) {
		case content.Multi:
			b.WriteString(strings.Join([]string{"", "chooseOne\n", "singleUnit\n", "processAll\n"}[body.Semantics+1:body.Semantics+2], ""))
		case content.Single:
			b.WriteString(string(rune('0'+i)) + " " + body.ContentType + " " + strings.ToValidUTF8(string(body.Content), "?") + "\n")
		}
	}
	return b.String()
}

func picture(w, h int) image.Image {
	p := image.NewRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			p.SetRGBA(x, y, color.RGBA{uint8(x), uint8(y), 100, 255})
		}
	}
	return p
}

func TestPictures(t *testing.T) {
	encode := map[string]func(*bytes.Buffer) error{
		"image/png":  func(b *bytes.Buffer) error { return png.Encode(b, picture(400, 200)) },
		"image/jpeg": func(b *bytes.Buffer) error { return jpeg.Encode(b, picture(400, 200), nil) },
		"image/gif":  func(b *bytes.Buffer) error { return gif.Encode(b, picture(400, 200), nil) },
	}
	for want, f := range encode {
		var b bytes.Buffer
		if err := f(&b); err != nil {
			t.Fatal(err)
		}
		kind, w, h, err := media.Picture(b.Bytes())
		if err != nil || kind != want || w != 400 || h != 200 {
			t.Errorf("%s: %s %d %d, %v", want, kind, w, h, err)
		}
		small, err := media.Thumbnail(b.Bytes(), 100)
		if err != nil {
			t.Fatal(want, err)
		}
		kind, w, h, err = media.Picture(small)
		if err != nil || kind != "image/jpeg" || w != 100 || h != 50 {
			t.Errorf("thumbnail of %s: %s %d %d, %v", want, kind, w, h, err)
		}
		for n := range 20 {
			if _, err := media.Thumbnail(b.Bytes()[:b.Len()*n/40], 100); err == nil && want != "image/gif" {
				t.Errorf("%s cut at %d/40 has a thumbnail", want, n)
			}
		}
	}
	for name, octets := range bombs(t) {
		allocated := testing.AllocsPerRun(1, func() {
			if _, err := media.Thumbnail(octets, 100); !errors.Is(err, media.ErrPicture) {
				t.Errorf("%s: %v", name, err)
			}
		})
		if allocated > 1000 {
			t.Errorf("%s: %v allocations", name, allocated)
		}
	}
	for _, octets := range [][]byte{nil, []byte("GIF89a"), []byte("\xff\xd8\xff"), []byte("<svg/>"), []byte("\x89PNG\r\n\x1a\n")} {
		if _, _, _, err := media.Picture(octets); !errors.Is(err, media.ErrPicture) {
			t.Errorf("%q: %v", octets, err)
		}
	}
}

// bombs are pictures of few octets that claim to be huge.
func bombs(t *testing.T) map[string][]byte {
	t.Helper()
	header := func(w, h uint32) []byte {
		chunk := append([]byte("IHDR"), binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, w), h)...)
		chunk = append(chunk, 8, 6, 0, 0, 0)
		out := append([]byte("\x89PNG\r\n\x1a\n"), 0, 0, 0, 13)
		out = append(out, chunk...)
		return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(chunk))
	}
	return map[string][]byte{
		"a large png": header(1<<31-1, 1<<31-1), "a wide png": header(1<<30, 1), "a tall png": header(1, 40_000), "many pixels": header(25_000, 25_000),
		"a large gif": append([]byte("GIF89a\xff\xff\xff\xff\x00\x00\x00"), 0x3b),
	}
}
