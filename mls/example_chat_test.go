package mls_test

import (
	"crypto"
	"fmt"
	"time"

	"parley/mls"
	"parley/mls/suite"
	"parley/mls/wire"
)

// The chat of README.md.
func Example() {
	must := func(err error) {
		if err != nil {
			fmt.Println(err)
		}
	}
	cfg, now := &mls.Config{}, time.Now()
	keys := func(name string) (*mls.KeyPackageBundle, crypto.Signer) {
		s, err := suite.Lookup(suite.X25519AES128)
		must(err)
		signer, err := s.GenerateSignatureKey()
		must(err)
		bundle, err := mls.NewKeyPackage(mls.KeyPackageParams{
			Suite: s.ID(), Signer: signer,
			Credential: wire.Credential{Type: wire.BasicCredential, Identity: []byte(name)},
			Lifetime:   wire.Lifetime{NotBefore: uint64(now.Unix()), NotAfter: uint64(now.Unix()) + 3600},
		})
		must(err)
		return bundle, signer
	}
	adaKeys, adaSigner := keys("ada")
	bobKeys, bobSigner := keys("bob")
	// Ada makes a group, adds Bob, and takes her own commit once it is in everybody's order.
	ada, err := mls.Create(cfg, mls.CreateParams{GroupID: []byte("tea"), Bundle: adaKeys, Signer: adaSigner}, now)
	must(err)
	add := wire.Proposal{Type: wire.AddProposal, Add: &bobKeys.KeyPackage}
	commit, _, err := ada.Commit(mls.CommitOptions{ByValue: []wire.Proposal{add}, TreeInWelcome: true}, now)
	must(err)
	staged, err := ada.Process(commit.Message, now)
	must(err)
	_, err = staged.Apply()
	must(err)
	// Bob joins and reads what Ada says.
	bob, _, err := mls.Join(cfg, mls.JoinParams{Welcome: commit.Welcome, Own: []mls.OwnLeaf{{Bundle: bobKeys, Signer: bobSigner}}}, now)
	must(err)
	message, _, err := ada.Seal(0, nil, []byte("the kettle is on"))
	must(err)
	got, _, err := bob.Open(message.Private)
	must(err)
	fmt.Printf("%s: %s\n", got.Leaf.Credential.Identity, got.Data)
	// Output: ada: the kettle is on
}
