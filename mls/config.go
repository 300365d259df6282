package mls

import (
	"time"

	"parley/mls/internal/schedule"
	"parley/mls/internal/state"
	"parley/mls/internal/tree"
	"parley/mls/suite"
	"parley/mls/wire"
)

type (
	// Record is one key of a stored value; a nil Value deletes the key.
	Record = state.Record
	// Delta is the set of records that a step changed.
	Delta = state.Delta
	// LeafIndex counts the leaves of the tree from the left.
	LeafIndex = tree.LeafIndex
)

// LeafUse names the entry point at which a leaf is judged.
type LeafUse uint8

// The six ways by which a leaf comes in.
const (
	UseKeyPackage     LeafUse = iota + 1 // a KeyPackage outside of any group
	UseAdd                               // an Add proposal
	UseUpdate                            // an Update proposal
	UseCommitPath                        // the path of a member's commit
	UseExternalCommit                    // the path of an external commit
	UseWelcomeTree                       // a tree on joining or following; leaves may be old
)

// LeafCheck is what the caller's validator is asked. It runs after the engine's own checks of the leaf.
type LeafCheck struct {
	Use          LeafUse
	Leaf         *wire.LeafNode
	Previous     *wire.LeafNode     // the leaf that it replaces: Update, commit path, and the leaf an external commit removes
	Now          time.Time          // zero: no opinion
	GroupContext *wire.GroupContext // nil for UseKeyPackage
}

// Component is the logic of one component of the application data dictionary (mls-extensions §4.7). It gets the present state and
// all updates of one commit in order; updates is nil when a removal is asked, next is then ignored. An error makes the commit invalid.
type Component func(current []byte, present bool, updates [][]byte) (next []byte, err error)

// Config is the caller's part of the rules. It is read only; its functions may be called from several goroutines when one
// PublicGroup is used by several.
type Config struct {
	// Suites are the cipher suites that there are; nil: those of RFC 9420. It is a way to have hybrid post-quantum suites, which have no
	// registered numbers yet.
	Suites *suite.Table
	// ValidateLeaf judges credentials; nil accepts all.
	ValidateLeaf func(LeafCheck) error
	// ValidateSender judges the credentials of external senders; nil accepts all.
	ValidateSender func(wire.ExternalSender, time.Time) error
	// Components holds the logic of components; for the others an update replaces the whole value.
	Components map[wire.ComponentID]Component
	// Ephemeral judges the data of AppEphemeral proposals; the others are accepted.
	Ephemeral map[wire.ComponentID]func(data []byte) error
	// PSK finds the secret of an external or application pre-shared key; nil knows none. Resumption PSKs of the group's own
	// past epochs are found without it. The result is not kept.
	PSK func(id *wire.PreSharedKeyID) (secret []byte, ok bool)
	// AssumeMediaType tells whether a member reads a media type that its leaf does not list (mls-extensions §6.2.3); nil: none does.
	AssumeMediaType func(leaf *wire.LeafNode, m *wire.MediaType) bool
	// Verified holds the leaves whose signature was checked before; nil: none. It makes it cheap to join and to follow groups whose members
	// are known from other ones or from before a restart.
	Verified *VerifiedLeaves
	// Parallel runs f(0) to f(n-1) and returns when all are done; nil runs them in order.
	Parallel func(n int, f func(i int))
	// EncryptHandshakes sends own proposals and commits as PrivateMessage. Its zero value is right for MIMI, whose hub has to read
	// them; SelfRemove is in the clear in any case.
	EncryptHandshakes bool
	// SemiPrivate takes SemiPrivateMessages, and sends own proposals and commits so in groups that require the format and have external
	// receivers. Without it they are refused with RuleFormat.
	SemiPrivate bool
	// PadTo pads application data to a multiple of this many octets; 0 and 1 do not.
	PadTo int
	// Limits bound what others can make this engine do.
	Limits Limits
}

// Limits bound sizes and work. A zero field means its default.
type Limits struct {
	Leaves       uint32 // width of a tree; default 16,384
	Proposals    int    // proposals of one commit; default 16,384
	Pending      int    // proposals that wait in one epoch; default 1,024
	Extensions   int    // extensions in one list; default 64
	Capabilities int    // values in one list of capabilities; default 128
	Skip         uint32 // generations that a ratchet steps forward for one message; default 1,000
	Keep         int    // message keys kept per ratchet for messages that come late; default 32
	PastEpochs   int    // past epochs whose application messages still open; default 2, negative: none
}

func (c *Config) limits() Limits {
	l := c.Limits
	fill(&l.Leaves, 1<<14)
	fill(&l.Proposals, 1<<14)
	fill(&l.Pending, 1<<10)
	fill(&l.Extensions, 64)
	fill(&l.Capabilities, 128)
	fill(&l.PastEpochs, 2)
	return l
}

func fill[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

func (c *Config) treeLimits() tree.Limits { return tree.Limits{MaxLeaves: c.limits().Leaves} }

func (c *Config) ratchetLimits() schedule.Limits {
	return schedule.Limits{MaxSkip: c.Limits.Skip, Keep: c.Limits.Keep}
}

func (c *Config) parallel(n int, f func(i int)) {
	if c.Parallel != nil {
		c.Parallel(n, f)
		return
	}
	for i := range n {
		f(i)
	}
}

// each runs f in parallel and returns the error of the lowest index.
func (c *Config) each(n int, f func(i int) error) error {
	errs := make([]error, n)
	c.parallel(n, func(i int) { errs[i] = f(i) })
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
