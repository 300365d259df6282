package client_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"parley/client"
	"parley/mimi"
	"parley/uri"
)

// counter notes how many messages come in each request and answers as many of them as it is told to.
type counter struct {
	client.Provider
	requests []int
	octets   [][]byte // ciphertexts
	most     int      // answers to a request; 0: all
	fail     error
}

func (p *counter) SubmitMessages(ctx context.Context, at uri.Room, list []*mimi.SubmitMessageRequest) ([]*mimi.SubmitMessageResponse, error) {
	p.requests = append(p.requests, len(list))
	for _, r := range list {
		p.octets = append(p.octets, r.Message.Private.Ciphertext)
	}
	if p.fail != nil {
		return nil, p.fail
	}
	if p.most > 0 {
		list = list[:min(p.most, len(list))]
	}
	return p.Provider.SubmitMessages(ctx, at, list)
}

func TestMessagesGoTogether(t *testing.T) {
	c := newCircle(t)
	p := new(counter)
	c.cathy.Between = func(inner client.Provider) client.Provider {
		p.Provider = inner
		return p
	}
	c.cathy.Reopen()
	flush := func() {
		t.Helper()
		_, err := c.cathy.Flush(t.Context())
		c.must(err)
	}
	var want []string
	write := func(n int) {
		for range n {
			want = append(want, fmt.Sprint(len(want)+1))
			c.send(c.cathy, want[len(want)-1])
		}
	}
	asked := func(requests ...int) {
		t.Helper()
		if !slices.Equal(p.requests, requests) {
			t.Errorf("requests of %v messages, want %v", p.requests, requests)
		}
		p.requests = nil
		c.Work()
		if got := c.texts(c.alice); !slices.Equal(got, want) {
			t.Errorf("Alice reads %q", got)
		}
	}
	c.Run("what waits is one request, up to its bound", func(t *testing.T) {
		write(client.MostTogether + 3)
		flush()
		asked(client.MostTogether, 3)
	})
	c.Run("what got no verdict is sent again at once", func(t *testing.T) {
		p.most = 2
		write(5)
		flush()
		asked(5, 3, 1)
		p.most = 0
	})
	c.Run("after a failure the same octets in the same order, also by a client that was started anew", func(t *testing.T) {
		p.octets, p.fail = nil, &client.RetryError{Err: errors.New("down")}
		write(3)
		flush()
		flush() // not before its time
		c.cathy.Reopen()
		p.fail = nil
		c.Pass(time.Minute)
		flush()
		if len(p.octets) != 6 || !slices.EqualFunc(p.octets[:3], p.octets[3:], slices.Equal) {
			t.Errorf("%d messages were sent, not the same twice", len(p.octets))
		}
		asked(3, 3)
	})
}
