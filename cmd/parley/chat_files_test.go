package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"parley/provider/lab"
)

// filesLab is two providers as processes, with a person at each.
type filesLab struct {
	*testing.T
	binary, dir string
	a, b        *lab.Server
	alice, bob  string // directories of their devices
}

func newFilesLab(t *testing.T) *filesLab {
	w := &filesLab{T: t, dir: t.TempDir()}
	w.binary = w.program()
	servers, err := lab.Build(t.Context(), lab.Plan{Binary: w.binary, Dir: filepath.Join(w.dir, "lab"), Trace: true, Domains: []string{"a.example", "b.example"}})
	if err != nil {
		t.Fatal(err)
	}
	w.a, w.b = servers[0], servers[1]
	for _, s := range servers {
		if err := s.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := s.Kill(); err != nil {
				t.Error(err)
			}
		})
	}
	w.alice, w.bob = w.enrol(w.a, "alice"), w.enrol(w.b, "bob")
	return w
}

// program is the command: the test binary, or a built one where figures are wanted.
func (w *filesLab) program() string {
	w.Helper()
	if os.Getenv("PARLEY_LARGE") == "" {
		binary, err := os.Executable()
		if err != nil {
			w.Fatal(err)
		}
		w.Setenv(asParley, "1")
		return binary
	}
	binary := filepath.Join(w.dir, "parley")
	build := exec.Command("go", "build", "-o", binary, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		w.Fatalf("%v\n%s", err, out)
	}
	return binary
}

func (w *filesLab) enrol(home *lab.Server, name string) string {
	w.Helper()
	out, err := lab.Execute(w.Context(), w.binary, "user", "add", "--json", "--config", home.Config, name)
	var invited struct {
		Code string `json:"code"`
	}
	if err := errors.Join(err, json.Unmarshal(out, &invited)); err != nil {
		w.Fatalf("%v: %s", err, out)
	}
	dir := filepath.Join(w.dir, name)
	if out, err := lab.Execute(w.Context(), w.binary, "chat", "enrol", "--provider", "https://"+home.Client, "--ca", home.LabCA,
		"--code", invited.Code, "--dir", dir); err != nil {
		w.Fatalf("%v: %s", err, out)
	}
	return dir
}

// chat plays lines as somebody and returns the events about files.
func (w *filesLab) chat(dir, room string, lines ...string) (files []chatFile, all string) {
	w.Helper()
	cmd := exec.CommandContext(w.Context(), w.binary, "chat", "--dir", dir, "--json", "--room", room, "--wait", "20s")
	cmd.Dir = w.dir
	cmd.Stdin = strings.NewReader(strings.Join(lines, "\n") + "\n")
	out, err := cmd.CombinedOutput()
	if err != nil {
		w.Fatalf("%v\n%s", err, out)
	}
	for line := range bytes.Lines(out) {
		var e chatEvent
		if json.Unmarshal(line, &e) == nil && e.File != nil {
			files = append(files, *e.File)
		}
	}
	return files, string(out)
}

func (w *filesLab) saved(files []chatFile) []byte {
	w.Helper()
	last := files[len(files)-1]
	if last.State != "saved" {
		w.Fatalf("%+v", files)
	}
	octets, err := os.ReadFile(filepath.Join(w.dir, last.Path))
	if err != nil {
		w.Fatal(err)
	}
	return octets
}

