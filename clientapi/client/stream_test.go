package client_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"parley/client"
	"parley/clientapi/api"
	apiclient "parley/clientapi/client"
	"parley/mimitest"
	"parley/uri"
)

// cut ends the body of every stream after some octets, as a lost connection does.
func cut(t apiclient.Transport, after int) apiclient.Transport {
	return func(ctx context.Context, r *apiclient.Request) (*apiclient.Response, error) {
		response, err := t(ctx, r)
		if err == nil && r.Path == api.PathStream {
			response.Body = &short{response.Body, after}
		}
		return response, err
	}
}

type short struct {
	io.ReadCloser
	left int
}

func (s *short) Read(p []byte) (int, error) {
	if s.left == 0 {
		return 0, errors.New("connection lost")
	}
	n, err := s.ReadCloser.Read(p[:min(len(p), s.left)])
	s.left -= n
	return n, err
}

// frames is a stream as the provider writes it.
func frames(t testing.TB, events ...api.Event) []byte {
	t.Helper()
	var out bytes.Buffer
	for i := range events {
		must(t, api.WriteFrame(&out, &events[i]))
	}
	return out.Bytes()
}

var errEnough = errors.New("enough")

// Wherever a stream breaks, in the middle of an event too, the next one goes on behind the last event that came whole.
func TestStreamCutAtEveryOctet(t *testing.T) {
	w := newWorld(t)
	transport, _ := w.serve()
	_, e := w.enrolled(transport)
	want := []string{"one", "", strings.Repeat("three", 30), "four"}
	w.inbox.put(api.Fanout, want...)
	length := len(frames(t, w.inbox.events...))
	if length < 250 {
		t.Fatalf("%d octets", length)
	}
	for at := range length + 1 {
		var got []string
		take := func(e client.Event) error {
			if got = append(got, string(e.Body)); len(got) == len(want) {
				return errEnough
			}
			return nil
		}
		last, err := apiclient.New(cut(transport, at), e.Provider, e.Token).Stream(t.Context(), 0, take)
		if at < length {
			retry(t, err, "a.example")
		}
		if err == nil || len(got) < len(want) {
			if len(got) > 0 && last != client.Cursor(w.inbox.events[len(got)-1].Cursor) || len(got) == 0 && last != 0 {
				t.Fatalf("cut after %d octets: %d events and the cursor %d", at, len(got), last)
			}
			last, err = apiclient.New(transport, e.Provider, e.Token).Stream(t.Context(), last, take)
		}
		if !errors.Is(err, errEnough) || !slices.Equal(got, want) {
			t.Fatalf("cut after %d octets: %q, %v, at %d", at, got, err, last)
		}
	}
	if n := w.inbox.acknowledged(); n != 0 {
		t.Errorf("acknowledged up to %d without being told to", n)
	}
}

// script is a provider that answers streams from a list, and keeps everything else.
type script struct {
	streams []apiclient.Transport
	asked   []string        // queries of streams
	waited  []time.Duration // before each stream, since the one before
	last    time.Time
	acks    []string            // bodies
	ack     apiclient.Transport // answers acknowledgements
}

func (s *script) send(ctx context.Context, r *apiclient.Request) (*apiclient.Response, error) {
	if r.Path == api.PathAck {
		s.acks = append(s.acks, string(r.Body))
		return s.ack(ctx, r)
	}
	s.asked = append(s.asked, r.Query)
	s.waited = append(s.waited, time.Since(s.last))
	s.last = time.Now()
	if len(s.asked) > len(s.streams) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return s.streams[len(s.asked)-1](ctx, r)
}

// follow runs Follow in a bubble until the time is over.
func follow(t *testing.T, s *script, f apiclient.Follow, limit time.Duration) error {
	t.Helper()
	p, err := uri.ProviderFromDomain("a.example")
	must(t, err)
	if s.ack == nil {
		s.ack = answer(204, "", "")
	}
	s.last = time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	err = apiclient.New(s.send, p, "x").Follow(ctx, f)
	synctest.Wait()
	return err
}

func event(cursor uint64, body string) api.Event {
	return api.Event{Cursor: cursor, Room: mimitest.Room, Kind: api.Fanout, Body: []byte(body)}
}

// then is a stream that says something and then nothing until it is given up.
func then(text []byte) apiclient.Transport {
	return func(ctx context.Context, _ *apiclient.Request) (*apiclient.Response, error) {
		r, w := io.Pipe()
		context.AfterFunc(ctx, func() { r.CloseWithError(ctx.Err()) })
		go func() {
			if _, err := w.Write(text); err != nil {
				w.CloseWithError(err)
			}
		}()
		return &apiclient.Response{Status: 200, Body: r}, nil
	}
}

func TestFollowGoesOnOverStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		one, two, three := event(5, "one"), event(9, "two"), event(12, "three")
		whole := string(frames(t, one, two))
		s := &script{streams: []apiclient.Transport{
			answer(200, "", whole[:len(whole)-1]), // breaks off inside of the second event
			unreachable,
			answer(503, "100", ""),
			answer(200, "", string(frames(t, two))), // the provider ends it
			then(frames(t, three)),                  // falls silent
			then(nil),                               // is silent
		}}
		var got []string
		var told []bool
		err := follow(t, s, apiclient.Follow{
			After:  2,
			Handle: func(e client.Event) error { got = append(got, string(e.Body)); return nil },
			Down:   func(err error) { told = append(told, err != nil) },
		}, time.Hour)
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if !slices.Equal(got, []string{"one", "two", "three"}) {
			t.Errorf("handed over %q", got)
		}
		if want := []string{"after=2", "after=5", "after=5", "after=5", "after=9", "after=12", "after=12"}; !slices.Equal(s.asked[:7], want) {
			t.Errorf("asked for %q", s.asked)
		}
		if want := []string{`{"cursor":9}`, `{"cursor":12}`}; !slices.Equal(s.acks, want) {
			t.Errorf("acknowledged %q", s.acks)
		}
		if want := []bool{true, true, true, false, true, false, true, false, true, true}; !slices.Equal(told[:10], want) {
			t.Errorf("told %v", told)
		}
		within := func(i int, from, to time.Duration) {
			t.Helper()
			if d := s.waited[i]; d < from || d > to {
				t.Errorf("stream %d after %v", i, d)
			}
		}
		within(1, 250*time.Millisecond, 750*time.Millisecond)
		within(2, 500*time.Millisecond, 1500*time.Millisecond)
		within(3, 100*time.Second, 100*time.Second) // as it was told to
		within(4, 250*time.Millisecond, 750*time.Millisecond)
		within(5, 60*time.Second, 61*time.Second) // three heartbeats are missing
	})
}

// A stream on which nothing but heartbeats comes stays open.
func TestFollowKeepsAQuietStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		beating := func(ctx context.Context, _ *apiclient.Request) (*apiclient.Response, error) {
			r, w := io.Pipe()
			go func() {
				for {
					select {
					case <-time.After(api.Heartbeat * time.Second):
					case <-ctx.Done():
						w.CloseWithError(ctx.Err())
						return
					}
					if _, err := w.Write([]byte{0}); err != nil {
						return
					}
				}
			}()
			return &apiclient.Response{Status: 200, Body: r}, nil
		}
		s := &script{streams: []apiclient.Transport{beating}}
		if err := follow(t, s, apiclient.Follow{}, time.Hour); !errors.Is(err, context.DeadlineExceeded) || len(s.asked) != 1 {
			t.Errorf("%v after %d streams", err, len(s.asked))
		}
	})
}

// Without a provider Follow tries again and again, ever more rarely, and tells once more each time why.
func TestFollowBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{}
		for range 200 {
			s.streams = append(s.streams, unreachable)
		}
		if err := follow(t, s, apiclient.Follow{}, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if n := len(s.asked); n < 70 || n > 200 {
			t.Errorf("%d tries in an hour", n)
		}
		for i, d := range s.waited {
			if d > 45*time.Second || i > 10 && d < 15*time.Second {
				t.Errorf("try %d after %v", i, d)
			}
		}
	})
}

// A provider that takes a stream and drops it at once is not asked every half second for ever.
func TestFollowBacksOffFromEmptyStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &script{}
		for range 300 {
			s.streams = append(s.streams, answer(200, "", ""))
		}
		if err := follow(t, s, apiclient.Follow{}, time.Hour); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if n := len(s.asked); n > 200 {
			t.Errorf("%d streams in an hour", n)
		}
	})
}

