package demo_test

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"parley/demo"
	"parley/gatewayd/nativelab"
)

func TestDemoWithOtherNetworks(t *testing.T) {
	if missing := nativelab.Missing("irc", "xmpp"); len(missing) > 0 {
		if os.Getenv("CI") == "true" {
			t.Fatalf("missing: %v; scripts/deps installs them", missing)
		}
		t.Skipf("missing Debian packages: %v", missing)
	}
	var out bytes.Buffer
	if err := demo.Run(t.Context(), demo.Config{Binary: build(t), Dir: t.TempDir(), Once: true, With: []string{"irc", "xmpp"}, Out: &out}); err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, want := range []string{"keys held by gateway of b.example", "keys held by gateway of a.example", `Romeo reads "Hello from an IRC client."`,
		`Dora reads "Hello from an XMPP client."`, `cathy decrypted "Hello from an XMPP client."`, "Verified"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not shown:\n%s", want, out.String())
		}
	}
}

func TestDemoWithoutSuchANetwork(t *testing.T) {
	dir := t.TempDir()
	err := demo.Run(t.Context(), demo.Config{Dir: dir, Once: true, With: []string{"icq"}, Out: &bytes.Buffer{}})
	if err == nil || !strings.Contains(err.Error(), "irc, xmpp") {
		t.Errorf("%v", err)
	}
}
