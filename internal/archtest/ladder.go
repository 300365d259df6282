package archtest

import (
	"path"
	"strings"
)

// Rank is a rung of the import ladder: a package may import lower rungs.
type Rank int

// The rungs. Tool and TestOnly stand beside the ladder.
const (
	R0       Rank = iota // wire language and names
	R1                   // pure values and state machines
	R2                   // transaction scripts: deterministic given store, peers and clock
	R3                   // drivers: sockets, SQL
	R4                   // composers: the only starters of long-lived goroutines
	R5                   // the command line
	Tool                 // build tooling; neither imports the product nor is imported by it
	TestOnly             // imported by tests and by other test-only packages
)

func (r Rank) String() string {
	switch r {
	case Tool:
		return "tool"
	case TestOnly:
		return "test-only"
	}
	return "R" + string(rune('0'+int(r)))
}

// pure reports whether a rung allows no effect at all.
func (r Rank) pure() bool { return r <= R1 }

// Rung places packages on the ladder.
type Rung struct {
	// Path is relative to the module; a final "/..." takes in everything below.
	Path string
	Rank Rank
	// Same lists the packages of the same rank that this one may import.
	Same []string
}

// Ladder is the list of all packages that may exist. The longest match wins.
func Ladder() []Rung {
	return []Rung{
		{Path: "syntax", Rank: R0},
		{Path: "uri", Rank: R0},

		{Path: "mls/...", Rank: R1, Same: []string{"mls/..."}},
		{Path: "content/...", Rank: R1, Same: []string{"content/..."}},
		{Path: "policy", Rank: R1, Same: []string{"mls/..."}},
		{Path: "credential", Rank: R1, Same: []string{"mls/..."}},
		{Path: "mimi", Rank: R1, Same: []string{"mls/...", "policy", "credential"}},
		{Path: "room", Rank: R1, Same: []string{"mls/...", "policy", "credential", "mimi"}},
		{Path: "consent", Rank: R1, Same: []string{"mimi"}},
		{Path: "ohttp", Rank: R1},
		{Path: "media", Rank: R1, Same: []string{"content/..."}},

		{Path: "hub", Rank: R2},
		{Path: "follower", Rank: R2},
		{Path: "keypkg", Rank: R2},
		{Path: "identity", Rank: R2},
		{Path: "contact", Rank: R2},
		{Path: "inbox", Rank: R2},
		{Path: "outbox", Rank: R2},
		{Path: "asset", Rank: R2},
		{Path: "client", Rank: R2},

		{Path: "store/memory", Rank: R3},
		{Path: "store/sqlite", Rank: R3},
		{Path: "store/postgres", Rank: R3},
		{Path: "store/device", Rank: R3},
		{Path: "store/blob", Rank: R3},
		{Path: "cores", Rank: R3},
		{Path: "netguard", Rank: R3},
		{Path: "netguard/corpus", Rank: TestOnly},
		{Path: "mimihttp", Rank: R3, Same: []string{"netguard"}},
		{Path: "clientapi/api", Rank: R3},
		{Path: "clientapi/server", Rank: R3, Same: []string{"clientapi/api"}},
		{Path: "clientapi/client", Rank: R3, Same: []string{"clientapi/api"}},
		// What networks show of a text is a pure matter of the text.
		{Path: "gateway/convert", Rank: R1, Same: []string{"content/..."}},
		{Path: "gateway", Rank: R3},
		{Path: "gateway/xmpp", Rank: R3, Same: []string{"gateway"}},
		{Path: "gateway/matrix", Rank: R3, Same: []string{"gateway"}},
		{Path: "gateway/sip", Rank: R3, Same: []string{"gateway"}},
		{Path: "gateway/irc", Rank: R3, Same: []string{"gateway"}},
		{Path: "gateway/webhook", Rank: R3, Same: []string{"gateway"}},

		{Path: "provider/...", Rank: R4, Same: []string{"provider/..."}},
		// Each native user of a gateway is a device.
		{Path: "gatewayd/...", Rank: R4, Same: []string{"gatewayd/...", "device"}},
		{Path: "device", Rank: R4},
		// The demo and the bench run whole providers and devices inside or beside themselves.
		{Path: "demo/...", Rank: R4, Same: []string{"demo/...", "device", "provider/...", "gatewayd/..."}},
		{Path: "bench/...", Rank: R4, Same: []string{"bench/...", "device", "provider/...", "gatewayd/..."}},

		{Path: "cmd/parley/...", Rank: R5, Same: []string{"cmd/parley/..."}},
		// Programs of others, as it were: they show how to use what Parley offers from outside.
		{Path: "examples/...", Rank: R5},

		{Path: "storetest/...", Rank: TestOnly},
		{Path: "mimitest/...", Rank: TestOnly},
		{Path: "simtest/...", Rank: TestOnly},
		{Path: "syntax/syntaxtest", Rank: TestOnly},
		{Path: "gateway/gatewaytest", Rank: TestOnly},
		{Path: "internal/vectors", Rank: TestOnly},
		{Path: "doc/upstream", Rank: TestOnly},

		{Path: "internal/archtest", Rank: Tool},
		{Path: "internal/speccheck/...", Rank: Tool, Same: []string{"internal/speccheck/..."}},
	}
}

