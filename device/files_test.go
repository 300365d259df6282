package device_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"parley/client"
	"parley/content"
	"parley/device"
	"parley/mimitest"
	"parley/netguard"
	"parley/netguard/corpus"
	"parley/policy"
	"parley/uri"
)

// shelf is a provider's side of files, in memory. It breaks after some octets while left is not negative.
type shelf struct {
	client.Files
	uploads map[string]*client.Upload
	octets  map[string][]byte
	left    int // octets until the connection breaks; < 0: it does not
	chunk   uint64
	asked   []uint64 // offsets
}

func newShelf() *shelf {
	return &shelf{uploads: make(map[string]*client.Upload), octets: make(map[string][]byte), left: -1, chunk: 1000}
}

var errBroken = &client.RetryError{Err: errors.New("broken")}

func (s *shelf) BeginUpload(_ context.Context, size uint64, _ time.Duration) (*client.Upload, error) {
	u := &client.Upload{ID: string(rune('a' + len(s.uploads))), Size: size, Chunk: s.chunk, Expires: time.Unix(2_000_000_000, 0)}
	u.URL = "https://b.example/asset/" + u.ID
	s.uploads[u.ID] = u
	return s.state(u), nil
}

func (s *shelf) state(u *client.Upload) *client.Upload {
	out := *u
	out.Have = uint64(len(s.octets[u.ID]))
	return &out
}

func (s *shelf) UploadStatus(_ context.Context, id string) (*client.Upload, error) {
	return s.state(s.uploads[id]), nil
}

func (s *shelf) PutChunk(_ context.Context, id string, offset uint64, octets []byte) (*client.Upload, error) {
	s.asked = append(s.asked, offset)
	if s.left >= 0 {
		if s.left -= len(octets); s.left < 0 {
			return nil, errBroken
		}
	}
	s.octets[id] = append(s.octets[id][:offset], octets...)
	return s.state(s.uploads[id]), nil
}

func (s *shelf) FetchAsset(_ context.Context, _ uri.Provider, url string, from uint64) (io.ReadCloser, error) {
	s.asked = append(s.asked, from)
	octets, ok := s.octets[url[strings.LastIndexByte(url, '/')+1:]]
	if !ok {
		return nil, client.ErrFileMissing
	}
	octets = octets[min(from, uint64(len(octets))):]
	if s.left >= 0 {
		return io.NopCloser(io.MultiReader(bytes.NewReader(octets[:min(s.left, len(octets))]), broken{})), nil
	}
	return io.NopCloser(bytes.NewReader(octets)), nil
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, errBroken }

func fileRoom(t *testing.T) (uri.Room, uri.Provider) {
	t.Helper()
	at, err := uri.ParseRoom("mimi://b.example/r/x")
	if err != nil {
		t.Fatal(err)
	}
	return at, at.Provider()
}

