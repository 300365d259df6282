package mls_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The chat in the README is the one that runs as the package's example, and stays short.
func TestReadmeChat(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("example_chat_test.go")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(readme), "```go\n")
	text, _, found := strings.Cut(text, "```\n")
	if !found {
		t.Fatal("the README has no program")
	}
	_, body, _ := strings.Cut(string(source), "func Example() {\n")
	body, _, found = strings.Cut(body, "\t// Output:")
	if !found {
		t.Fatal("the example has no body")
	}
	var lines []string
	for line := range strings.Lines(body) {
		lines = append(lines, strings.TrimPrefix(line, "\t"))
	}
	if got := strings.Join(lines, ""); got != text {
		t.Errorf("README.md has another chat than example_chat_test.go:\n%s", text)
	}
	if len(lines) > 40 {
		t.Errorf("the chat has %d lines", len(lines))
	}
}

// The engine can be used without the rest of Parley: it needs the standard library, x/crypto and the codec, also in a browser.
func TestAlone(t *testing.T) {
	for _, target := range [][2]string{{"linux", "amd64"}, {"js", "wasm"}} {
		t.Run(strings.Join(target[:], "/"), func(t *testing.T) {
			cmd := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".")
			cmd.Env = append(os.Environ(), "GOOS="+target[0], "GOARCH="+target[1], "CGO_ENABLED=0")
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range strings.Fields(string(out)) {
				ours := p == "parley/syntax" || p == "parley/mls" || strings.HasPrefix(p, "parley/mls/")
				if !ours && !strings.HasPrefix(p, "golang.org/x/crypto/") && !strings.HasPrefix(p, "golang.org/x/sys/cpu") {
					t.Errorf("needs %s", p)
				}
			}
		})
	}
}

func TestBuildsForBrowsers(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the standard library for another machine")
	}
	cmd := exec.Command("go", "build", "-o", os.DevNull, ".")
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