// Edge forbids an import that the ranks alone would allow.
type Edge struct {
	From, To string
	Reason   string
}

// Edges are the forbidden imports beside the ranks.
func Edges() []Edge {
	const (
		noPlain  = "a server role never sees decrypted content; only clients and gateways do"
		adapter  = "a native adapter translates; keys and storage are the gateway's"
		noMember = "a provider holds no group secrets: members live in clients and gateways"
	)
	return []Edge{
		{"syntax", "uri", "the codec knows no names; names use the codec"},
		{"mls/...", "uri", "mls carries identities as opaque credentials; the MIMI meaning is added above it"},
		{"mimi", "content/...", noPlain},
		{"room", "content/...", noPlain},
		{"hub", "content/...", noPlain},
		{"follower", "content/...", noPlain},
		{"keypkg", "content/...", noPlain},
		{"inbox", "content/...", noPlain},
		{"contact", "content/...", noPlain},
		{"outbox", "content/...", noPlain},
		{"mimihttp", "content/...", noPlain},
		{"store/...", "content/...", noPlain},
		{"clientapi/server", "content/...", noPlain},
		{"clientapi/server", "client", noMember},
		{"provider/...", "client", noMember},
		{"follower", "room", "the hub alone judges room state; a follower relays and routes"},
		{"follower", "policy", "the hub alone judges room policy; a follower relays and routes"},
		{"outbox", "room", "a lane carries frozen bytes and knows nothing of rooms' state"},
		{"inbox", "room", "an inbox carries entries and knows nothing of rooms' state"},
		{"gateway/xmpp", "mls/...", adapter},
		{"gateway/matrix", "mls/...", adapter},
		{"gateway/sip", "mls/...", adapter},
		{"gateway/irc", "mls/...", adapter},
		{"gateway/webhook", "mls/...", adapter},
		{"gatewayd/...", "provider/...", "a gateway is a client of its provider and sees no federation"},
		{"gateway/...", "hub", "a gateway is a client of its provider and sees no federation"},
		{"gateway/...", "follower", "a gateway is a client of its provider and sees no federation"},
	}
}

// PanicsAllowed names the places below R4 that may panic, with the reason.
// The key is package path, a colon, and the function (methods as Type.Name).
func PanicsAllowed() map[string]string {
	return map[string]string{
		"mimihttp:cut":             "net/http recovers from ErrAbortHandler: its one way to end an answer that must not look complete",
		"store/memory:Store.enter": "in a simulation a transaction inside of another one is a mistake that waiting would hide",
	}
}

// WideAllowed names the interfaces that may declare more than [MaxMethods]
// methods, with the reason. The key is package path, a colon, and the type.
func WideAllowed() map[string]string {
	return map[string]string{
		"mimi:Service": "one method for each of the protocol's ten endpoints",
	}
}

// ThirdParty lists the modules that pure packages may use.
func ThirdParty() map[string][]string {
	return map[string][]string{
		"content": {"github.com/fxamacker/cbor/v2"},
		// the grammars of Markdown and HTML and of host names are large, well kept elsewhere, and pure
		"content/render": {
			"github.com/yuin/goldmark/ast", "github.com/yuin/goldmark/extension", "github.com/yuin/goldmark/extension/ast",
			"github.com/yuin/goldmark/parser", "github.com/yuin/goldmark/text", "github.com/yuin/goldmark/util",
			"golang.org/x/net/html", "golang.org/x/net/idna",
		},
		// the losses of a conversion are found in the source's own markup
		"gateway/convert": {"golang.org/x/net/html"},
		// suite 3 needs it, and the standard library keeps its own copy internal
		"mls/suite": {"golang.org/x/crypto/chacha20poly1305"},
	}
}

// match tells whether a module-relative package path fits a ladder pattern.
func match(pattern, pkg string) bool {
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return pkg == base || strings.HasPrefix(pkg, base+"/")
	}
	return pattern == pkg
}

func matchAny(patterns []string, pkg string) bool {
	for _, p := range patterns {
		if match(p, pkg) {
			return true
		}
	}
	return false
}

// find returns the rung of a package: the longest pattern that fits.
func find(ladder []Rung, pkg string) (Rung, bool) {
	var best Rung
	found := false
	for _, r := range ladder {
		if match(r.Path, pkg) && len(r.Path) > len(best.Path) {
			best, found = r, true
		}
	}
	return best, found
}

// nameless are package and file names that say nothing about their content.
func nameless(name string) bool {
	switch strings.TrimSuffix(path.Base(name), ".go") {
	case "util", "utils", "common", "helper", "helpers", "misc", "manager":
		return true
	}
	return false
}