// sent is a file that was uploaded whole.
func sent(t *testing.T, s *shelf, plain []byte) (*device.Transfers, *content.External) {
	t.Helper()
	dir := t.TempDir()
	at, _ := fileRoom(t)
	source := filepath.Join(dir, "source")
	if err := os.WriteFile(source, plain, 0o600); err != nil {
		t.Fatal(err)
	}
	tr := &device.Transfers{Dir: filepath.Join(dir, "transfers"), Files: s}
	o, err := tr.Prepare(t.Context(), at, source, content.External{ContentType: "text/plain", Filename: "source"})
	if err != nil {
		t.Fatal(err)
	}
	if err := tr.Send(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if err := tr.Done(o); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(tr.Dir); err != nil || len(left) != 0 {
		t.Fatalf("left: %v, %v", left, err)
	}
	return tr, &o.Part
}

func TestTransfers(t *testing.T) {
	plain := bytes.Repeat([]byte("canary "), 1000)
	s := newShelf()
	at, hub := fileRoom(t)
	dir := t.TempDir()
	source := filepath.Join(dir, "source.txt")
	if err := os.WriteFile(source, plain, 0o600); err != nil {
		t.Fatal(err)
	}
	var told []uint64
	tr := &device.Transfers{Dir: filepath.Join(dir, "transfers"), Files: s, Progress: func(have, _ uint64) { told = append(told, have) }}
	s.left = 3500
	o, err := tr.Prepare(t.Context(), at, source, content.External{ContentType: "text/plain", Filename: "source.txt"})
	if err != nil {
		t.Fatal(err)
	}
	var retry *client.RetryError
	if err := tr.Send(t.Context(), o); !errors.As(err, &retry) {
		t.Fatal(err)
	}
	// Another process goes on with what the first one left.
	again := &device.Transfers{Dir: tr.Dir, Files: s}
	list, err := again.Pending()
	if err != nil || len(list) != 1 || list[0].Room != at.String() {
		t.Fatal(list, err)
	}
	s.left, s.asked = -1, nil
	if err := again.Send(t.Context(), list[0]); err != nil {
		t.Fatal(err)
	}
	part := list[0].Part
	if s.asked[0] != 3000 || len(told) == 0 || part.URL != "https://b.example/asset/a" || part.Expires != 2_000_000_000 || part.Validate() != nil {
		t.Errorf("%v, %v, %+v", s.asked, told, part)
	}
	if bytes.Contains(s.octets["a"], []byte("canary")) || len(s.octets["a"]) != len(plain)+16 {
		t.Error("not encrypted")
	}
	if err := again.Done(list[0]); err != nil {
		t.Fatal(err)
	}
	t.Run("a download goes on where it was cut, and replaces nothing", func(t *testing.T) {
		s.left, s.asked = 2500, nil
		target := filepath.Join(dir, "source.txt")
		if _, err := tr.Fetch(t.Context(), hub, policy.DownloadHubProxy, &part, target); !errors.As(err, &retry) {
			t.Fatal(err)
		}
		s.left = -1
		path, err := tr.Fetch(t.Context(), hub, policy.DownloadHubProxy, &part, target)
		if err != nil || path != filepath.Join(dir, "source (1).txt") {
			t.Fatal(path, err)
		}
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, plain) || s.asked[1] != 2500 {
			t.Errorf("%d octets from %v, %v", len(got), s.asked, err)
		}
		if left, err := os.ReadDir(tr.Dir); err != nil || len(left) != 0 {
			t.Errorf("left: %v, %v", left, err)
		}
	})
	t.Run("ways that are not there", func(t *testing.T) {
		if _, err := tr.Fetch(t.Context(), hub, policy.DownloadDirect, &part, filepath.Join(dir, "x")); !errors.Is(err, client.ErrFileWay) {
			t.Error(err)
		}
	})
}

func TestTransfersRefuse(t *testing.T) {
	plain := bytes.Repeat([]byte("0123456789"), 500)
	_, hub := fileRoom(t)
	for name, c := range map[string]struct {
		change func(s *shelf, e *content.External)
		want   error
	}{
		"a flipped bit":      {func(s *shelf, _ *content.External) { s.octets["a"][77] ^= 1 }, content.ErrContentHash},
		"cut":                {func(s *shelf, _ *content.External) { s.octets["a"] = s.octets["a"][:4000] }, io.ErrUnexpectedEOF},
		"longer":             {func(s *shelf, _ *content.External) { s.octets["a"] = append(s.octets["a"], 0) }, content.ErrSize},
		"swapped":            {func(s *shelf, _ *content.External) { copy(s.octets["a"], s.octets["a"][1000:2000]) }, content.ErrContentHash},
		"another hash":       {func(_ *shelf, e *content.External) { e.ContentHash = make([]byte, 32) }, content.ErrContentHash},
		"another key":        {func(_ *shelf, e *content.External) { e.Key = make([]byte, 16) }, content.ErrDecrypt},
		"no hash":            {func(_ *shelf, e *content.External) { e.Hash, e.ContentHash = 0, nil }, content.ErrUnverifiable},
		"gone":               {func(s *shelf, _ *content.External) { delete(s.octets, "a") }, client.ErrFileMissing},
		"of an unknown size": {func(s *shelf, e *content.External) { e.Size = 0; s.octets["a"] = make([]byte, 10_000) }, content.ErrSize},
	} {
		s := newShelf()
		tr, part := sent(t, s, plain)
		tr.Limit = 9_000
		c.change(s, part)
		target := filepath.Join(t.TempDir(), "x")
		if path, err := tr.Fetch(t.Context(), hub, policy.DownloadHubProxy, part, target); !errors.Is(err, c.want) {
			t.Errorf("%s: %q, %v", name, path, err)
		}
		if _, err := os.Stat(target); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: something was saved", name)
		}
		left, err := filepath.Glob(filepath.Join(tr.Dir, "*.part"))
		if keep := name == "cut" || name == "gone"; err != nil || !keep && len(left) != 0 {
			t.Errorf("%s: left %v, %v", name, left, err)
		}
	}
}

