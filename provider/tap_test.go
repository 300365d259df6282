package provider_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"net"
	"strings"
	"sync"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// tap keeps every octet that goes over the connections of a listener, as a wiretap would, and the TLS secrets of its server.
type tap struct {
	net.Listener
	keys shared

	mu    sync.Mutex
	conns []*tapped
}

// tapOn puts a tap on a node's federation listener. It is called before the node starts.
func tapOn(n *node) *tap {
	w := &tap{Listener: n.listeners["federation"]}
	n.listeners["federation"] = w
	n.keys = &w.keys
	return w
}

func (w *tap) Accept() (net.Conn, error) {
	conn, err := w.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &tapped{Conn: conn}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns = append(w.conns, c)
	return c, nil
}

// tapped is one connection: what came in and what went out.
type tapped struct {
	net.Conn
	in, out shared
}

func (c *tapped) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if _, err := c.in.Write(b[:n]); err != nil {
		return n, err
	}
	return n, err
}

func (c *tapped) Write(b []byte) (int, error) {
	if _, err := c.out.Write(b); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}

// heard is one side of a connection: the octets as they were on the wire, and what they say.
type heard struct {
	raw, plain []byte
	bodies     [][]byte // of HTTP/2, by stream
	headers    string
}

// all is what was heard up to now. Records that have not come whole are left out.
func (w *tap) all(t *testing.T) (out []heard) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	secrets := make(map[string][]byte) // by label and client random
	for _, line := range strings.Split(w.keys.String(), "\n") {
		if f := strings.Fields(line); len(f) == 3 {
			secret, err := hex.DecodeString(f[2])
			secrets[f[0]+" "+f[1]] = must(t, secret, err)
		}
	}
	for _, c := range w.conns {
		in, out1 := []byte(c.in.String()), []byte(c.out.String())
		if len(in) < 43 || in[0] != 22 {
			continue // nobody has said hello yet
		}
		random := hex.EncodeToString(in[11:43]) // record, handshake, version
		for _, side := range []struct {
			name string
			raw  []byte
		}{{"CLIENT", in}, {"SERVER", out1}} {
			h := heard{raw: side.raw}
			keys := [][]byte{secrets[side.name+"_HANDSHAKE_TRAFFIC_SECRET "+random], secrets[side.name+"_TRAFFIC_SECRET_0 "+random]}
			if keys[1] != nil {
				h.plain = opened(t, side.raw, keys)
				h.bodies, h.headers = spoken(t, h.plain)
			}
			out = append(out, h)
		}
	}
	return out
}

// opener decrypts the records of one traffic secret (RFC 8446 §5).
type opener struct {
	aead cipher.AEAD
	iv   []byte
	seq  uint64
}

func openers(t *testing.T, secret []byte) (out []*opener) {
	t.Helper()
	for _, s := range []struct {
		hash func() hash.Hash
		key  int
		make func([]byte) (cipher.AEAD, error)
	}{{sha256.New, 16, gcm}, {sha512.New384, 32, gcm}, {sha256.New, 32, chacha20poly1305.New}} {
		if s.hash().Size() != len(secret) {
			continue
		}
		expand := func(label string, n int) []byte {
			label = "tls13 " + label
			info := append(binary.BigEndian.AppendUint16(nil, uint16(n)), byte(len(label)))
			octets, err := hkdf.Expand(s.hash, secret, string(append(append(info, label...), 0)), n)
			return must(t, octets, err)
		}
		aead, err := s.make(expand("key", s.key))
		out = append(out, &opener{aead: must(t, aead, err), iv: expand("iv", 12)})
	}
	return out
}

func gcm(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

func (o *opener) open(record []byte) ([]byte, error) {
	nonce := bytes.Clone(o.iv)
	for i := range 8 {
		nonce[4+i] ^= byte(o.seq >> (56 - 8*i))
	}
	plain, err := o.aead.Open(nil, nonce, record[5:], record[:5])
	if err == nil {
		o.seq++
	}
	return plain, err
}

// opened decrypts one direction: first under the handshake's secret, from some record on under the application's.
func opened(t *testing.T, raw []byte, secrets [][]byte) (plain []byte) {
	t.Helper()
	stages := [][]*opener{openers(t, secrets[0]), openers(t, secrets[1])}
	for len(raw) >= 5 && len(raw) >= 5+int(binary.BigEndian.Uint16(raw[3:])) {
		n := 5 + int(binary.BigEndian.Uint16(raw[3:]))
		record := raw[:n]
		raw = raw[n:]
		if record[0] != 23 {
			continue // hello, or the old change_cipher_spec
		}
		inner, ok := first(stages[0], record)
		if !ok && len(stages) > 1 {
			stages = stages[1:]
			inner, ok = first(stages[0], record)
		}
		if !ok {
			t.Fatal("a record cannot be opened with the server's own secrets")
		}
		inner = bytes.TrimRight(inner, "\x00")
		if kind := inner[len(inner)-1]; kind == 23 {
			plain = append(plain, inner[:len(inner)-1]...)
		}
	}
	return plain
}

func first(list []*opener, record []byte) ([]byte, bool) {
	for _, o := range list {
		if plain, err := o.open(record); err == nil {
			return plain, true
		}
	}
	return nil, false
}

// block reads a piece of a block of header fields.
func block(d *hpack.Decoder, piece []byte, last bool) error {
	_, err := d.Write(piece)
	if err == nil && last {
		err = d.Close()
	}
	return err
}

// spoken reads HTTP/2: bodies without the frames around them, and header fields without their Huffman code.
func spoken(t *testing.T, plain []byte) (bodies [][]byte, headers string) {
	t.Helper()
	plain = bytes.TrimPrefix(plain, []byte(http2.ClientPreface))
	framer := http2.NewFramer(nil, bytes.NewReader(plain))
	framer.SetMaxReadFrameSize(1 << 24)
	var text strings.Builder
	decoder := hpack.NewDecoder(1<<16, func(f hpack.HeaderField) { fmt.Fprintf(&text, "%s: %s\n", f.Name, f.Value) })
	by := make(map[uint32]int)
	for {
		f, err := framer.ReadFrame()
		if err != nil {
			return bodies, text.String() // the last one has not come whole
		}
		switch f := f.(type) {
		case *http2.DataFrame:
			if _, ok := by[f.StreamID]; !ok {
				by[f.StreamID] = len(bodies)
				bodies = append(bodies, nil)
			}
			bodies[by[f.StreamID]] = append(bodies[by[f.StreamID]], f.Data()...)
		case *http2.HeadersFrame:
			err = block(decoder, f.HeaderBlockFragment(), f.HeadersEnded())
		case *http2.ContinuationFrame:
			err = block(decoder, f.HeaderBlockFragment(), f.HeadersEnded())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}
