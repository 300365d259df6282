package provider

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"parley/mls/wire"
)

func TestKeysAreMadeOnce(t *testing.T) {
	dir, p, now := t.TempDir(), domain(t, "a.example"), time.Now()
	f := KeyFiles{CACertificate: filepath.Join(dir, "new", "ca.crt"), CAKey: filepath.Join(dir, "new", "ca.key"), Hub: filepath.Join(dir, "new", "hub.key")}
	made, err := InitKeys(f, p, now)
	if err != nil || len(made) != 3 {
		t.Fatalf("made %v, %v", made, err)
	}
	first, err := LoadKeys(f, p)
	if err != nil {
		t.Fatal(err)
	}
	if made, err = InitKeys(f, p, now); err != nil || len(made) != 0 {
		t.Fatalf("made again: %v, %v", made, err)
	}
	second, err := LoadKeys(f, p)
	if err != nil || !second.CA.Cert.Equal(first.CA.Cert) || !sameHub(second.Hub, first.Hub) {
		t.Fatalf("other keys the second time: %v", err)
	}
	var suites [][]wire.CipherSuite
	for _, h := range first.Hub {
		suites = append(suites, h.Suites)
	}
	if want := [][]wire.CipherSuite{{1, 3}, {2}, {5}, {7}}; !reflect.DeepEqual(suites, want) || len(first.Missing()) != 0 {
		t.Errorf("suites %v, missing %v", suites, first.Missing())
	}
	// The CA is replaced as doc/operating.md says: the new one issues, the old one is vouched for, the hub's key stays.
	fresh := newCA(t, p)
	key, err := fresh.KeyPEM()
	if err != nil {
		t.Fatal(err)
	}
	old, err := os.ReadFile(f.CACertificate)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{f.CAKey: key, f.CACertificate: append(fresh.CertPEM(), old...)} {
		if err := os.WriteFile(name, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rotated, err := LoadKeys(f, p)
	if err != nil || !rotated.CA.Cert.Equal(fresh.Cert) || len(rotated.Authorities) != 2 || !sameHub(rotated.Hub, first.Hub) {
		t.Fatalf("after the CA was replaced: %v", err)
	}
	if _, err := LoadKeys(f, domain(t, "b.example")); err == nil {
		t.Error("keys of a.example serve b.example")
	}
}

// sameHub compares keys as rooms and devices see them.
func sameHub(a, b []HubKey) bool {
	return slices.EqualFunc(a, b, func(x, y HubKey) bool {
		return bytes.Equal(x.Sender.SignatureKey, y.Sender.SignatureKey) &&
			bytes.Equal(x.Sender.Credential.Certificates[0], y.Sender.Credential.Certificates[0]) && slices.Equal(x.Suites, y.Suites)
	})
}

// A file with one key gets the others; that one stays as it is, in front.
func TestHubKeysAreAdded(t *testing.T) {
	dir, p, now := t.TempDir(), domain(t, "a.example"), time.Now()
	f := KeyFiles{CACertificate: filepath.Join(dir, "ca.crt"), CAKey: filepath.Join(dir, "ca.key"), Hub: filepath.Join(dir, "hub.key")}
	if made, err := InitKeys(f, p, now); err != nil || len(made) != 3 {
		t.Fatalf("made %v, %v", made, err)
	}
	all, err := os.ReadFile(f.Hub)
	if err != nil {
		t.Fatal(err)
	}
	blocks := strings.SplitAfter(string(all), "-----END CERTIFICATE-----\n")
	if len(blocks) != 5 {
		t.Fatalf("%d keys", len(blocks)-1)
	}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(f.Hub, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(blocks[0])
	before, err := LoadKeys(f, p)
	if err != nil || !slices.Equal(before.Missing(), []wire.CipherSuite{2, 5, 7}) {
		t.Fatalf("missing %v, %v", before.Missing(), err)
	}
	write(blocks[0])
	if err := os.WriteFile(f.Hub+".new", []byte("of a crash"), 0o600); err != nil {
		t.Fatal(err)
	}
	if made, err := InitKeys(f, p, now); err != nil || !slices.Equal(made, []string{f.Hub}) {
		t.Fatalf("made %v, %v", made, err)
	}
	after, err := LoadKeys(f, p)
	if err != nil || len(after.Hub) != 4 || !sameHub(after.Hub[:1], before.Hub) || len(after.Missing()) != 0 {
		t.Fatalf("%v", err)
	}
	if info, err := os.Stat(f.Hub); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if _, err := os.Stat(f.Hub + ".new"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file is left: %v", err)
	}
	// Two keys for one suite: new rooms get the first, the other one is of rooms that exist.
	write(blocks[1] + blocks[0] + string(all))
	double, err := LoadKeys(f, p)
	if err != nil || len(double.Hub) != 6 || !slices.Equal(double.Hub[0].Suites, []wire.CipherSuite{2}) || len(double.Hub[3].Suites) != 0 {
		t.Errorf("%+v, %v", double, err)
	}
	for name, text := range map[string]string{
		"no key":             strings.SplitAfter(blocks[0], "-----END PRIVATE KEY-----\n")[1],
		"no certificate":     strings.SplitAfter(blocks[0], "-----END PRIVATE KEY-----\n")[0],
		"others' key":        strings.SplitAfter(blocks[0], "-----END PRIVATE KEY-----\n")[0] + strings.SplitAfter(blocks[1], "-----END PRIVATE KEY-----\n")[1],
		"a bad one behind":   blocks[0] + strings.SplitAfter(blocks[1], "-----END PRIVATE KEY-----\n")[0],
		"nothing":            "",
		"something else":     "-----BEGIN X-----\nAA==\n-----END X-----\n",
		"something it wants": "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n",
	} {
		write(text)
		var failed *KeyError
		if _, err := LoadKeys(f, p); !errors.As(err, &failed) || failed.File != f.Hub {
			t.Errorf("%s: %v", name, err)
		}
		if made, err := InitKeys(f, p, now); err == nil || len(made) != 0 {
			t.Errorf("%s: made %v", name, made)
		}
	}
}