// open is a net of one host, reached by what the guard resolves.
type directNet struct {
	net    mimitest.Network
	dialed []string
}

func (d *directNet) guard(resolve func(context.Context, string) ([]netip.Addr, error)) *netguard.Dialer {
	return &netguard.Dialer{Resolve: resolve, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		d.dialed = append(d.dialed, address)
		_, port, err := net.SplitHostPort(address)
		if err != nil {
			return nil, err
		}
		return d.net.Dial(ctx, network, "assets.example:"+port)
	}}
}

func TestDirect(t *testing.T) {
	authority := mimitest.NewAuthority(t)
	cert := authority.For(t, "assets.example")
	var seen []http.Header
	var to string
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		seen = append(seen, r.Header.Clone())
		switch r.URL.Path {
		case "/moved":
			http.SetCookie(w, &http.Cookie{Name: "who", Value: "you"})
			http.Redirect(w, r, to, http.StatusFound)
		case "/gone":
			w.WriteHeader(http.StatusGone)
		default:
			http.ServeContent(w, r, "", time.Time{}, strings.NewReader("0123456789"))
		}
	})
	d := new(directNet)
	for port, secure := range map[string]bool{"443": true, "80": false} {
		l := d.net.Listen("assets.example:" + port)
		server := &http.Server{Handler: handler, TLSConfig: &tls.Config{Certificates: []tls.Certificate{*cert}}}
		ended := make(chan error, 1)
		go func() {
			if secure {
				ended <- server.ServeTLS(l, "", "")
				return
			}
			ended <- server.Serve(l)
		}()
		t.Cleanup(func() {
			if err := server.Close(); err != nil {
				t.Error(err)
			}
			if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
				t.Error(err)
			}
		})
	}
	direct := device.Direct(d.guard(corpus.Resolve), authority.Pool())
	read := func(url string, from uint64) (string, error) {
		body, err := direct(t.Context(), url, from)
		if err != nil {
			return "", err
		}
		text, err := io.ReadAll(body)
		return string(text), errors.Join(err, body.Close())
	}
	t.Run("C-XP-10 over http and https", func(t *testing.T) {
		for _, url := range []string{"https://assets.example/x", "http://assets.example/x"} {
			if got, err := read(url, 0); err != nil || got != "0123456789" {
				t.Errorf("%s: %q, %v", url, got, err)
			}
			if got, err := read(url, 7); err != nil || got != "789" {
				t.Errorf("%s: %q, %v", url, got, err)
			}
		}
	})
	t.Run("C-XP-16 no inside address, redirects judged, no cookie and no referrer", func(t *testing.T) {
		d.dialed = nil
		for _, url := range corpus.Inside() {
			if _, err := read(url, 0); err == nil {
				t.Errorf("%s was fetched", url)
			}
		}
		if len(d.dialed) != 0 {
			t.Errorf("dialed %v", d.dialed)
		}
		for _, to = range []string{"https://127.0.0.1/", "https://loop.inside.example/", "http://assets.example/x", "https://u:p@assets.example/x", "file:///etc/passwd"} {
			if _, err := read("https://assets.example/moved", 0); err == nil {
				t.Errorf("a redirect to %s was followed", to)
			}
		}
		for _, address := range d.dialed {
			if !strings.HasPrefix(address, "8.8.8.8:") {
				t.Errorf("dialed %s", address)
			}
		}
		seen, to = nil, "https://assets.example/x"
		if got, err := read("https://assets.example/moved", 0); err != nil || got != "0123456789" {
			t.Errorf("%q, %v", got, err)
		}
		for _, h := range seen {
			for name := range h {
				t.Errorf("header %s: %q", name, h.Get(name))
			}
		}
	})
	if _, err := read("https://assets.example/gone", 0); !errors.Is(err, client.ErrFileMissing) {
		t.Error(err)
	}
}
