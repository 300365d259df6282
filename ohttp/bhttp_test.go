package ohttp

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
)

// The examples of RFC 9292 §5.
const (
	knownExample = `
00034745 54056874 74707300 0a2f6865 6c6c6f2e 74787440 6c0a7573 65722d61 67656e74 34637572 6c2f372e 31362e33
206c6962 6375726c 2f372e31 362e3320 4f70656e 53534c2f 302e392e 376c207a 6c69622f 312e322e 3304686f 73740f77
77772e65 78616d70 6c652e63 6f6d0f61 63636570 742d6c61 6e677561 67650665 6e2c206d 690000`
	openExample = `
02034745 54056874 74707300 0a2f6865 6c6c6f2e 7478740a 75736572 2d616765 6e743463 75726c2f 372e3136 2e33206c
69626375 726c2f37 2e31362e 33204f70 656e5353 4c2f302e 392e376c 207a6c69 622f312e 322e3304 686f7374 0f777777
2e657861 6d706c65 2e636f6d 0f616363 6570742d 6c616e67 75616765 06656e2c 206d6900 00000000 00000000 00000000`
	openResponseExample = `
03406607 72756e6e 696e670a 22736c65 65702031 35220040 67046c69 6e6b233c 2f737479 6c652e63 73733e3b 2072656c
3d707265 6c6f6164 3b206173 3d737479 6c65046c 696e6b24 3c2f7363 72697074 2e6a733e 3b207265 6c3d7072 656c6f61
643b2061 733d7363 72697074 0040c804 64617465 1d4d6f6e 2c203237 204a756c 20323030 39203132 3a32383a 35332047
4d540673 65727665 72064170 61636865 0d6c6173 742d6d6f 64696669 65641d57 65642c20 3232204a 756c2032 30303920
31393a31 353a3536 20474d54 04657461 67142233 34616133 38372d64 2d313536 38656230 30220d61 63636570 742d7261
6e676573 05627974 65730e63 6f6e7465 6e742d6c 656e6774 68023531 04766172 790f4163 63657074 2d456e63 6f64696e
670c636f 6e74656e 742d7479 70650a74 6578742f 706c6169 6e003348 656c6c6f 20576f72 6c642120 4d792063 6f6e7465
6e742069 6e636c75 64657320 61207472 61696c69 6e672043 524c462e 0d0a0000`
	chunkedExample = `
0140c800 1d546869 7320636f 6e74656e 7420636f 6e746169 6e732043 524c462e 0d0a0d07 74726169 6c657204 74657874`
)

func TestBinaryHTTP(t *testing.T) {
	t.Run("P-OH-08 the examples of RFC 9292", func(t *testing.T) {
		known, err := DecodeRequest(unhex(t, knownExample))
		if err != nil {
			t.Fatal(err)
		}
		open, err := DecodeRequest(unhex(t, openExample))
		if err != nil || !reflect.DeepEqual(known, open) {
			t.Errorf("%+v and %+v, %v", known, open, err)
		}
		if known.Path != "/hello.txt" || len(known.Header) != 3 || Get(known.Header, "accept-language") != "en, mi" {
			t.Errorf("%+v", known)
		}
		if got := known.Encode(); !bytes.Equal(got, unhex(t, knownExample)) {
			t.Errorf("%x", got)
		}
		response, err := DecodeResponse(unhex(t, openResponseExample))
		if err != nil || response.Status != 200 || len(response.Content) != 51 || Get(response.Header, "vary") != "Accept-Encoding" {
			t.Errorf("%+v, %v", response, err)
		}
		chunked, err := DecodeResponse(unhex(t, chunkedExample))
		if err != nil || string(chunked.Content) != "This content contains CRLF.\r\n" || Get(chunked.Trailer, "trailer") != "text" {
			t.Errorf("%+v, %v", chunked, err)
		}
		if got := chunked.Encode(); !bytes.Equal(got, unhex(t, chunkedExample)) {
			t.Errorf("%x", got)
		}
	})
	t.Run("P-OH-08 a message ends only where a section does", func(t *testing.T) {
		for name, c := range map[string]struct {
			octets string
			ends   map[int]bool // how much may be cut off
		}{
			"known": {knownExample, map[int]bool{1: true, 2: true}},
			"open":  {openExample, map[int]bool{1: true, 2: true, 3: true, 4: true, 5: true, 6: true, 7: true, 8: true, 9: true, 10: true, 11: true, 12: true}},
		} {
			all := unhex(t, c.octets)
			whole, err := DecodeRequest(all)
			if err != nil {
				t.Fatal(err)
			}
			control := 1 + 4 + 6 + 1 + 11 // behind it, too, the rest may be missing
			for n := 1; n <= len(all); n++ {
				got, err := DecodeRequest(all[:len(all)-n])
				switch {
				case c.ends[n]:
					if err != nil || !reflect.DeepEqual(got, whole) {
						t.Errorf("%s without %d: %v", name, n, err)
					}
				case len(all)-n == control:
					if err != nil || len(got.Header) != 0 {
						t.Errorf("%s, control data alone: %v", name, err)
					}
				default:
					if !errors.Is(err, ErrMessage) {
						t.Errorf("%s without %d: %+v, %v", name, n, got, err)
					}
				}
			}
		}
		if _, err := DecodeRequest(append(unhex(t, knownExample), 0, 0, 1)); !errors.Is(err, ErrMessage) {
			t.Error("padding that is not zero")
		}
		if _, err := DecodeRequest(append(unhex(t, knownExample), make([]byte, 50)...)); err != nil {
			t.Error("padding")
		}
	})
	field := func(name, value string) []byte {
		return (&Request{Method: "GET", Scheme: "https", Authority: "a.example", Path: "/", Header: []Field{{name, value}}}).Encode()
	}
	if _, err := DecodeRequest(field("range", "bytes=0-1")); err != nil {
		t.Error(err)
	}
	upper := bytes.Replace(field("range", "x"), []byte("range"), []byte("Range"), 1)
	for name, b := range map[string][]byte{
		"no octets": nil, "a response": {1, 0x40, 0xc8}, "framing 4": {4}, "a long claim": {0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
		"a line end": field("x", "a\r\nb"), "NUL": field("x", "a\x00"), "space around": field("x", " a"), "pseudo-field": field(":path", "/x"),
		"space in a name": field("a b", "c"), "upper case": upper,
		"space in the path": (&Request{Method: "GET", Scheme: "https", Authority: "a", Path: "/ x"}).Encode(),
		"no method":         (&Request{Scheme: "https", Authority: "a", Path: "/"}).Encode(),
	} {
		if got, err := DecodeRequest(b); !errors.Is(err, ErrMessage) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
	for _, status := range []int{0, 99, 600} {
		if _, err := DecodeResponse((&Response{Status: status}).Encode()); !errors.Is(err, ErrMessage) {
			t.Errorf("status %d", status)
		}
	}
}

func FuzzBinaryHTTP(f *testing.F) {
	for _, s := range []string{knownExample, openExample, openResponseExample, chunkedExample} {
		f.Add(unhex(f, s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := DecodeRequest(b); err == nil {
			again, err := DecodeRequest(r.Encode())
			if err != nil || again.Method != r.Method || !bytes.Equal(again.Content, r.Content) || len(again.Header) != len(r.Header) {
				t.Errorf("%+v, %v", again, err)
			}
		}
		if r, err := DecodeResponse(b); err == nil {
			if again, err := DecodeResponse(r.Encode()); err != nil || again.Status != r.Status || !bytes.Equal(again.Content, r.Content) {
				t.Errorf("%+v, %v", again, err)
			}
		}
	})
}
