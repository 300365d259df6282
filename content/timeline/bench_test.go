package timeline_test

import (
	"testing"

	"parley/content"
	"parley/content/timeline"
)

// BenchmarkTimeline takes in 10,000 messages of a lively room and shows the last 50.
func BenchmarkTimeline(b *testing.B) {
	var all []sent
	c := &chat{rights: timeline.Usual}
	c.setUp(b)
	config := c.config()
	for n := range 10000 {
		who := c.users()[n%3]
		m := c.text(who, "hello there, how are you?")
		if n > 10 {
			switch n % 10 {
			case 1:
				m = c.reply(who, all[n-5].ID, "fine")
			case 2, 3:
				m = c.reaction(who, all[n-5].ID, "\u2764")
			case 4:
				m = c.edit(who, all[n-3], "hello!")
			}
		}
		all = append(all, c.encode(b, who, m))
	}
	b.Run("add", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			t := timeline.New(config)
			for _, s := range all {
				if _, err := t.Add(s.Event); err != nil {
					b.Fatal(err)
				}
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(all)), "ns/message")
	})
	t := timeline.New(config)
	for _, s := range all {
		if _, err := t.Add(s.Event); err != nil {
			b.Fatal(err)
		}
	}
	b.Run("show-50", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			n := 0
			for range t.Before(content.Position{Accepted: 1 << 62}, c.now) {
				if n++; n == 50 {
					break
				}
			}
		}
	})
}
