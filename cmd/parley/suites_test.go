package main

import (
	"strings"
	"testing"

	"parley/mls/suite"
)

func TestSuiteTable(t *testing.T) {
	if table, err := suiteTable(nil); err != nil || table != nil {
		t.Errorf("%v, %v: hybrids are off by default", table, err)
	}
	table, err := suiteTable([]string{"MLKEM768-X25519=0xf0f1", "MLKEM1024-P384"})
	if err != nil {
		t.Fatal(err)
	}
	if id, err := parseSuite("MLKEM768-X25519", table); err != nil || id != 0xf0f1 {
		t.Errorf("%x, %v", id, err)
	}
	if id, err := parseSuite("2", table); err != nil || id != suite.P256AES128 {
		t.Errorf("%x, %v", id, err)
	}
	for _, bad := range []string{"", "nonsense", "4", "MLKEM768-P256"} {
		if id, err := parseSuite(bad, table); err == nil {
			t.Errorf("%q is %d", bad, id)
		}
	}
	for _, bad := range []string{"MLKEM512-X25519", "MLKEM768-X25519=7", "MLKEM768-X25519=0x7", "MLKEM768-X25519=", "MLKEM768-X25519=0x1f000"} {
		if _, err := suiteTable([]string{bad}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}

func TestHybridSuitesOfTheConfiguration(t *testing.T) {
	l := newPlace(t)
	config := l.config("a", "\n[mls]\nhybrid_suites = [\"MLKEM512-X25519\"]\n"+peerB)
	if r := parley(t, "check", "--config", config); r.code != exitConfig || !strings.Contains(r.out+r.errs, "mls.hybrid_suites") {
		t.Errorf("%d %q %q", r.code, r.out, r.errs)
	}
}
