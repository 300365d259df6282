package blob_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"parley/asset"
	"parley/store/blob"
)

// bucket is as much of an S3 service as asset.Blobs needs. It does not look at signatures.
type bucket struct {
	mu      sync.Mutex
	objects map[string][]byte
}

func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=key/") {
		w.WriteHeader(http.StatusForbidden)
		return
	}
	object, found := b.objects[r.URL.Path]
	switch r.Method {
	case http.MethodPut:
		body, err := unchunked(r)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		b.objects[r.URL.Path] = body
		w.Header().Set("ETag", `"x"`)
	case http.MethodDelete:
		delete(b.objects, r.URL.Path)
		w.WriteHeader(http.StatusNoContent)
	default:
		if !found {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		w.Header().Set("ETag", `"x"`)
		w.Header().Set("Last-Modified", "Mon, 02 Jan 2006 15:04:05 GMT")
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(object))
	}
}

// unchunked takes a body out of the signed chunks in which it may come.
func unchunked(r *http.Request) ([]byte, error) {
	if !strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		return io.ReadAll(r.Body)
	}
	var out []byte
	in := bufio.NewReader(r.Body)
	for {
		head, err := in.ReadString('\n')
		if err != nil {
			return nil, err
		}
		digits, _, _ := strings.Cut(strings.TrimSpace(head), ";")
		n, err := strconv.ParseInt(digits, 16, 64)
		if err != nil || n == 0 {
			return out, err
		}
		chunk := make([]byte, n+2)
		if _, err := io.ReadFull(in, chunk); err != nil {
			return nil, err
		}
		out = append(out, chunk[:n]...)
	}
}

// The same for both: what is put is read in any part; what ends early is not there.
func TestBlobs(t *testing.T) {
	dir := t.TempDir()
	disk, err := blob.OpenDisk(dir)
	if err != nil {
		t.Fatal(err)
	}
	fake := httptest.NewServer(&bucket{objects: make(map[string][]byte)})
	t.Cleanup(fake.Close)
	s3, err := blob.OpenS3(blob.S3Config{Endpoint: strings.TrimPrefix(fake.URL, "http://"), Bucket: "files", Region: "x", Prefix: "parley/",
		AccessKey: "key", SecretKey: "secret", Plain: true})
	if err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]asset.Blobs{"disk": disk, "S3": s3} {
		t.Run(name, func(t *testing.T) {
			read := func(offset, length int64) (string, error) {
				r, err := b.Open(t.Context(), "ab/cd-0", offset, length)
				if err != nil {
					return "", err
				}
				text, err := io.ReadAll(r)
				return string(text), errors.Join(err, r.Close())
			}
			if _, err := read(0, 1); err == nil {
				t.Error("read before it was put")
			}
			if err := b.Put(t.Context(), "ab/cd-0", strings.NewReader("short"), 10); err == nil {
				t.Error("stored though it ended early")
			}
			if got, err := read(0, 5); err == nil {
				t.Errorf("%q is there though it ended early", got)
			}
			if err := b.Put(t.Context(), "ab/cd-0", strings.NewReader("0123456789 and more"), 10); err != nil {
				t.Fatal(err)
			}
			if got, err := read(3, 4); err != nil || got != "3456" {
				t.Errorf("%q, %v", got, err)
			}
			if got, err := read(0, 10); err != nil || got != "0123456789" {
				t.Errorf("%q, %v", got, err)
			}
			if err := b.Put(t.Context(), "ab/cd-0", strings.NewReader("again"), 5); err != nil {
				t.Fatal(err)
			}
			if got, err := read(0, 5); err != nil || got != "again" {
				t.Errorf("%q, %v", got, err)
			}
			for range 2 {
				if err := b.Delete(t.Context(), "ab/cd-0"); err != nil {
					t.Error(err)
				}
			}
			if _, err := read(0, 1); err == nil {
				t.Error("read after it was deleted")
			}
		})
	}
	for _, name := range []string{"../x", "/etc/passwd", "a/../../x", ""} {
		if err := disk.Put(t.Context(), name, strings.NewReader("x"), 1); err == nil {
			t.Errorf("%q was stored", name)
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, "*", ".coming-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		t.Error(err)
	}
	if _, err := blob.OpenS3(blob.S3Config{Endpoint: "x"}); !errors.Is(err, blob.ErrS3) {
		t.Error(err)
	}
}
