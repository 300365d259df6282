package mls_test

import (
	"crypto"
	"fmt"
	"log"
	"time"

	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
)

// person is a member with a signature key and a basic credential.
func person(name string, id wire.CipherSuite) (*mls.KeyPackageBundle, crypto.Signer) {
	s, err := suite.Lookup(id)
	if err != nil {
		log.Fatal(err)
	}
	signer, err := s.GenerateSignatureKey()
	if err != nil {
		log.Fatal(err)
	}
	now := uint64(time.Now().Unix())
	bundle, err := mls.NewKeyPackage(mls.KeyPackageParams{
		Suite: id, Signer: signer,
		Credential: wire.Credential{Type: wire.BasicCredential, Identity: []byte(name)},
		Lifetime:   wire.Lifetime{NotBefore: now - 3600, NotAfter: now + 86400},
	})
	if err != nil {
		log.Fatal(err)
	}
	return bundle, signer
}

// pair is a group of two.
func pair(cfg *mls.Config) (ada, bob *mls.Group) {
	now := time.Now()
	adaKeys, adaSigner := person("ada", suite.X25519AES128)
	bobKeys, bobSigner := person("bob", suite.X25519AES128)
	ada, err := mls.Create(cfg, mls.CreateParams{GroupID: []byte("tea"), Bundle: adaKeys, Signer: adaSigner}, now)
	if err != nil {
		log.Fatal(err)
	}
	add := wire.Proposal{Type: wire.AddProposal, Add: &bobKeys.KeyPackage}
	commit, _, err := ada.Commit(mls.CommitOptions{ByValue: []wire.Proposal{add}, TreeInWelcome: true}, now)
	if err != nil {
		log.Fatal(err)
	}
	take(ada, commit.Message)
	own := []mls.OwnLeaf{{Bundle: bobKeys, Signer: bobSigner}}
	bob, _, err = mls.Join(cfg, mls.JoinParams{Welcome: commit.Welcome, Own: own}, now)
	if err != nil {
		log.Fatal(err)
	}
	return ada, bob
}

// take has a member take a handshake.
func take(g *mls.Group, m *wire.Message) {
	staged, err := g.Process(m, time.Now())
	if err != nil {
		log.Fatal(err)
	}
	if _, err := staged.Apply(); err != nil {
		log.Fatal(err)
	}
}

// A member decides on a commit between Process and Apply: the policy of an application looks at what would happen.
func ExampleGroup_Process() {
	ada, bob := pair(&mls.Config{})
	eve, _ := person("eve", suite.X25519AES128)
	add := wire.Proposal{Type: wire.AddProposal, Add: &eve.KeyPackage}
	commit, _, err := ada.Commit(mls.CommitOptions{ByValue: []wire.Proposal{add}}, time.Now())
	if err != nil {
		log.Fatal(err)
	}
	staged, err := bob.Process(commit.Message, time.Now())
	if err != nil {
		log.Fatal(err)
	}
	for _, change := range staged.Added() {
		fmt.Printf("%s would come in\n", change.After.Credential.Identity)
	}
	staged.Discard()
	fmt.Println("bob is in epoch", bob.Public().Epoch())
	// Output:
	// eve would come in
	// bob is in epoch 1
}

// A server that orders handshakes follows the group without any secret and judges like a member.
func ExampleNewPublicGroup() {
	ada, bob := pair(&mls.Config{})
	info, err := ada.GroupInfo(0)
	if err != nil {
		log.Fatal(err)
	}
	tree := ada.Public().Tree()
	server, err := mls.NewPublicGroup(&mls.Config{}, info, &tree, time.Now())
	if err != nil {
		log.Fatal(err)
	}
	commit, _, err := bob.Commit(mls.CommitOptions{Leaf: 1}, time.Now())
	if err != nil {
		log.Fatal(err)
	}
	staged, err := server.Process(commit.Message, time.Now())
	if err != nil {
		log.Fatal(err)
	}
	server = staged.Next()
	take(ada, commit.Message)
	fmt.Println(server.Members(), "members in epoch", server.Epoch(), "- the same tree:", string(server.TreeHash()) == string(ada.Public().TreeHash()))
	// Output: 2 members in epoch 2 - the same tree: true
}

// Everything that a step changes is in its delta; a group is loaded again from the records.
func ExampleLoadGroup() {
	cfg := &mls.Config{}
	bundle, signer := person("ada", suite.X25519AES128)
	ada, err := mls.Create(cfg, mls.CreateParams{GroupID: []byte("notes"), Bundle: bundle, Signer: signer}, time.Now())
	if err != nil {
		log.Fatal(err)
	}
	disk := map[string][]byte{}
	write := func(d mls.Delta) {
		for _, r := range d {
			if r.Value == nil {
				delete(disk, r.Key)
			} else {
				disk[r.Key] = r.Value
			}
		}
	}
	all, err := ada.Save()
	if err != nil {
		log.Fatal(err)
	}
	write(all)
	_, delta, err := ada.Commit(mls.CommitOptions{}, time.Now())
	if err != nil {
		log.Fatal(err)
	}
	write(delta) // before the commit leaves
	var records []mls.Record
	for key, value := range disk {
		records = append(records, mls.Record{Key: key, Value: value})
	}
	again, err := mls.LoadGroup(cfg, records, func([]byte) crypto.Signer { return signer })
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("epoch", again.Public().Epoch(), "of", string(again.Public().GroupID()))
	// Output: epoch 0 of notes
}

// Both derive the same secret for a purpose of the application.
func ExampleGroup_Export() {
	ada, bob := pair(&mls.Config{})
	a, err := ada.Export("my call", []byte("media key"), 32)
	if err != nil {
		log.Fatal(err)
	}
	b, err := bob.Export("my call", []byte("media key"), 32)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(a) == string(b))
	// Output: true
}
