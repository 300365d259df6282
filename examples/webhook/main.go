// Command webhook is a made-up chat system in one file, joined to MIMI by the webhook connector of `parley gateway`. Its users are numbers.
//
// What they write stands on standard input, one message a line:
//
//	7 mimi://a.example/u/alice hello      user 7 writes to somebody
//	7 #clubhouse-1a2b3c4d hello           user 7 writes to a room
//
// What they get is printed, and receipts are sent back: delivered for everything, read for what ends with a question mark.
//
//	webhook --listen 127.0.0.1:8091 --gateway http://127.0.0.1:8090/events --secret-file webhook.secret
//
// It needs nothing but the standard library: what it does is what a real system has to do.
package main

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

// outgoing is what the gateway tells us; doc/gateway.md has all members.
type outgoing struct {
	ID      string                            `json:"id"`
	Verb    string                            `json:"verb"`
	From    string                            `json:"from"`
	Group   string                            `json:"group"`
	To      string                            `json:"to"`
	Plain   string                            `json:"plain"`
	Target  string                            `json:"target"`
	Emoji   string                            `json:"emoji"`
	Reason  string                            `json:"reason"`
	Reports []struct{ Target, Status string } `json:"reports"`
	People  []struct{ User, Native string }   `json:"people"`
}

// incoming is what we tell the gateway.
type incoming struct {
	Verb   string `json:"verb"`
	From   string `json:"from"`
	Group  string `json:"group,omitempty"`
	To     string `json:"to,omitempty"`
	Text   string `json:"text,omitempty"`
	Target string `json:"target,omitempty"`
	Status string `json:"status,omitempty"`
}

// system is the chat system.
type system struct {
	gateway string
	key     []byte
	posts   chan incoming

	mu   sync.Mutex
	seen map[string]bool // ids that were taken: a real system keeps them in its database
}

func main() {
	listen := flag.String("listen", "127.0.0.1:8091", "where the gateway posts to")
	gateway := flag.String("gateway", "http://127.0.0.1:8090/events", "where the gateway listens")
	secret := flag.String("secret-file", "webhook.secret", "file with whsec_ and base64")
	flag.Parse()
	if err := run(*listen, *gateway, *secret); err != nil {
		fmt.Fprintln(os.Stderr, "webhook:", err)
		os.Exit(1)
	}
}

func run(listen, gateway, secretFile string) error {
	text, err := os.ReadFile(secretFile)
	if err != nil {
		return err
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(strings.TrimSpace(string(text)), "whsec_"))
	if err != nil {
		return err
	}
	s := &system{gateway: gateway, key: key, posts: make(chan incoming, 100), seen: map[string]bool{}}
	server := &http.Server{Addr: listen, Handler: http.HandlerFunc(s.take), ReadTimeout: 20 * time.Second}
	failed := make(chan error, 3)
	go func() { failed <- server.ListenAndServe() }()
	go func() { failed <- s.post() }()
	go func() {
		if err := s.read(os.Stdin); err != nil {
			failed <- err
		}
	}()
	return <-failed
}

// read takes what our users write.
func (s *system) read(from io.Reader) error {
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		user, rest, ok := strings.Cut(lines.Text(), " ")
		to, text, ok2 := strings.Cut(rest, " ")
		if !ok || !ok2 {
			fmt.Println("? NUMBER mimi://... TEXT, or NUMBER #GROUP TEXT")
			continue
		}
		m := incoming{Verb: "say", From: user, Text: text}
		if group, isGroup := strings.CutPrefix(to, "#"); isGroup {
			m.Group = group
		} else {
			m.To = to
		}
		s.posts <- m
	}
	return lines.Err()
}

// post sends to the gateway, in order. The id is the same each time, so that a repeat is known. A real system keeps the queue in its
// database; here it is lost with the process.
func (s *system) post() error {
	client := &http.Client{Timeout: 20 * time.Second}
	for m := range s.posts {
		body, err := json.Marshal(m)
		if err != nil {
			return err
		}
		for id := rand.Text(); ; {
			status, err := s.try(client, id, body)
			if err == nil && status/100 == 2 {
				break
			}
			if err == nil && status/100 == 4 && status != http.StatusTooManyRequests {
				fmt.Println("! refused:", status)
				break
			}
			<-time.After(time.Second) // not there, or busy: again
		}
	}
	return nil
}

func (s *system) try(client *http.Client, id string, body []byte) (int, error) {
	r, err := http.NewRequest(http.MethodPost, s.gateway, bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	timestamp := strconv.FormatInt(time.Now().Unix(), 10)
	r.Header.Set("webhook-id", id)
	r.Header.Set("webhook-timestamp", timestamp)
	r.Header.Set("webhook-signature", "v1,"+base64.StdEncoding.EncodeToString(s.mac(id, timestamp, body)))
	answer, err := client.Do(r)
	if err != nil {
		return 0, err
	}
	return answer.StatusCode, answer.Body.Close()
}

func (s *system) mac(id, timestamp string, body []byte) []byte {
	h := hmac.New(sha256.New, s.key)
	h.Write([]byte(id + "." + timestamp + "."))
	h.Write(body)
	return h.Sum(nil)
}

var errSignature = errors.New("no valid signature")

// verify is the other half of what try does.
func (s *system) verify(h http.Header, body []byte) error {
	id, timestamp := h.Get("webhook-id"), h.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if err != nil || time.Since(time.Unix(seconds, 0)).Abs() > 5*time.Minute {
		return errSignature
	}
	for one := range strings.FieldsSeq(h.Get("webhook-signature")) {
		got, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(one, "v1,"))
		if err == nil && hmac.Equal(got, s.mac(id, timestamp, body)) {
			return nil
		}
	}
	return errSignature
}

// take is what the gateway posts. It is answered with 2xx once it is ours, and only then.
func (s *system) take(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 128<<10))
	if err != nil || s.verify(r.Header, body) != nil {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var o outgoing
	if err := json.Unmarshal(body, &o); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	again := s.seen[o.ID]
	s.seen[o.ID] = true
	s.mu.Unlock()
	if !again {
		s.show(&o)
	}
	w.WriteHeader(http.StatusNoContent)
}

// show prints, and sends the receipts of those who got it.
func (s *system) show(o *outgoing) {
	place := o.To
	if o.Group != "" {
		place = "#" + o.Group
	}
	switch o.Verb {
	case "say", "edit":
		fmt.Printf("%s %s: %s\n", place, o.From, o.Plain)
		s.receipts(o)
	case "react":
		fmt.Printf("%s %s reacts %s\n", place, o.From, o.Emoji)
	case "delete":
		fmt.Printf("%s %s has deleted a message\n", place, o.From)
	case "report":
		for _, r := range o.Reports {
			fmt.Printf("%s %s: %s\n", place, o.From, r.Status)
		}
	case "failure":
		fmt.Printf("%s not delivered: %s\n", place, o.Reason)
	case "enter", "leave":
		fmt.Printf("%s %s: %s\n", place, o.Verb, o.From)
	}
}

func (s *system) receipts(o *outgoing) {
	m := incoming{Verb: "report", Target: o.ID, Group: o.Group}
	users := []string{o.To}
	if o.Group == "" {
		m.To = o.From
	} else {
		users = nil
		for _, p := range o.People {
			if p.Native != "" {
				users = append(users, p.Native)
			}
		}
	}
	for _, user := range users {
		m.From, m.Status = user, "delivered"
		s.posts <- m
		if strings.HasSuffix(o.Plain, "?") {
			m.Status = "read"
			s.posts <- m
		}
	}
}
