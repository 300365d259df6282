package provider_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"parley/client"
	"parley/mimi"
	"parley/mls/wire"
	"parley/syntax"
)

// variants are the forms in which a text could stand somewhere.
func variants(text string) map[string][]byte {
	out := map[string][]byte{
		"as it is": []byte(text), "hexadecimal": []byte(hex.EncodeToString([]byte(text))),
		"HEXADECIMAL": []byte(strings.ToUpper(hex.EncodeToString([]byte(text)))),
	}
	var little, big []byte
	for _, u := range utf16.Encode([]rune(text)) {
		little = append(little, byte(u), byte(u>>8))
		big = append(big, byte(u>>8), byte(u))
	}
	out["UTF-16LE"], out["UTF-16BE"] = little, big
	for shift := range 3 { // base64 looks different at each place modulo 3; its first and last group may be shared with others
		inner := []byte(text)[shift : shift+(len(text)-shift)/3*3]
		out["base64 "+string(rune('0'+shift))] = []byte(base64.StdEncoding.EncodeToString(inner))
		out["base64url "+string(rune('0'+shift))] = []byte(base64.URLEncoding.EncodeToString(inner))
	}
	return out
}

// findings says where a text stands in what was heard, stored and logged.
func findings(t *testing.T, text string, taps []*tap, nodes ...*node) (found []string) {
	t.Helper()
	look := func(where string, in []byte) {
		for form, v := range variants(text) {
			if bytes.Contains(in, v) {
				found = append(found, where+", "+form)
			}
		}
	}
	for _, w := range taps {
		for _, h := range w.all(t) {
			look("on the wire", h.raw)
			look("inside of TLS", h.plain)
			look("in header fields", []byte(h.headers))
			for _, body := range h.bodies {
				look("in a body", body)
			}
		}
	}
	for _, n := range nodes {
		look("in the log of "+n.domain, []byte(n.log.String()))
		look("in the trace of "+n.domain, []byte(n.trace.String()))
		files, err := filepath.Glob(filepath.Join(n.dir, "parley.db*"))
		for _, f := range must(t, files, err) {
			octets, err := os.ReadFile(f)
			look("in the store of "+n.domain, must(t, octets, err))
		}
	}
	return found
}

// nextMessage is the next message that waits for the device, as it came.
func (d *device) nextMessage() wire.PrivateMessage {
	d.t.Helper()
	for after := client.Cursor(0); ; {
		events, err := d.api.Events(d.t.Context(), after, 5*time.Second)
		if len(must(d.t, events, err)) == 0 {
			d.t.Fatal("no message comes")
		}
		for _, e := range events {
			var m mimi.FanoutMessage
			if err := syntax.Unmarshal(e.Body, &m); err != nil {
				d.t.Fatal(err)
			}
			if m.Message.Private != nil && m.Message.Private.Type == wire.ApplicationContent {
				return *m.Message.Private
			}
			after = e.Cursor
		}
	}
}

// Nothing that people write is in any octet that two real providers exchange over real TLS: neither on the wire, nor in what the
// providers themselves can read there, nor in what they store and log. That the scan would find it is shown with a client that leaks.
func TestCanaries(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "a.example", "b.example")
	a, b := w.nodes["a.example"], w.nodes["b.example"]
	a.onDisk()
	b.onDisk()
	taps := []*tap{tapOn(a), tapOn(b)}
	w.startAll()
	alice, bob := a.enrol("alice", "phone"), b.enrol("bob", "phone")
	canaries := []string{"canary of alice 8f1c2d", "canary of bob 77aa01 äöü", "canary answer 5d5d5d"}
	const name = "canary name of the room 4242"
	at := newRoom(t, a, "clubhouse")
	if err := alice.Create(t.Context(), at, name); err != nil {
		t.Fatal(err)
	}
	if _, err := alice.Add(t.Context(), at, bob.Account().User); err != nil {
		t.Fatal(err)
	}
	alice.flush()
	bob.sees(at, client.EntryJoined, bob.Account().User)
	alice.sees(at, client.EntryJoined, bob.Account().User)
	var sealed wire.PrivateMessage
	for i, from := range []*device{alice, bob, alice} {
		to := map[*device]*device{alice: bob, bob: alice}[from]
		from.say(at, canaries[i])
		from.flush()
		if to == bob {
			sealed = bob.nextMessage()
		}
		to.hears(at, canaries[i])
	}

	for _, text := range canaries {
		if found := findings(t, text, taps, a, b); len(found) > 0 {
			t.Errorf("a message stands %s", strings.Join(found, "; "))
		}
	}
	// The room's name is for members and for the hub, which keeps the room's state; its follower gets it sealed to the newcomer only.
	if found := findings(t, name, taps, b); len(found) > 0 {
		t.Errorf("the room's name stands %s", strings.Join(found, "; "))
	}

	// The scan reads what there is to be read: bodies and header fields, but not on the wire.
	for text, want := range map[string]string{bob.Account().User.String(): "in a body", "a.example": "in header fields"} {
		found := strings.Join(findings(t, text, taps), "; ")
		if !strings.Contains(found, want) || !strings.Contains(found, "inside of TLS") && want == "in a body" {
			t.Errorf("what has to be there is not found %s: %s", want, found)
		}
	}

	// A client that does not encrypt is found, at both providers and between them, inside of TLS only.
	const leak = "canary of a leak c0ffee"
	sealed.Ciphertext = []byte(leak)
	message := wire.Message{Version: wire.MLS10, Format: wire.PrivateMessageFormat, Private: &sealed}
	answers, err := bob.api.SubmitMessages(t.Context(), at, []*mimi.SubmitMessageRequest{
		{Protocol: mimi.MLS10, Message: message, SendingURI: bob.Account().User.String()}})
	if must(t, answers, err)[0].Code != mimi.SubmitAccepted {
		t.Fatalf("refused: %d", answers[0].Code)
	}
	alice.until(at, "a gap", func(e client.Entry) bool { return e.Kind == client.EntryGap })
	found := strings.Join(findings(t, leak, taps, a, b), "; ")
	for _, where := range []string{"inside of TLS, as it is", "in a body, as it is", "in the store of a.example", "in the store of b.example"} {
		if !strings.Contains(found, where) {
			t.Errorf("a planted leak is not found %s: %s", where, found)
		}
	}
	if strings.Contains(found, "on the wire") {
		t.Error("TLS hides nothing")
	}
}
