package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"parley/gateway"
)

// The tables of the manual are those of the code: parley gateway explain --markdown prints them.
func TestGatewayTables(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "doc", "gateway.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(text), "<!-- table: parley gateway explain --markdown -->\n")
	table, _, ok2 := strings.Cut(rest, "<!-- end of table -->")
	if !ok || !ok2 {
		t.Fatal("doc/gateway.md has no place for the tables")
	}
	if want := gateway.Table(allNetworks()); table != want {
		t.Errorf("doc/gateway.md is not what parley gateway explain --markdown prints:\n%s", want)
	}
	for _, n := range allNetworks() {
		for f := range n.Cells {
			if !strings.Contains(table, "| "+string(f)+" |") {
				t.Errorf("%s declares %s, which is no feature", n.Network, f)
			}
		}
	}
}

func TestGatewayExplain(t *testing.T) {
	rows := decode[[]gateway.Row](t, parley(t, "gateway", "explain", "--json").must(t).out)
	if len(rows) != len(allNetworks())*len(gateway.Features())*2 {
		t.Errorf("%d rows", len(rows))
	}
	for _, r := range rows {
		if r.How == "" || r.Level == "" || r.How == "not declared" {
			t.Errorf("%+v", r)
		}
	}
	parley(t, "gateway", "explain", "--network", "icq").fails(t, exitUsage, "no such network")
}

func TestGatewayConfiguration(t *testing.T) {
	dir := t.TempDir()
	const base = "provider = \"b.example\"\nurl = \"https://127.0.0.1:1\"\ndata = \"g\"\nadmin_socket = \"s\"\n"
	for text, want := range map[string]string{
		"":                                 "provider",
		"provider = \"b.example\"\n":       "is missing",
		base:                               "no network",
		base + "[irc]\nname = \"x\"\n":     "irc: needs",
		base + "[xmpp]\naddress = \"x\"\n": "xmpp: needs",
		base + "[webhook]\nurl = \"x\"\n":  "webhook: needs",
		base + "[icq]\n":                   "unknown key",
		base + "[irc]\nname = \"x\"\naddress = \"y\"\npassword_file = \"none\"\n": "password_file",
		base + "provider = 7\n": "",
	} {
		path := filepath.Join(dir, "gateway.toml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		parley(t, "gateway", "--config", path).fails(t, exitConfig, want)
	}
}
