package api

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"testing"

	"parley/syntax/syntaxtest"
)

func TestFramesComeBackInOrderWithHeartbeats(t *testing.T) {
	var buf bytes.Buffer
	sent := []*Event{
		{Cursor: 1, Room: "mimi://a.example/r/x", Kind: Fanout, Timestamp: 5, Body: []byte("short")},
		nil,
		{Cursor: 2, Room: "mimi://a.example/r/x", Kind: Fanout, Timestamp: 6, Body: bytes.Repeat([]byte{7}, 1<<15)},
	}
	for _, e := range sent {
		if err := WriteFrame(&buf, e); err != nil {
			t.Fatal(err)
		}
	}
	r := bufio.NewReader(&buf)
	for i, want := range sent {
		got, err := ReadFrame(r)
		if err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
		if (got == nil) != (want == nil) {
			t.Fatalf("frame %d: got %v, want %v", i, got, want)
		}
		if want != nil && (got.Cursor != want.Cursor || !bytes.Equal(got.Body, want.Body)) {
			t.Fatalf("frame %d came back changed", i)
		}
	}
	if _, err := ReadFrame(r); !errors.Is(err, io.EOF) {
		t.Fatalf("after the last frame: %v", err)
	}
}

func TestReadFrameRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		in   []byte
		want error
	}{
		"length prefix of eight octets": {[]byte{0xc0, 0, 0, 0, 0, 0, 0, 1}, ErrFrame},
		"length not in shortest form":   {[]byte{0x40, 0x01, 0x00}, ErrFrame},
		"length bomb":                   {[]byte{0xbf, 0xff, 0xff, 0xff}, ErrFrame},
		"end inside the length":         {[]byte{0x40}, io.ErrUnexpectedEOF},
		"end inside the event":          {[]byte{0x20, 1, 2, 3}, io.ErrUnexpectedEOF},
		"not an event":                  {[]byte{0x03, 1, 2, 3}, ErrFrame},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ReadFrame(bufio.NewReader(bytes.NewReader(c.in))); !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestEveryCodeHasItsStatus(t *testing.T) {
	seen := make(map[int]bool)
	for _, code := range Codes() {
		status := code.Status()
		if seen[status] || (status == 500) != (code == Internal) {
			t.Errorf("%s: %d", code, status)
		}
		seen[status] = true
		if e := (&Error{Code: code}); e.Temporary() != (status/100 == 5 || status == 429) {
			t.Errorf("%s with the status %d: temporary %v", code, status, e.Temporary())
		}
	}
	if Code("new").Status() != 500 {
		t.Error("an unknown code must count as internal")
	}
}

func TestWriteFrameRefusesWhatReadFrameWould(t *testing.T) {
	var buf bytes.Buffer
	if err := WriteFrame(&buf, &Event{Body: make([]byte, MaxFrame)}); !errors.Is(err, ErrFrame) || buf.Len() > 0 {
		t.Fatalf("%v, %d octets written", err, buf.Len())
	}
}

func FuzzEvents(f *testing.F) { syntaxtest.RoundTrip[Events](f) }

func FuzzKeyPackages(f *testing.F) { syntaxtest.RoundTrip[KeyPackages](f) }

func FuzzCreateRoom(f *testing.F) { syntaxtest.RoundTrip[CreateRoom](f) }

// FuzzReadFrame requires that the frames read from a stream are the octets that WriteFrame writes for them.
func FuzzReadFrame(f *testing.F) {
	f.Add([]byte{0, 0})
	f.Add([]byte{0xbf, 0xff, 0xff, 0xff})
	var seed bytes.Buffer
	if err := WriteFrame(&seed, &Event{Cursor: 1, Room: "r", Kind: Fanout, Body: []byte("x")}); err != nil {
		f.Fatal(err)
	}
	f.Add(seed.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bufio.NewReader(bytes.NewReader(data))
		var out bytes.Buffer
		for {
			e, err := ReadFrame(r)
			if err != nil {
				break
			}
			if err := WriteFrame(&out, e); err != nil {
				t.Fatal(err)
			}
		}
		if !bytes.HasPrefix(data, out.Bytes()) {
			t.Fatalf("read %x and wrote %x", data, out.Bytes())
		}
	})
}