func TestFollowEnds(t *testing.T) {
	one := event(5, "one")
	for name, c := range map[string]struct {
		stream apiclient.Transport
		ack    apiclient.Transport
		handle error
		want   func(error) bool
	}{
		"refused":                   {answer(401, "", `{"code":"unauthenticated"}`), nil, nil, isRefusal(api.Unauthenticated)},
		"acknowledgement refused":   {answer(200, "", string(frames(t, one))), answer(401, "", `{"code":"unauthenticated"}`), nil, isRefusal(api.Unauthenticated)},
		"event could not be stored": {answer(200, "", string(frames(t, one))), nil, errEnough, func(err error) bool { return errors.Is(err, errEnough) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &script{streams: []apiclient.Transport{c.stream}, ack: c.ack}
				err := follow(t, s, apiclient.Follow{Handle: func(client.Event) error { return c.handle }}, time.Hour)
				if !c.want(err) || len(s.asked) != 1 {
					t.Errorf("%v after %d streams", err, len(s.asked))
				}
				if c.handle != nil && len(s.acks) != 0 {
					t.Errorf("acknowledged %q", s.acks)
				}
			})
		})
	}
}

func isRefusal(code api.Code) func(error) bool {
	return func(err error) bool {
		var e *api.Error
		return errors.As(err, &e) && e.Code == code && !errors.As(err, new(*client.RetryError))
	}
}

// Acknowledgements that fail are made up for by the next one.
func TestFollowAcknowledgesLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failures := 2
		s := &script{
			streams: []apiclient.Transport{
				answer(200, "", string(frames(t, event(5, "one")))),
				answer(200, "", string(frames(t, event(6, "two")))),
				answer(200, "", "\x00"), // a heartbeat
				answer(200, "", "\x00"),
			},
			ack: func(ctx context.Context, r *apiclient.Request) (*apiclient.Response, error) {
				if failures--; failures >= 0 {
					return nil, errors.New("connection lost")
				}
				return answer(204, "", "")(ctx, r)
			},
		}
		if err := follow(t, s, apiclient.Follow{Handle: func(client.Event) error { return nil }}, time.Minute); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		if want := []string{`{"cursor":5}`, `{"cursor":6}`, `{"cursor":6}`}; !slices.Equal(s.acks, want) {
			t.Errorf("acknowledged %q", s.acks)
		}
	})
}

// Many events in a row are acknowledged now and then, and all at the end.
func TestFollowAcknowledgesInGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var all []api.Event
		for i := range 200 {
			all = append(all, event(uint64(i+1), strings.Repeat("x", 5)))
		}
		s := &script{streams: []apiclient.Transport{answer(200, "", string(frames(t, all...)))}}
		handled := 0
		err := follow(t, s, apiclient.Follow{Handle: func(client.Event) error {
			for _, ack := range s.acks {
				var said api.Ack
				if err := json.Unmarshal([]byte(ack), &said); err != nil || said.Cursor > uint64(handled) {
					t.Errorf("%s after %d events, %v", ack, handled, err)
				}
			}
			handled++
			return nil
		}}, time.Minute)
		if !errors.Is(err, context.DeadlineExceeded) || handled != 200 {
			t.Fatalf("%d events, %v", handled, err)
		}
		if n := len(s.acks); n < 3 || n > 8 || s.acks[n-1] != `{"cursor":200}` {
			t.Errorf("acknowledged %q", s.acks)
		}
	})
}

func TestStreamRefuses(t *testing.T) {
	for name, body := range map[string][]byte{
		"an event twice":            frames(t, event(5, "one"), event(5, "one")),
		"events out of order":       frames(t, event(5, "one"), event(4, "two")),
		"an event seen before":      frames(t, event(3, "old")),
		"what is no event":          {3, 1, 2, 3},
		"a length beyond bounds":    {0xbf, 0xff, 0xff, 0xff},
		"a length not the shortest": {0x40, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			handled := 0
			c := apiclient.New(answer(200, "", string(body)), uri.Provider{}, "x")
			last, err := c.Stream(t.Context(), 3, func(client.Event) error { handled++; return nil })
			retry(t, err, "")
			if handled > 1 || last != client.Cursor(3+2*handled) {
				t.Errorf("%d events, cursor %d", handled, last)
			}
		})
	}
}

// Kinds of later versions move the cursor.
func TestStreamPassesOverUnknownKinds(t *testing.T) {
	later := event(7, "of a later version")
	later.Kind = 200
	var got []string
	c := apiclient.New(answer(200, "", string(frames(t, later, event(9, "one"), event(11, "two")))), uri.Provider{}, "x")
	last, err := c.Stream(t.Context(), 0, func(e client.Event) error { got = append(got, string(e.Body)); return nil })
	if err != nil || last != 11 || !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("%q, %d, %v", got, last, err)
	}
}
