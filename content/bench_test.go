package content_test

import (
	"testing"
	"time"

	"parley/content"
)

func BenchmarkEncode(b *testing.B) {
	m := examples(b)[0].message
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.Encode(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for _, at := range []int{0, 13} { // one part, eleven parts
		e := examples(b)[at]
		encoded, err := e.message.Encode()
		if err != nil {
			b.Fatal(err)
		}
		b.Run(e.file, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(encoded)))
			for b.Loop() {
				if _, err := content.Decode(encoded); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkID(b *testing.B) {
	m := examples(b)[0].message
	encoded, err := m.Encode()
	if err != nil {
		b.Fatal(err)
	}
	sender, _ := m.Sender()
	hub, _ := m.Room()
	alice, at := user(b, sender), room(b, hub)
	b.ReportAllocs()
	for b.Loop() {
		content.ID(alice, at, encoded, m.Salt)
	}
}

// BenchmarkReceipts tells the octets of content that the reports of a room of 100 people are for each message, when they are read one
// by one and when they come faster than reports go out.
func BenchmarkReceipts(b *testing.B) {
	alice, hub := user(b, "mimi://a.example/u/alice"), room(b, "mimi://hub.example/r/room")
	for _, c := range []struct {
		name   string
		report int // messages that one report is about
	}{{"single", 1}, {"batch", 256}} {
		b.Run(c.name, func(b *testing.B) {
			size := 0
			for b.Loop() {
				var batch content.StatusBatch
				for n := range c.report {
					batch.Note(content.MessageID{1, byte(n)}, content.StatusRead)
				}
				encoded, err := content.NewStatus([16]byte{}, alice, hub, batch.Take(time.Unix(1, 0))).Encode()
				if err != nil {
					b.Fatal(err)
				}
				size = len(encoded)
			}
			b.ReportMetric(float64(99*size)/float64(c.report), "octets/message")
		})
	}
}
