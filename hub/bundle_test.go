package hub_test

import (
	"testing"

	"parley/mimi"
	"parley/mls"
	"parley/mls/wire"
	"parley/policy"
	"parley/storetest/roletest"
)

// full makes a commit's request carry the whole GroupInfo.
func full(result *mls.CommitResult) *mimi.UpdateRequest {
	r := roletest.Request(result)
	info := *result.GroupInfo
	r.GroupInfo = mimi.GroupInfoOption{Form: mimi.FullGroupInfo, Full: &info}
	return r
}

const badInfo = "bad-groupinfo"

func TestGroupInfoOfACommit(t *testing.T) {
	c := newCast(t)
	c.gather(c.bob)
	tree := wire.Extension{Type: wire.RatchetTreeExtension, Data: []byte{0}}
	c.Run("P-UP-16 a GroupInfo with the tree in it is refused", func(t *testing.T) {
		r := full(c.alice.CommitResult(c.room))
		r.GroupInfo.Full.Extensions = append(r.GroupInfo.Full.Extensions, tree)
		c.alice.ResignInfo(r.GroupInfo.Full)
		c.denies(c.alice, r, badInfo)
		partial := c.alice.Commit(c.room)
		partial.GroupInfo.Partial.Extensions = append(partial.GroupInfo.Partial.Extensions, tree)
		c.denies(c.alice, partial, badInfo)
	})
	c.Run("P-UP-17 a full GroupInfo that fits is taken, one that does not fit in any field is not", func(t *testing.T) {
		result := c.alice.CommitResult(c.room)
		changes := map[string]func(*wire.GroupInfo){
			"group":     func(i *wire.GroupInfo) { i.Context.GroupID = []byte("another") },
			"epoch":     func(i *wire.GroupInfo) { i.Context.Epoch-- },
			"suite":     func(i *wire.GroupInfo) { i.Context.Suite = 2 },
			"tree hash": func(i *wire.GroupInfo) { i.Context.TreeHash = flipped(i.Context.TreeHash) },
			"transcript": func(i *wire.GroupInfo) {
				i.Context.ConfirmedTranscriptHash = flipped(i.Context.ConfirmedTranscriptHash)
			},
			"context":     func(i *wire.GroupInfo) { i.Context.Extensions = i.Context.Extensions[:1] },
			"tag":         func(i *wire.GroupInfo) { i.ConfirmationTag = flipped(i.ConfirmationTag) },
			"signer":      func(i *wire.GroupInfo) { i.Signer = uint32(c.bob.Leaf(c.room)) },
			"extensions":  func(i *wire.GroupInfo) { i.Extensions = nil }, // external_pub
			"nobody":      func(i *wire.GroupInfo) { i.Signer = 99 },
			"version":     func(i *wire.GroupInfo) { i.Context.Version = 7 },
			"unsupported": func(i *wire.GroupInfo) { i.Extensions = append(i.Extensions, tree) },
		}
		for name, change := range changes {
			r := full(result)
			change(r.GroupInfo.Full)
			c.alice.ResignInfo(r.GroupInfo.Full) // so that it is not the signature
			c.denies(c.alice, r, badInfo)
			t.Log(name)
		}
		r := full(result)
		r.GroupInfo.Full.Signature = flipped(r.GroupInfo.Full.Signature)
		c.denies(c.alice, r, badInfo)
		for _, signer := range []uint32{r.GroupInfo.Full.Signer, uint32(c.bob.Leaf(c.room))} { // another member's signature
			r = full(result)
			r.GroupInfo.Full.Signer = signer
			c.bob.ResignInfo(r.GroupInfo.Full)
			c.denies(c.alice, r, badInfo)
		}
		c.alice.Do(c.room, full(result))
		tablet := c.Device("b.example", "bob", "tablet")
		tablet.Do(c.room, tablet.Join(c.room, nil))
		c.agree(c.alice, c.bob, tablet)
	})
	c.Run("P-UP-18 the hub completes a partial GroupInfo and serves it; a wrong signature is refused", func(t *testing.T) {
		for name, change := range map[string]func(*wire.PartialGroupInfo){
			"signature":  func(p *wire.PartialGroupInfo) { p.Signature = flipped(p.Signature) },
			"extensions": func(p *wire.PartialGroupInfo) { p.Extensions = nil },
			"presence":   func(p *wire.PartialGroupInfo) { p.Presence = wire.RatchetTreePresent },
			"removed":    func(p *wire.PartialGroupInfo) { p.Presence = wire.RatchetTreeRemoved },
			"added":      func(p *wire.PartialGroupInfo) { p.Presence = wire.RatchetTreeAdded },
		} {
			r := c.bob.Commit(c.room)
			change(r.GroupInfo.Partial)
			c.denies(c.bob, r, badInfo)
			t.Log(name)
		}
		c.bob.Do(c.room, c.bob.Commit(c.room))
		info := c.laptop.Info(c.room).GroupInfo
		if info.Signer != uint32(c.bob.Leaf(c.room)) || info.Context.Epoch != c.epoch() {
			t.Errorf("signer %d, epoch %d", info.Signer, info.Context.Epoch)
		}
		console := c.Device("b.example", "bob", "console")
		console.Do(c.room, console.Join(c.room, nil))
		c.agree(c.alice, c.bob, console)
	})
	c.Run("no GroupInfo at all", func(t *testing.T) {
		r := c.alice.Commit(c.room)
		r.GroupInfo = mimi.GroupInfoOption{Form: mimi.FullGroupInfo, Full: &wire.GroupInfo{}}
		c.denies(c.alice, r, badInfo)
	})
}

