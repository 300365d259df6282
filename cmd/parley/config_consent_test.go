package main

import (
	"os"
	"path/filepath"
	"testing"

	"parley/consent"
)

func TestConsentConfig(t *testing.T) {
	read := func(more string) (*config, error) {
		path := filepath.Join(t.TempDir(), "a.toml")
		text := "domain = \"a.example\"\ndata = \"data\"\n[federation]\ncertificate_file = \"a.crt\"\nkey_file = \"a.key\"\n" + more
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return readConfig(path)
	}
	for more, want := range map[string]consent.Rule{
		"": consent.Open, "[consent]\nrule = \"own\"\n": consent.Own, "[consent]\nrule = \"ask\"\nhide_users = true\n": consent.Ask,
	} {
		c, err := read(more)
		if err != nil {
			t.Fatal(err)
		}
		if got := c.Consent.consent(); got.Rule != want || got.HideUsers != (want == consent.Ask) {
			t.Errorf("%q: %+v", more, got)
		}
	}
	for _, more := range []string{"[consent]\nrule = \"Open\"\n", "[consent]\nrule = \"\"\nhide = true\n", "[consent]\nhide_users = \"yes\"\n"} {
		if _, err := read(more); err == nil {
			t.Errorf("%q is taken", more)
		}
	}
}