// stored is all octets of files at a provider.
func (w *filesLab) stored(s *lab.Server) (out [][]byte) {
	w.Helper()
	err := filepath.WalkDir(filepath.Join(s.Dir, "files"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		octets, err := os.ReadFile(path)
		out = append(out, octets)
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
	return out
}

func noise(size int, seed byte) []byte {
	out := make([]byte, size)
	r := rand.NewChaCha8([32]byte{seed})
	if _, err := r.Read(out); err != nil {
		panic(err)
	}
	copy(out, "canary of the plaintext")
	return out
}

// Alice at one provider sends files to Bob at another one and back, with the real program.
func TestFilesBetweenProviders(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	w := newFilesLab(t)
	const size = 20<<20 + 12345
	big, same := noise(size, 1), noise(size, 1)
	for name, octets := range map[string][]byte{"big.bin": big, "same.bin": same, "answer.bin": noise(9<<20, 2)} {
		if err := os.WriteFile(filepath.Join(w.dir, name), octets, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("mkdir", filepath.Join(w.dir, "got")).CombinedOutput()
	if err != nil {
		t.Fatal(string(out))
	}
	create := exec.CommandContext(t.Context(), w.binary, "chat", "--dir", w.alice, "--json", "--wait", "20s")
	create.Dir, create.Stdin = w.dir, strings.NewReader("/new files\n/add bob@b.example\n/wait\n/file big.bin\n/file same.bin\n/wait\n")
	if out, err := create.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	files, _ := w.chat(w.bob, "files", "/files", "/get 2 got")
	t.Run("C-MT-04 external parts are downloaded and decrypted", func(t *testing.T) {
		if got := w.saved(files); !bytes.Equal(got, big) {
			t.Errorf("%d octets of %d", len(got), len(big))
		}
		if name := filepath.Base(files[len(files)-1].Path); name != "big.bin" {
			t.Errorf("saved as %s", name)
		}
	})
	t.Run("C-XP-07 no plaintext is stored, and no key is used twice", func(t *testing.T) {
		chunks := w.stored(w.a)
		if len(chunks) != 6 {
			t.Errorf("%d chunks", len(chunks))
		}
		for i, c := range chunks {
			if bytes.Contains(c, []byte("canary")) || bytes.Contains(big, c[:32]) {
				t.Error("plaintext is stored")
			}
			for _, other := range chunks[:i] {
				if bytes.Equal(c, other) {
					t.Error("equal files are equal where they are stored")
				}
			}
		}
	})
	w.chat(w.bob, "files", "/file answer.bin", "/wait")
	files, _ = w.chat(w.alice, "files", "/get got")
	if got := w.saved(files); !bytes.Equal(got, noise(9<<20, 2)) {
		t.Errorf("%d octets came back", len(got))
	}
	t.Run("P-PD-09 no client asks a foreign host for a file", func(t *testing.T) {
		// Bob's file comes out of the hub's own store; Alice's is fetched from b.example once, by the hub.
		if n := traced(t, w.a.Trace, "asset"); n != 0 {
			t.Errorf("%d requests for files came to a.example past its proxy", n)
		}
		if n := traced(t, w.b.Trace, "asset"); n != 1 {
			t.Errorf("%d requests for files came to b.example", n)
		}
		if n := traced(t, w.a.Trace, "proxyDownload"); n == 0 {
			t.Error("the hub's proxy was not used")
		}
	})
	// What the provider keeps is changed: the file is refused and nothing of it is left.
	for _, name := range []string{"flipped", "swapped", "gone"} {
		t.Run("stored octets that were "+name, func(t *testing.T) {
			damage(t, filepath.Join(w.a.Dir, "files"), name)
			cmd := exec.CommandContext(t.Context(), w.binary, "chat", "--dir", w.bob, "--json", "--room", "files")
			cmd.Dir, cmd.Stdin = w.dir, strings.NewReader("/get 3 got\n")
			out, err := cmd.CombinedOutput()
			if err == nil || strings.Contains(string(out), `"saved"`) {
				t.Errorf("%v\n%s", err, out)
			}
			left, err := filepath.Glob(filepath.Join(w.bob, "transfers", "*"))
			if err != nil || name != "gone" && len(left) != 0 {
				t.Errorf("left: %v, %v", left, err)
			}
			saved, err := filepath.Glob(filepath.Join(w.dir, "got", "big*"))
			if err != nil || len(saved) != 1 {
				t.Errorf("saved: %v, %v", saved, err)
			}
		})
	}
}

// traced counts the requests that a provider has served.
func traced(t *testing.T, path, endpoint string) (n int) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		var l struct {
			Endpoint string `json:"endpoint"`
			Side     string `json:"side"`
		}
		if json.Unmarshal(line, &l) == nil && l.Endpoint == endpoint && l.Side != "client" {
			n++
		}
	}
	return n
}

// damage changes the first chunk of every file.
func damage(t *testing.T, dir, how string) {
	t.Helper()
	first, err := filepath.Glob(filepath.Join(dir, "*", "*-0"))
	if err != nil || len(first) == 0 {
		t.Fatal(first, err)
	}
	for _, path := range first {
		switch how {
		case "flipped":
			octets, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			octets[len(octets)/2] ^= 1
			err = os.WriteFile(path, octets, 0o600)
			if err != nil {
				t.Fatal(err)
			}
		case "swapped":
			second := fmt.Sprintf("%s-1", strings.TrimSuffix(path, "-0"))
			octets, err := os.ReadFile(second)
			if err == nil && len(octets) == 8<<20 {
				err = os.WriteFile(path, octets, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		case "gone":
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		}
	}
}
