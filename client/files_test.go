package client_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"parley/client"
	"parley/content"
	"parley/mls/wire"
	"parley/ohttp"
	"parley/policy"
	"parley/uri"
)

func fileUser(t *testing.T, text string) uri.User {
	t.Helper()
	u, err := uri.ParseUser(text)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func part(kind, url string, size uint64) *content.External {
	sum := sha256.Sum256([]byte("x"))
	return &content.External{ContentType: kind, URL: url, Size: size, AEAD: content.AEADAES128GCM, Key: make([]byte, 16), Nonce: make([]byte, 12),
		Hash: content.HashSHA256, ContentHash: sum[:]}
}

func mediaList(names ...string) (list []wire.MediaType, pointers []*wire.MediaType) {
	for _, n := range names {
		list = append(list, wire.MediaType{Type: []byte(n)})
	}
	for i := range list {
		pointers = append(pointers, &list[i])
	}
	return list, pointers
}

func TestFilePolicy(t *testing.T) {
	alice := fileUser(t, "mimi://a.example/u/alice")
	bob := fileUser(t, "mimi://b.example/u/bob")
	hub := alice.Provider()
	now := time.Unix(1_800_000_000, 0)
	local := &policy.AssetPolicy{Location: policy.UploadLocalProvider, Default: policy.DownloadHubProxy,
		Domains: []policy.UploadDomain{{Provider: "mimi://a.example", Destinations: []string{"assets.a.example"}},
			{Provider: "b.example", Destinations: []string{"b.example", "files.b.example:8443"}}},
		MaxImage: 100, MaxAudio: 200, MaxVideo: 300, MaxAttachment: 400}
	fetch := func(p *policy.AssetPolicy, sender uri.User, e *content.External) error {
		_, err := client.MayFetch(p, sender, hub, e, now)
		return err
	}
	hosts := func(t *testing.T) {
		for url, of := range map[string]struct {
			sender uri.User
			want   error
		}{
			"https://assets.a.example/x": {alice, nil}, "https://ASSETS.a.example:8443/x": {alice, nil},
			"https://b.example/x": {bob, nil}, "https://files.b.example:8443/x": {bob, nil},
			"https://files.b.example/x": {bob, client.ErrFileHost}, "https://assets.a.example/y": {bob, client.ErrFileHost},
			"https://a.example/x": {alice, client.ErrFileHost}, "https://b.example/y": {alice, client.ErrFileHost},
			"https://assets.a.example.evil.example/": {alice, client.ErrFileHost}, "https://evil.example/?assets.a.example": {alice, client.ErrFileHost},
			"https://assets.a.example@evil.example/": {alice, client.ErrFileURL}, "https://u:p@assets.a.example/": {alice, client.ErrFileURL},
			"https://assets.a.example/#f": {alice, client.ErrFileURL}, "https:assets.a.example": {alice, client.ErrFileURL},
			"http://assets.a.example/x": {alice, client.ErrFileURL}, "file:///etc/passwd": {alice, client.ErrFileURL},
		} {
			if err := fetch(local, of.sender, part("text/plain", url, 10)); !errors.Is(err, of.want) {
				t.Errorf("%s of %s: %v", url, of.sender, err)
			}
		}
		atHub := *local
		atHub.Location, atHub.Domains = policy.UploadHub, local.Domains[:1]
		if err := fetch(&atHub, bob, part("text/plain", "https://assets.a.example/x", 10)); err != nil {
			t.Errorf("at the hub: %v", err)
		}
		if err := fetch(&atHub, bob, part("text/plain", "https://b.example/x", 10)); !errors.Is(err, client.ErrFileHost) {
			t.Errorf("not at the hub: %v", err)
		}
		open := *local
		open.Location = policy.UploadUnspecified
		if err := fetch(&open, bob, part("text/plain", "https://anywhere.example/x", 10)); err != nil {
			t.Errorf("unspecified: %v", err)
		}
	}
	t.Run("C-XP-14 the host is one of the sender's provider", hosts)
	t.Run("R-AST-03 the destinations of the sender's provider, or of the hub", hosts)
	t.Run("P-PD-08 the receiver holds the URL against the policy", hosts)
	t.Run("P-PD-07 uploads go where the policy says", func(t *testing.T) {
		send := func(p *policy.AssetPolicy, who uri.User, hosts ...string) error {
			return client.MaySend(p, who, hub, "text/plain", 10, hosts)
		}
		if err := send(local, alice, "assets.a.example"); err != nil {
			t.Error(err)
		}
		if err := send(local, bob, "x.example", "b.example:443"); err != nil {
			t.Error(err)
		}
		if err := send(local, alice, "a.example"); !errors.Is(err, client.ErrFileHost) {
			t.Error(err)
		}
		if err := send(local, fileUser(t, "mimi://c.example/u/c"), "c.example"); !errors.Is(err, client.ErrFileHost) {
			t.Error(err)
		}
		atHub := *local
		atHub.Location, atHub.Domains = policy.UploadHub, local.Domains[:1]
		if err := send(&atHub, bob, "b.example"); !errors.Is(err, client.ErrFileHost) {
			t.Error(err)
		}
		if err := send(nil, bob, "b.example"); err != nil {
			t.Error(err)
		}
	})
	const at = "https://assets.a.example/x"
	sizes := func(t *testing.T) {
		for kind, most := range map[string]uint64{"image/png": 100, "audio/ogg": 200, "VIDEO/mp4": 300, "text/plain": 400, "application/pdf": 400} {
			if err := fetch(local, alice, part(kind, at, most)); err != nil {
				t.Errorf("%s: %v", kind, err)
			}
			if err := fetch(local, alice, part(kind, at, most+1)); !errors.Is(err, client.ErrFileSize) {
				t.Errorf("%s: %v", kind, err)
			}
			if err := client.MaySend(local, alice, hub, kind, most+1, []string{"assets.a.example"}); !errors.Is(err, client.ErrFileSize) {
				t.Errorf("sent %s: %v", kind, err)
			}
		}
		none := *local
		none.MaxImage = 0
		if err := fetch(&none, alice, part("image/png", at, 1)); !errors.Is(err, client.ErrFileSize) {
			t.Error(err)
		}
	}
	types := func(t *testing.T) {
		typed := *local
		typed.ForbiddenMedia, _ = mediaList("image/svg+xml", "text/html")
		_, typed.PermittedMedia = mediaList("image/png", "text/html")
		for kind, want := range map[string]error{"image/png": nil, "IMAGE/PNG;x=y": nil, "image/jpeg": client.ErrFileType,
			"text/html": client.ErrFileType, "image/svg+xml": client.ErrFileType, "nonsense": client.ErrFileType, "": client.ErrFileType} {
			if err := fetch(&typed, alice, part(kind, at, 1)); !errors.Is(err, want) {
				t.Errorf("%q: %v", kind, err)
			}
			if err := client.MaySend(&typed, alice, hub, kind, 1, []string{"assets.a.example"}); !errors.Is(err, want) {
				t.Errorf("sent %q: %v", kind, err)
			}
		}
	}
	t.Run("R-AST-05 sizes by class of media", sizes)
	t.Run("R-AST-06 a type is permitted and not forbidden, in any parameters", types)
	t.Run("C-XP-15 sizes, types and the way of downloading", func(t *testing.T) {
		sizes(t)
		types(t)
		for _, way := range []policy.DownloadType{policy.DownloadDirect, policy.DownloadHubProxy, policy.DownloadOHTTP} {
			p := *local
			p.Default = way
			if got, err := client.MayFetch(&p, alice, hub, part("text/plain", at, 1), now); err != nil || got != way {
				t.Errorf("%v: %v, %v", way, got, err)
			}
		}
	})
	t.Run("P-PD-09 without a policy the hub fetches", func(t *testing.T) {
		if way, err := client.MayFetch(nil, bob, hub, part("text/plain", "https://b.example/x", 1), now); err != nil || way != policy.DownloadHubProxy {
			t.Errorf("%v, %v", way, err)
		}
	})
	expired := part("text/plain", "https://assets.a.example/x", 1)
	expired.Expires = uint32(now.Unix())
	if err := fetch(local, alice, expired); !errors.Is(err, client.ErrFileExpired) {
		t.Error(err)
	}
	unverifiable := part("text/plain", "https://assets.a.example/x", 1)
	unverifiable.Hash, unverifiable.ContentHash = content.HashNone, nil
	if err := fetch(local, alice, unverifiable); !errors.Is(err, content.ErrUnverifiable) {
		t.Error(err)
	}
}

// gateway is a provider that only relays, and the gateway behind it.
type gateway struct {
	client.Files
	key    *ohttp.Key
	asset  []byte
	status int
	asked  []string
}

func (g *gateway) ObliviousKeys(context.Context, uri.Provider) ([]byte, error) {
	return ohttp.Keys(g.key), nil
}

func (g *gateway) Relay(_ context.Context, _ uri.Provider, message []byte) ([]byte, error) {
	octets, answer, err := ohttp.Decapsulate(message, g.key)
	if err != nil {
		return nil, err
	}
	r, err := ohttp.DecodeRequest(octets)
	if err != nil {
		return nil, err
	}
	g.asked = append(g.asked, r.Authority+r.Path)
	out := &ohttp.Response{Status: g.status}
	if g.status == 206 {
		var first, last int
		if _, err := fmt.Sscanf(ohttp.Get(r.Header, "range"), "bytes=%d-%d", &first, &last); err != nil {
			return nil, err
		}
		last = min(last, len(g.asset)-1)
		out.Content = g.asset[first : last+1]
		out.Header = []ohttp.Field{{Name: "content-range", Value: fmt.Sprintf("bytes %d-%d/%d", first, last, len(g.asset))}}
	}
	return answer.Seal(out.Encode())
}

func TestOblivious(t *testing.T) {
	key, err := ohttp.NewKey(1)
	if err != nil {
		t.Fatal(err)
	}
	hub := fileUser(t, "mimi://a.example/u/alice").Provider()
	g := &gateway{key: key, asset: bytes.Repeat([]byte("0123456789"), 1_000_000), status: 206}
	for _, from := range []uint64{0, 5, 9_999_999} {
		r, err := client.Oblivious(t.Context(), g, hub, "https://assets.b.example/x?y=z", from)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if err != nil || !bytes.Equal(got, g.asset[from:]) {
			t.Errorf("from %d: %d octets, %v", from, len(got), err)
		}
	}
	if g.asked[0] != "assets.b.example/x?y=z" || len(g.asked) != 3+3+1 {
		t.Errorf("asked %v", g.asked)
	}
	for status, want := range map[int]error{404: client.ErrFileMissing, 403: client.ErrFileHost} {
		g.status = status
		if _, err := client.Oblivious(t.Context(), g, hub, "https://assets.b.example/x", 0); !errors.Is(err, want) {
			t.Errorf("%d: %v", status, err)
		}
	}
}