func flipped(b []byte) []byte {
	out := append([]byte(nil), b...)
	out[0] ^= 1
	return out
}

func TestTreeOfACommit(t *testing.T) {
	c := newCast(t)
	c.gather(c.bob)
	// next is the tree after a commit without proposals: every path replaces the committer's leaf, so a member's view serves.
	c.Run("P-UP-20 a full tree is the one after the commit", func(t *testing.T) {
		r := c.alice.Commit(c.room)
		r.Tree = wire.RatchetTreeOption{Representation: wire.FullTree, Tree: c.alice.Groups[c.room].Public().Tree()}
		c.denies(c.alice, r, "the ratchet tree") // that of before
		staged, err := c.alice.Groups[c.room].Public().Process(&r.Message, c.Now())
		if err != nil {
			t.Fatal(err)
		}
		r.Tree.Tree = staged.Next().Tree()
		c.alice.Do(c.room, r)
		c.agree(c.alice, c.bob)
	})
	c.Run("P-UP-22 a tree to be fetched is refused", func(t *testing.T) {
		for _, option := range []wire.RatchetTreeOption{
			{Representation: wire.TreeAtURI, URL: "https://a.example/tree"}, {Representation: wire.TreeOutOfBand},
		} {
			r := c.alice.Commit(c.room)
			r.Tree = option
			c.denies(c.alice, r, "the ratchet tree")
		}
	})
	c.Run("P-UP-21 the hub follows the tree by the commits alone", func(t *testing.T) {
		for range 10 {
			c.alice.Do(c.room, c.alice.Commit(c.room))
			c.bob.Do(c.room, c.bob.Commit(c.room))
			info := c.laptop.Info(c.room)
			want := c.alice.Groups[c.room].Public().TreeHash()
			if string(info.GroupInfo.Context.TreeHash) != string(want) {
				t.Fatal("another tree")
			}
		}
	})
}

func TestWelcomeOfACommit(t *testing.T) {
	const unroutable = "unroutable-welcome"
	c := newCast(t)
	packages := func(target *roletest.Device) []wire.KeyPackage { return c.alice.Claim(c.room, target.User) }
	add := func(list mimi.ParticipantListUpdate, kps ...wire.KeyPackage) *mimi.UpdateRequest {
		proposals := []wire.Proposal{c.List(list)}
		for i := range kps {
			proposals = append(proposals, roletest.AddOf(&kps[i]))
		}
		return c.alice.Commit(c.room, proposals...)
	}
	member := func(d *roletest.Device) mimi.ParticipantListUpdate {
		return mimi.ParticipantListUpdate{Added: []mimi.Participant{{User: d.User.String(), Role: policy.RoleMember}}}
	}
	c.Run("P-KM-26 a KeyPackage that was not claimed through the hub cannot be added", func(t *testing.T) {
		direct := c.cathy.Package(nil).KeyPackage
		c.denies(c.alice, add(member(c.cathy), direct), unroutable)
	})
	c.Run("P-KM-27 a KeyPackage claimed for one room cannot be added to another", func(t *testing.T) {
		other := c.alice.Create("other")
		kps := c.alice.Claim(other, c.cathy.User)
		c.denies(c.alice, add(member(c.cathy), kps...), unroutable)
		r := c.alice.Commit(other, c.Listed(c.cathy.User, policy.RoleMember), roletest.AddOf(&kps[0]))
		c.alice.Do(other, r)
	})
	c.Run("P-UP-23 a Welcome has a secret for each added client and no other", func(t *testing.T) {
		kps := packages(c.bob)
		r := add(member(c.bob), kps...)
		for name, change := range map[string]func(*mimi.UpdateRequest){
			"none":     func(r *mimi.UpdateRequest) { r.Welcome = nil },
			"one":      func(r *mimi.UpdateRequest) { r.Welcome.Secrets = r.Welcome.Secrets[:1] },
			"one more": func(r *mimi.UpdateRequest) { r.Welcome.Secrets = append(r.Welcome.Secrets, r.Welcome.Secrets[0]) },
			"twice":    func(r *mimi.UpdateRequest) { r.Welcome.Secrets[1] = r.Welcome.Secrets[0] },
			"another":  func(r *mimi.UpdateRequest) { r.Welcome.Secrets[0].NewMember = []byte("another") },
		} {
			bad := copyOf(t, r)
			change(bad)
			c.denies(c.alice, bad, unroutable)
			t.Log(name)
		}
		welcome := r.Welcome
		c.alice.Do(c.room, r)
		c.agree(c.alice, c.bob, c.laptop)
		idle := c.alice.Commit(c.room)
		idle.Welcome = welcome
		c.denies(c.alice, idle, unroutable)
	})
}
