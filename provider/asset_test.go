package provider_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"

	"parley/client"
	"parley/clientapi/api"
	"parley/netguard/corpus"
	"parley/provider"
	"parley/store/blob"
	"parley/uri"
)

// withFiles lets all providers keep files.
func (w *world) withFiles(change func(*provider.Files)) {
	for _, n := range w.order {
		disk, err := blob.OpenDisk(w.t.TempDir())
		n.cfg.Files = provider.Files{Blobs: must(w.t, disk, err)}
		if change != nil {
			change(&n.cfg.Files)
		}
	}
}

// upload puts octets into the device's provider and returns how it stands.
func (d *device) upload(octets []byte) *client.Upload {
	d.t.Helper()
	up, err := d.api.BeginUpload(d.t.Context(), uint64(len(octets)), 0)
	must(d.t, up, err)
	if err := client.SendUpload(d.t.Context(), d.api, up, bytes.NewReader(octets), nil); err != nil {
		d.t.Fatal(err)
	}
	return up
}

// all reads what a download gives.
func all(t testing.TB, r io.ReadCloser, err error) []byte {
	t.Helper()
	octets, rerr := io.ReadAll(must(t, r, err))
	if err := errors.Join(rerr, r.Close()); err != nil {
		t.Fatal(err)
	}
	return octets
}

func refusedAs(t testing.TB, what string, err error, code api.Code) {
	t.Helper()
	var e *api.Error
	if !errors.As(err, &e) || e.Code != code {
		t.Errorf("%s: %v", what, err)
	}
}

// Carol's files are at c.example, the room's hub is a.example, Bob is at b.example.
func TestFiles(t *testing.T) {
	w := newWorld(t, "a.example", "b.example", "c.example")
	w.withFiles(nil)
	w.startAll()
	a, b, c := w.nodes["a.example"], w.nodes["b.example"], w.nodes["c.example"]
	bob, carol := b.enrol("bob", "phone"), c.enrol("carol", "laptop")
	octets := bytes.Repeat([]byte("0123456789abcdef"), 600<<10) // two chunks
	up := carol.upload(octets)
	counted := func(n *node, endpoint string) (served int) {
		for _, line := range traced(t, n) {
			if line.Endpoint == endpoint && line.Side == "server" {
				served++
			}
		}
		return served
	}
	t.Run("through the hub's proxy, in ranges", func(t *testing.T) {
		r, err := bob.api.FetchAsset(t.Context(), a.uri, up.URL, 0)
		if got := all(t, r, err); !bytes.Equal(got, octets) {
			t.Errorf("%d octets", len(got))
		}
		r, err = bob.api.FetchAsset(t.Context(), a.uri, up.URL, 9<<20)
		if got := all(t, r, err); !bytes.Equal(got, octets[9<<20:]) {
			t.Errorf("%d octets of the rest", len(got))
		}
		if counted(a, "proxyDownload") != 2 || counted(c, "asset") != 2 {
			t.Errorf("%d requests at the hub, %d at the asset's provider", counted(a, "proxyDownload"), counted(c, "asset"))
		}
	})
	t.Run("P-OH-04 a client reaches the hub's gateway through its own provider's relay", func(t *testing.T) {
		r, err := client.Oblivious(t.Context(), bob.api, a.uri, up.URL, 0)
		if got := all(t, r, err); !bytes.Equal(got, octets) {
			t.Errorf("%d octets", len(got))
		}
		if n := counted(a, "ohttpGateway"); n != 4 { // the keys, and three parts
			t.Errorf("%d requests at the gateway", n)
		}
		// The relay has not learned what was asked for.
		if id := up.ID; strings.Contains(b.log.String()+b.trace.String(), id) {
			t.Error("the relay knows the asset")
		}
		if _, err := client.Oblivious(t.Context(), bob.api, parse(t, "x.example"), up.URL, 0); err == nil {
			t.Error("a gateway of no peer")
		}
	})
	t.Run("own files and own rooms", func(t *testing.T) {
		for _, hub := range []uri.Provider{a.uri, c.uri} {
			r, err := carol.api.FetchAsset(t.Context(), hub, up.URL, 5)
			if got := all(t, r, err); !bytes.Equal(got, octets[5:]) {
				t.Errorf("%d octets", len(got))
			}
			r, err = client.Oblivious(t.Context(), carol.api, hub, up.URL, 0)
			if got := all(t, r, err); !bytes.Equal(got, octets) {
				t.Errorf("%d octets", len(got))
			}
		}
	})
	t.Run("what is no file of a peer", func(t *testing.T) {
		before := len(traced(t, a)) + len(traced(t, c))
		for _, url := range append(corpus.Inside(), "https://elsewhere.example/x", "https://"+c.address("admin")+"/metrics", "https://c.example:1/x") {
			for _, hub := range []uri.Provider{a.uri, b.uri} {
				if _, err := bob.api.FetchAsset(t.Context(), hub, url, 0); err == nil {
					t.Errorf("%s was fetched", url)
				}
			}
		}
		if n := len(traced(t, c)); n+len(traced(t, a)) < before {
			t.Error("the trace went back")
		}
		_, err := bob.api.FetchAsset(t.Context(), a.uri, up.URL[:len(up.URL)-1]+"x", 0)
		refusedAs(t, "another name", err, api.NotFound)
		_, err = bob.api.FetchAsset(t.Context(), parse(t, "x.example"), up.URL, 0)
		refusedAs(t, "no peer", err, api.Forbidden)
	})
	t.Run("others see no plaintext headers and may not write", func(t *testing.T) {
		_, err := bob.api.UploadStatus(t.Context(), up.ID)
		refusedAs(t, "another's upload", err, api.NotFound)
		h := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: w.roots()}}}
		resp, err := h.Get("https://" + c.address("federation") + "/asset/" + up.ID)
		must(t, resp, err)
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
		h.CloseIdleConnections()
		if resp.StatusCode != 400 { // asked for by address: Host is not the provider
			t.Errorf("status %d", resp.StatusCode)
		}
	})
	t.Run("deletion", func(t *testing.T) {
		if err := carol.api.DeleteUpload(t.Context(), up.ID); err != nil {
			t.Fatal(err)
		}
		_, err := bob.api.FetchAsset(t.Context(), a.uri, up.URL, 0)
		refusedAs(t, "deleted", err, api.NotFound)
	})
}

func TestFileLimits(t *testing.T) {
	w := newWorld(t, "a.example")
	w.withFiles(func(f *provider.Files) { f.MaxSize, f.Quota = 1000, 1500 })
	w.startAll()
	alice := w.nodes["a.example"].enrol("alice", "phone")
	limits, err := alice.api.FileLimits(t.Context())
	if err != nil || limits.MaxSize != 1000 || len(limits.Hosts) != 1 || limits.Keep <= 0 {
		t.Errorf("%+v, %v", limits, err)
	}
	_, err = alice.api.BeginUpload(t.Context(), 1001, 0)
	refusedAs(t, "large", err, api.TooLarge)
	up := alice.upload(make([]byte, 1000))
	var retry *client.RetryError
	if _, err := alice.api.BeginUpload(t.Context(), 501, 0); !errors.As(err, &retry) {
		t.Errorf("quota: %v", err)
	}
	if _, err := alice.api.PutChunk(t.Context(), up.ID, 5, make([]byte, 10)); err == nil {
		t.Error("a chunk where none begins")
	}
	none := newWorld(t, "b.example")
	none.startAll()
	_, err = none.nodes["b.example"].enrol("bob", "phone").api.FileLimits(t.Context())
	refusedAs(t, "no files", err, api.NotFound)
}
