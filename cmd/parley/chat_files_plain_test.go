package main

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// plainHTTP moves a file by net/http alone, on loopback: into a file that is fsynced, and out of one into another. It is what the
// figures are compared with.
func plainHTTP(t *testing.T, path string, size int64, secure bool) (up, down time.Duration) {
	t.Helper()
	dir := t.TempDir()
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			http.ServeFile(w, r, path)
			return
		}
		if err := keep(filepath.Join(dir, "up"), r.Body); err != nil {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	server := httptest.NewUnstartedServer(handler)
	if secure {
		server.EnableHTTP2 = true
		server.StartTLS()
	} else {
		server.Start()
	}
	t.Cleanup(server.Close)
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, f)
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = size
	resp, err := server.Client().Do(r)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp, err)
	}
	up = time.Since(start)
	if err := resp.Body.Close(); err != nil {
		t.Fatal(err)
	}
	start = time.Now()
	resp, err = server.Client().Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(keep(filepath.Join(dir, "down"), resp.Body), resp.Body.Close()); err != nil {
		t.Fatal(err)
	}
	return up, time.Since(start)
}

// keep writes a file and makes it durable.
func keep(path string, from io.Reader) (err error) {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if _, err := io.Copy(f, from); err != nil {
		return err
	}
	return f.Sync()
}
