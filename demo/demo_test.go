package demo_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"parley/demo"
)

// build makes the binary that a person would run.
func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "parley")
	cmd := exec.Command("go", "build", "-o", binary, "parley/cmd/parley")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}

func TestDemo(t *testing.T) {
	binary := build(t)
	t.Run("the whole example is verified", func(t *testing.T) {
		var out bytes.Buffer
		dir := t.TempDir()
		if err := demo.Run(t.Context(), demo.Config{Binary: binary, Dir: dir, Once: true, Out: &out}); err != nil {
			t.Fatalf("%v\n%s", err, out.String())
		}
		for _, want := range []string{"keyMaterial", "update", "notify", "submitMessage", "groupInfo", "b.example was not called", "Verified"} {
			if !strings.Contains(out.String(), want) {
				t.Errorf("the ladder does not show %q:\n%s", want, out.String())
			}
		}
		// The commands that it prints for who wants to go on: the rooms are there, also the one that moved to a hybrid suite.
		for _, who := range []string{"alice", "cathy", "cathy-tablet"} {
			chat := exec.Command(binary, "chat", "--dir", filepath.Join(dir, who), "--wait", "0s")
			chat.Stdin = strings.NewReader("/rooms\n")
			if out, err := chat.CombinedOutput(); !strings.Contains(string(out), "Clubhouse") {
				t.Errorf("the chat of %s: %v\n%s", who, err, out)
			}
		}
	})
	for _, c := range []struct{ what, file string }{
		{"without the certificate of a provider", "lab/b.example.crt"},
		{"without the CA of a provider's users", "c.example/ca.crt"},
	} {
		t.Run("it fails "+c.what, func(t *testing.T) {
			var out bytes.Buffer
			err := demo.Run(t.Context(), demo.Config{Binary: binary, Dir: t.TempDir(), Once: true, Out: &out, Built: func(dir string) error {
				return os.Remove(filepath.Join(dir, c.file))
			}})
			if err == nil || strings.Contains(out.String(), "Verified") {
				t.Fatalf("%v\n%s", err, out.String())
			}
		})
	}
	t.Run("it removes nothing that it has not made", func(t *testing.T) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "mine"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := demo.Run(t.Context(), demo.Config{Binary: binary, Dir: dir, Once: true, Out: &bytes.Buffer{}}); err == nil {
			t.Fatal("played in somebody's directory")
		}
	})
}
