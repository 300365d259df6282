package uri_test

import (
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"parley/internal/vectors"
	"parley/syntax"
	"parley/uri"
)

type vector struct {
	Name, Structure, Invalid, Reason, Hex string
	Fields                                struct{ URI string }
	Inputs                                struct {
		URI       string
		A, B      string
		Template  string
		Value     string
		PathValue string `json:"path_value"`
	}
	Outputs struct {
		Valid, Equal bool
		Host, Kind   string
		Segments     []string
		URL          string
		RoomID       string `json:"roomId"`
	}
}

func load(t *testing.T) []vector {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(vectors.MIMI(t), "identifiers.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// wireText is the one field of IdentifierUri.
type wireText struct{ text string }

func (w *wireText) Syntax(c *syntax.Codec) { syntax.Text(c, &w.text) }

func TestVectors(t *testing.T) {
	checks := map[string]func(*testing.T, vector){
		"IdentifierUri": checkWire, "UriParse": checkParse, "UriCompare": checkCompare,
		"UriExpand": checkExpand, "PathAccept": checkPath,
	}
	seen := map[string]int{}
	for _, v := range load(t) {
		check := checks[v.Structure]
		if check == nil {
			t.Fatalf("no check for %s", v.Structure)
		}
		seen[v.Structure]++
		t.Run(v.Structure+"/"+v.Name, func(t *testing.T) { check(t, v) })
	}
	for name := range checks {
		if seen[name] == 0 {
			t.Errorf("no vector of %s", name)
		}
	}
}

func checkWire(t *testing.T, v vector) {
	octets, err := hex.DecodeString(v.Hex)
	if err != nil {
		t.Fatal(err)
	}
	var w wireText
	err = syntax.Unmarshal(octets, &w)
	if err == nil {
		_, err = uri.Parse(w.text)
	}
	switch {
	case v.Invalid != "" && err == nil:
		t.Fatalf("accepted: %s", v.Reason)
	case v.Invalid != "" || w.text == "": // an empty text is well-formed on the wire and names nothing
	case err != nil:
		t.Fatal(err)
	case w.text != v.Fields.URI:
		t.Fatalf("read %q, want %q", w.text, v.Fields.URI)
	}
}

func checkParse(t *testing.T, v vector) {
	u, err := uri.Parse(v.Inputs.URI)
	if !v.Outputs.Valid {
		if err == nil {
			t.Fatalf("accepted: %s", v.Reason)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if u.Domain() != v.Outputs.Host || u.Kind().String() != v.Outputs.Kind || !slices.Equal(u.Segments(), v.Outputs.Segments) {
		t.Fatalf("host %q, kind %q, segments %q", u.Domain(), u.Kind(), u.Segments())
	}
}

func checkCompare(t *testing.T, v vector) {
	if got := uri.Equal(v.Inputs.A, v.Inputs.B); got != v.Outputs.Equal {
		t.Fatalf("equal: %v", got)
	}
	a, errA := uri.Parse(v.Inputs.A)
	b, errB := uri.Parse(v.Inputs.B)
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	if (a == b) != v.Outputs.Equal || (a.Key() == b.Key()) != v.Outputs.Equal {
		t.Fatal("== and Key disagree with Equal")
	}
	if (uri.Hash(v.Inputs.A) == uri.Hash(v.Inputs.B)) != v.Outputs.Equal {
		t.Fatal("Hash disagrees with Equal")
	}
}

func checkExpand(t *testing.T, v vector) {
	template, err := uri.ParseTemplate(v.Inputs.Template)
	if err != nil {
		t.Fatal(err)
	}
	if got := template.Expand(v.Inputs.Value); got != v.Outputs.URL {
		t.Fatalf("expanded to %q", got)
	}
}

func checkPath(t *testing.T, v vector) {
	u, err := uri.AcceptPath(v.Inputs.PathValue)
	if err != nil {
		t.Fatal(err)
	}
	room, ok := u.AsRoom()
	if !ok || room.String() != v.Outputs.RoomID {
		t.Fatalf("read %q, room %v", u, ok)
	}
}

func TestGrammar(t *testing.T) {
	t.Run("P-CR-01 kinds u d r g p t and the bare provider, no other", func(t *testing.T) {
		for kind, want := range map[string]uri.Kind{
			"": uri.KindProvider, "/u/x": uri.KindUser, "/d/x": uri.KindClient, "/r/x": uri.KindRoom,
			"/g/x": uri.KindGroup, "/p/x": uri.KindPseudonym, "/t/x": uri.KindTeam,
		} {
			u, err := uri.Parse("mimi://a.example" + kind)
			if err != nil || u.Kind() != want {
				t.Errorf("%q: kind %q, %v", kind, u.Kind(), err)
			}
		}
		for c := byte(0); c < 128; c++ {
			if strings.IndexByte("udrgpt", c) >= 0 {
				continue
			}
			if _, err := uri.Parse("mimi://a.example/" + string(c) + "/x"); err == nil {
				t.Errorf("kind %q accepted", c)
			}
		}
		if _, err := uri.ParseUser("mimi://a.example/r/x"); err != uri.ErrKind {
			t.Errorf("a room as a user: %v", err)
		}
	})
	t.Run("P-CR-02 one or two segments after d, no user from the short form", func(t *testing.T) {
		short, err := uri.ParseClient("mimi://a.example/d/ClientA1")
		if err != nil {
			t.Fatal(err)
		}
		if u, ok := short.NamedUser(); ok || !u.IsZero() {
			t.Errorf("user %q inferred from the one-segment form", u)
		}
		long, err := uri.ParseClient("mimi://a.example/d/alice/ClientA1")
		if err != nil {
			t.Fatal(err)
		}
		if u, ok := long.NamedUser(); !ok || u.String() != "mimi://a.example/u/alice" || long.Device() != "ClientA1" {
			t.Errorf("user %q, %v, device %q", u, ok, long.Device())
		}
		if _, err := uri.ParseClient("mimi://a.example/d/a/b/c"); err == nil {
			t.Error("three segments accepted")
		}
		if _, err := uri.ParseUser("mimi://a.example/u/a/b"); err == nil {
			t.Error("two segments after u accepted")
		}
	})
	t.Run("P-CR-03 comparison after normalising", func(t *testing.T) {
		equal := [][2]string{
			{"mimi://a.example/u/%7eal%2dice", "MIMI://A.EXAMPLE/u/~al-ice"},
			{"mimi://a.example/u/a%2fb", "mimi://a.example/u/a%2Fb"},
		}
		for _, p := range equal {
			if !uri.Equal(p[0], p[1]) {
				t.Errorf("%q and %q differ", p[0], p[1])
			}
		}
		differ := [][2]string{
			{"mimi://a.example/u/a%2Fb", "mimi://a.example/d/a/b"}, {"mimi://a.example/U/a", "mimi://a.example/u/a"},
			{"mimi://a.example/u/a+b", "mimi://a.example/u/a%20b"}, {"mimi://a.example/u/a%2Bb", "mimi://a.example/u/a+b"},
			{"mimi://a.example/u/a?", "mimi://a.example/u/a"}, {"mimi://a.example/u/a#", "mimi://a.example/u/a"},
			{"nonsense", "nonsense"},
		}
		for _, p := range differ {
			if uri.Equal(p[0], p[1]) {
				t.Errorf("%q and %q are equal", p[0], p[1])
			}
		}
	})
}

func TestRefused(t *testing.T) {
	for _, s := range []string{
		"", "mimi:", "mimi://", "mimi:///u/a", "mimi://a.example/", "mimi://a.example/u", "mimi://a.example/u/",
		"mimi://a.example//u/a", "mimi://a.example/u/a/", "mimi://a.example:443/u/a", "mimi://x@a.example/u/a",
		"mimi://a..example/u/a", "mimi://-a.example/u/a", "mimi://a-.example", "mimi://a_b.example", "mimi://bücher.example",
		"mimi://a.example./u/a", "mimi://[::1]/u/a", "mimi://a.example/u/.", "mimi://a.example/u/..", "mimi://a.example/u/%2E%2e",
		"mimi://a.example/u/%zz", "mimi://a.example/u/%", "mimi://a.example/u/a\\b", "mimi://a.example/u/a\x00", "mimi://a.example/uu/a",
		"mimi://a.example/u/é", "mimi://" + strings.Repeat("a", 64) + ".example", "mimi://" + strings.Repeat("a.", 127) + "example",
	} {
		if u, err := uri.Parse(s); err == nil || !u.IsZero() {
			t.Errorf("%q accepted as %q", s, u)
		}
	}
}

func TestMake(t *testing.T) {
	p, err := uri.ProviderFromDomain("A.Example.")
	if err != nil || p.String() != "mimi://a.example" || p.Domain() != "a.example" {
		t.Fatal(p, err)
	}
	if again, err := uri.ParseProvider("mimi://A.EXAMPLE"); err != nil || again != p || again.Provider() != p {
		t.Error("the same provider is not ==")
	}
	u, err := uri.NewUser(p, "zoë/β")
	if err != nil || u.String() != "mimi://a.example/u/zo%C3%AB%2F%CE%B2" || u.Name() != "zoë/β" || u.Provider() != p {
		t.Error(u, u.Name(), err)
	}
	c, err := uri.NewClient(p, "alice", "phone 2")
	if err != nil || c.String() != "mimi://a.example/d/alice/phone%202" || c.Device() != "phone 2" {
		t.Error(c, err)
	}
	r, err := uri.NewRoom(p, "clubhouse")
	if err != nil || r.String() != "mimi://a.example/r/clubhouse" || r.Name() != "clubhouse" {
		t.Error(r, err)
	}
	for _, name := range []string{"", ".", "..", strings.Repeat("x", 237)} {
		if u, err := uri.NewUser(p, name); err == nil {
			t.Errorf("made %q", u)
		}
	}
	if u, err := uri.NewUser(p, strings.Repeat("x", 236)); err != nil || len(u.String()) != uri.MaxOwnLen {
		t.Errorf("%d octets: %v", len(u.String()), err)
	}
	if _, err := uri.NewUser(uri.Provider{}, "x"); err == nil {
		t.Error("made a user of no provider")
	}
	if _, err := uri.ProviderFromDomain("a.example:443"); err == nil {
		t.Error("made a provider with a port")
	}
	var zero uri.User
	if !zero.IsZero() || zero.String() != "" || zero.Domain() != "" || !zero.Provider().IsZero() || zero.Name() != "" {
		t.Error("the zero user is not empty")
	}
}

func TestNarrow(t *testing.T) {
	parse := func(s string) uri.URI {
		u, err := uri.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	room := parse("mimi://a.example/r/x")
	if _, ok := room.AsUser(); ok {
		t.Error("a room is a user")
	}
	if _, ok := room.AsProvider(); ok {
		t.Error("a room is a provider")
	}
	if r, ok := room.AsRoom(); !ok || r.Domain() != "a.example" {
		t.Error("a room is no room")
	}
	if _, ok := parse("mimi://a.example").AsProvider(); !ok {
		t.Error("a provider is no provider")
	}
	if _, ok := (uri.URI{}).AsProvider(); ok {
		t.Error("nothing is a provider")
	}
}

func TestHash(t *testing.T) {
	if h := uri.Hash("mimi://a.example/u/alice"); len(h) != 8 || h != uri.Hash("MIMI://a.Example/u/%61lice") {
		t.Errorf("label %q", h)
	}
	if uri.Hash("garbage") == uri.Hash("rubbish") {
		t.Error("different texts, one label")
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"mimi://a.example", "MIMI://A.example/d/a%2f/%61", "mimi://a/u/%", "mimi://a.example/x/y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := uri.Parse(s)
		if err != nil {
			if uri.Equal(s, s) {
				t.Fatal("refused and equal")
			}
			return
		}
		again, err := uri.Parse(u.String())
		if err != nil || again != u || again.String() != u.String() {
			t.Fatalf("%q normalises to %q, which is %q, %v", s, u, again, err)
		}
		if back, err := uri.AcceptPath(uri.Escape(s)); err != nil || back != u {
			t.Fatalf("%q does not survive a path: %q, %v", s, back, err)
		}
	})
}

func FuzzEscape(f *testing.F) {
	f.Add("mimi://a.example/r/x y%2F+é")
	f.Fuzz(func(t *testing.T, s string) {
		if back, err := uri.Unescape(uri.Escape(s)); err != nil || back != s {
			t.Fatalf("%q came back as %q, %v", s, back, err)
		}
	})
}

func FuzzTemplate(f *testing.F) {
	f.Add("https://a.example/v1/update{roomId}")
	f.Fuzz(func(t *testing.T, s string) {
		template, err := uri.ParseTemplate(s)
		if err == nil && template.String() != s {
			t.Fatalf("%q became %q", s, template)
		}
	})
}
