package mimi_test

import (
	"crypto/ed25519"
	"strings"
	"testing"

	"parley/mimi"
	"parley/mimitest/wirecase"
)

// The cases of one structure in the franking vectors, by a word in their names.
func frankingCases(t *testing.T, structure string, pick func(name string) bool, run func(*testing.T, wirecase.Case)) {
	t.Helper()
	n := 0
	for _, c := range wirecase.Load(t, "franking") {
		if c.Structure == structure && c.Inputs != nil && pick(c.Name) {
			n++
			run(t, c)
		}
	}
	if n == 0 {
		t.Fatal("no case")
	}
}

func TestFrankingRows(t *testing.T) {
	any := func(string) bool { return true }
	t.Run("P-FR-01 tags of the vectors", func(t *testing.T) { frankingCases(t, "FrankingTag", any, frankingTag) })
	t.Run("P-FR-02 tags with and without framing", func(t *testing.T) {
		frankingCases(t, "FrankingTag", func(name string) bool { return name == "unframed" }, frankingTag)
		frankingCases(t, "FrankingTag", func(name string) bool { return name != "unframed" }, frankingTag)
	})
	t.Run("P-FR-07 server_franks of the vectors", func(t *testing.T) { frankingCases(t, "ServerFrank", any, serverFrank) })
	t.Run("P-MM-04 a pseudonym is franked like a user", func(t *testing.T) {
		pseudonymous := func(name string) bool { return strings.Contains(name, "pseudonym") }
		frankingCases(t, "FrankingTag", pseudonymous, frankingTag)
		frankingCases(t, "ServerFrank", pseudonymous, serverFrank)
		request := &mimi.SubmitMessageRequest{SendingURI: "mimi://b.example/p/0b0f7e30-8a5e-4f4e-9d2f-1f2a5f3b6c7d"}
		if err := request.Validate(); err != nil {
			t.Errorf("a pseudonym cannot send: %v", err)
		}
		key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
		context := &mimi.FrankingContext{Sender: request.SendingURI, Room: "mimi://a.example/r/clubhouse", AcceptedAt: 1}
		frank, err := mimi.NewFrank(1, key, make([]byte, 32), [32]byte{1}, context)
		if err != nil || frank.Verify(key.Public().(ed25519.PublicKey), context) != nil {
			t.Errorf("%v", err)
		}
	})
}
