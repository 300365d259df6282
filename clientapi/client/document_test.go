package client_test

import (
	"bufio"
	"bytes"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"parley/clientapi/api"
	"parley/mimi"
	"parley/mimitest"
	"parley/syntax"
)

// The commands of doc/client-api.md, run as they stand there against a provider.
func TestDocumentedCommands(t *testing.T) {
	for _, tool := range []string{"sh", "curl", "openssl", "jq", "base64"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("the commands need %s", tool)
		}
	}
	text, err := os.ReadFile("../../doc/client-api.md")
	must(t, err)
	var commands []string
	for _, m := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllSubmatch(text, -1) {
		commands = append(commands, string(m[1]))
	}
	if len(commands) != 6 {
		t.Fatalf("%d blocks of commands", len(commands))
	}
	w := newWorld(t)
	_, ts := w.serve()
	w.inbox.put(api.Fanout, "one", "two")
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	submit := sample[mimi.SubmitMessageRequest](t, mimi.SubmitMessage)
	request, err := syntax.Marshal(&api.SubmitMessages{Requests: []mimi.SubmitMessageRequest{*submit}})
	must(t, err)
	must(t, os.WriteFile(file("request.bin"), request, 0o600))
	must(t, os.WriteFile(file("roots.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: ts.Certificate().Raw}), 0o600))

	sh := exec.CommandContext(t.Context(), "sh", "-eu", "-c", strings.Join(commands, "\n"))
	sh.Dir = dir
	sh.Env = append(os.Environ(), "ORIGIN="+ts.URL, "CODE="+w.invite(), "ROOTS=roots.pem", "no_proxy=*")
	out, err := sh.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"mimi://a.example/d/alice/phone", "URI:mimi://a.example/u/alice"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("%s is not in\n%s", want, out)
		}
	}
	same(t, w.got[len(w.got)-1].([]*mimi.SubmitMessageRequest)[0], submit)
	if to := w.to[len(w.to)-1]; to != mimitest.Room {
		t.Errorf("sent to %s", to)
	}
	answer, err := os.ReadFile(file("response.bin"))
	must(t, err)
	must(t, syntax.Unmarshal(answer, new(api.MessagesSubmitted)))
	polled, err := os.ReadFile(file("events.bin"))
	must(t, err)
	var events api.Events
	must(t, syntax.Unmarshal(polled, &events))
	streamed, err := os.ReadFile(file("frames.bin"))
	must(t, err)
	r := bufio.NewReader(bytes.NewReader(streamed))
	for i, body := range []string{"one", "two"} {
		e, err := api.ReadFrame(r)
		if err != nil || string(e.Body) != body || string(events.Events[i].Body) != body {
			t.Fatalf("event %d: %v, %v", i, e, err)
		}
	}
	if len(w.inbox.acks) != 1 {
		t.Errorf("acknowledged %d times", len(w.inbox.acks))
	}
}
