package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"parley/mls/suite"
)

// world is two servers that play the clients of a scenario, over loopback.
type world struct {
	t     *testing.T
	conns []*grpc.ClientConn
	suite uint32
	enc   bool
	who   map[string]*actor
}

// actor is a client of a scenario.
type actor struct {
	name   string
	conn   *grpc.ClientConn
	state  uint32
	joinAs uint32 // transaction, or the group that waits for its successor
}

func newWorld(t *testing.T, id uint32, encrypt bool) *world {
	w := &world{t: t, suite: id, enc: encrypt, who: map[string]*actor{}}
	for range 2 {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := newGRPC()
		done := make(chan error, 1)
		go func() { done <- s.Serve(listener) }()
		conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithDefaultCallOptions(grpc.ForceCodec(codec{})))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
			s.Stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
		w.conns = append(w.conns, conn)
	}
	return w
}

// actor gives each name one of the two servers by turns.
func (w *world) actor(name string) *actor {
	if _, ok := w.who[name]; !ok {
		w.who[name] = &actor{name: name, conn: w.conns[len(w.who)%2]}
	}
	return w.who[name]
}

func ask[A any](w *world, a *actor, method string, q any) *A {
	w.t.Helper()
	answer, err := try[A](w, a, method, q)
	if err != nil {
		w.t.Fatalf("%s of %s: %v", method, a.name, err)
	}
	return answer
}

func try[A any](w *world, a *actor, method string, q any) (*A, error) {
	answer := new(A)
	return answer, a.conn.Invoke(w.t.Context(), "/"+service+"/"+method, q, answer)
}

func (w *world) agree(what string, a, b []byte) {
	w.t.Helper()
	if len(a) == 0 || !bytes.Equal(a, b) {
		w.t.Fatalf("%s: no agreement", what)
	}
}

func (w *world) create(founder string, members ...string) {
	w.t.Helper()
	f := w.actor(founder)
	f.state = ask[StateResponse](w, f, "CreateGroup", &CreateGroupRequest{[]byte("group of " + founder), w.suite, w.enc, []byte(founder)}).State
	if len(members) > 0 {
		w.bring(founder, true, members...)
	}
}

func (w *world) keyPackage(name string) []byte {
	w.t.Helper()
	a := w.actor(name)
	answer := ask[KeyPackageResponse](w, a, "CreateKeyPackage", &KeyPackageRequest{w.suite, []byte(name)})
	a.joinAs = answer.Transaction
	return answer.KeyPackage
}

// bring adds people by value; nobody else is in the group yet.
func (w *world) bring(by string, outside bool, names ...string) {
	w.t.Helper()
	q := &CommitRequest{State: w.actor(by).state, ExternalTree: outside}
	for _, name := range names {
		q.ByValue = append(q.ByValue, &Description{Kind: []byte("add"), KeyPackage: w.keyPackage(name)})
	}
	made := ask[CommitResponse](w, w.actor(by), "Commit", q)
	after := ask[StateResponse](w, w.actor(by), "HandlePendingCommit", &StateRequest{w.actor(by).state})
	for _, name := range names {
		a := w.actor(name)
		joined := ask[StateResponse](w, a, "JoinGroup", &JoinRequest{a.joinAs, made.Welcome, w.enc, []byte(name), made.Tree})
		w.agree(name, joined.Authenticator, after.Authenticator)
		a.state = joined.State
	}
}

// commit has one commit proposals by reference and by value, and the others take it.
func (w *world) commit(by string, others []string, byReference [][]byte, byValue ...*Description) *CommitResponse {
	w.t.Helper()
	c := w.actor(by)
	made := ask[CommitResponse](w, c, "Commit", &CommitRequest{State: c.state, ByReference: byReference, ByValue: byValue, ForcePath: true})
	after := ask[StateResponse](w, c, "HandlePendingCommit", &StateRequest{c.state})
	for _, name := range others {
		a := w.actor(name)
		taken := ask[StateResponse](w, a, "HandleCommit", &HandleCommitRequest{a.state, byReference, made.Commit})
		w.agree(name, taken.Authenticator, after.Authenticator)
	}
	return made
}

// talk has one say something that the others read, and holds exported secrets against each other.
func (w *world) talk(from string, to ...string) {
	w.t.Helper()
	f := w.actor(from)
	sealed := ask[OctetsResponse](w, f, "Protect", &ProtectRequest{f.state, []byte("aad"), []byte("hello from " + from)})
	mine := ask[OctetsResponse](w, f, "Export", &ExportRequest{f.state, "label", []byte("context"), 32})
	auth := ask[OctetsResponse](w, f, "StateAuth", &StateRequest{f.state})
	for _, name := range to {
		a := w.actor(name)
		got := ask[UnprotectResponse](w, a, "Unprotect", &UnprotectRequest{a.state, sealed.Octets})
		if string(got.Plaintext) != "hello from "+from || string(got.AuthenticatedData) != "aad" {
			w.t.Errorf("%s reads %q", name, got.Plaintext)
		}
		w.agree("export", ask[OctetsResponse](w, a, "Export", &ExportRequest{a.state, "label", []byte("context"), 32}).Octets, mine.Octets)
		w.agree("authenticator", ask[OctetsResponse](w, a, "StateAuth", &StateRequest{a.state}).Octets, auth.Octets)
		if _, err := try[UnprotectResponse](w, a, "Unprotect", &UnprotectRequest{a.state, sealed.Octets}); err == nil {
			w.t.Error("opens twice")
		}
	}
}

func scenarios() map[string]func(*world) {
	return map[string]func(*world){
		"welcome": func(w *world) {
			w.create("alice", "bob", "carol")
			w.talk("alice", "bob", "carol")
			w.talk("carol", "alice", "bob")
		},
		"commit":             commitScenario,
		"external join":      externalJoin,
		"reinit":             reInit,
		"branch":             branch,
		"external proposals": externalProposals,
	}
}

func commitScenario(w *world) {
	w.create("alice", "bob", "carol")
	a, b := w.actor("alice"), w.actor("bob")
	w.commit("bob", []string{"alice", "carol"}, nil)
	update := ask[OctetsResponse](w, a, "UpdateProposal", &StateRequest{a.state}).Octets
	w.commit("bob", []string{"alice", "carol"}, [][]byte{update})
	for _, name := range []string{"alice", "bob", "carol"} {
		ask[Empty](w, w.actor(name), "StorePSK", &StorePSKRequest{w.actor(name).state, []byte("a key"), []byte("its secret")})
	}
	psk := ask[OctetsResponse](w, a, "ExternalPSKProposal", &ExternalPSKRequest{a.state, []byte("a key")}).Octets
	again := ask[OctetsResponse](w, b, "ResumptionPSKProposal", &ResumptionPSKRequest{b.state, 2}).Octets
	w.commit("carol", []string{"alice", "bob"}, [][]byte{psk, again})
	context := ask[OctetsResponse](w, a, "GroupContextExtensionsProposal", &ExtensionsRequest{a.state, []*Extension{{3, []byte{0, 0, 0}}}}).Octets
	w.commit("bob", []string{"alice", "carol"}, [][]byte{context})
	add := ask[OctetsResponse](w, a, "AddProposal", &AddRequest{a.state, w.keyPackage("dave")}).Octets
	made := w.commit("alice", []string{"bob", "carol"}, [][]byte{add})
	d := w.actor("dave")
	d.state = ask[StateResponse](w, d, "JoinGroup", &JoinRequest{d.joinAs, made.Welcome, w.enc, []byte("dave"), nil}).State
	w.talk("dave", "alice", "bob", "carol")
	remove := ask[OctetsResponse](w, d, "RemoveProposal", &RemoveRequest{d.state, []byte("carol")}).Octets
	w.commit("bob", []string{"alice", "dave"}, [][]byte{remove})
	w.talk("alice", "bob", "dave")
}

func externalJoin(w *world) {
	w.create("alice", "bob")
	a := w.actor("alice")
	for _, outside := range []bool{true, false} {
		info := ask[GroupInfoResponse](w, a, "GroupInfo", &GroupInfoRequest{a.state, outside})
		c := w.actor("carol")
		joined := ask[ExternalJoinResponse](w, c, "ExternalJoin", &ExternalJoinRequest{
			GroupInfo: info.GroupInfo, Tree: info.Tree, Encrypt: w.enc, Identity: []byte("carol"), RemovePrior: c.state != 0,
		})
		c.state = joined.State
		for _, name := range []string{"alice", "bob"} {
			x := w.actor(name)
			taken := ask[StateResponse](w, x, "HandleCommit", &HandleCommitRequest{x.state, nil, joined.Commit})
			w.agree(name, taken.Authenticator, joined.Authenticator)
		}
		w.talk("carol", "alice", "bob")
	}
}

func reInit(w *world) {
	w.create("alice", "bob", "carol")
	a, b := w.actor("alice"), w.actor("bob")
	proposal := ask[OctetsResponse](w, a, "ReInitProposal", &ReInitRequest{a.state, w.suite, []byte("the next group"), nil}).Octets
	made := ask[CommitResponse](w, b, "ReInitCommit", &CommitRequest{State: b.state, ByReference: [][]byte{proposal}})
	closed := map[string]*ReInitResponse{"bob": ask[ReInitResponse](w, b, "HandlePendingReInitCommit", &StateRequest{b.state})}
	for _, name := range []string{"alice", "carol"} {
		x := w.actor(name)
		closed[name] = ask[ReInitResponse](w, x, "HandleReInitCommit", &HandleCommitRequest{x.state, [][]byte{proposal}, made.Commit})
		w.agree(name, closed[name].Authenticator, closed["bob"].Authenticator)
	}
	c := w.actor("carol")
	next := ask[SubgroupResponse](w, c, "ReInitWelcome", &ReInitWelcomeRequest{
		ReInit: closed["carol"].ReInit, KeyPackages: [][]byte{closed["alice"].KeyPackage, closed["bob"].KeyPackage},
	})
	c.state = next.State
	for _, name := range []string{"alice", "bob"} {
		x := w.actor(name)
		joined := ask[StateResponse](w, x, "HandleReInitWelcome", &HandleReInitWelcomeRequest{closed[name].ReInit, next.Welcome, next.Tree})
		w.agree(name, joined.Authenticator, next.Authenticator)
		x.state = joined.State
	}
	w.talk("bob", "alice", "carol")
}

func branch(w *world) {
	w.create("alice", "bob", "carol")
	a, b := w.actor("alice"), w.actor("bob")
	made := ask[SubgroupResponse](w, a, "CreateBranch", &BranchRequest{
		State: a.state, GroupID: []byte("a branch"), KeyPackages: [][]byte{w.keyPackage("bob")}, ExternalTree: true,
	})
	joined := ask[StateResponse](w, b, "HandleBranch", &HandleBranchRequest{b.state, b.joinAs, made.Welcome, made.Tree})
	w.agree("bob", joined.Authenticator, made.Authenticator)
	ask[Empty](w, b, "Free", &StateRequest{b.state})
	a.state, b.state = made.State, joined.State
	w.talk("alice", "bob")
}

func externalProposals(w *world) {
	w.create("alice", "bob")
	a, h := w.actor("alice"), w.actor("hub")
	signer := ask[SignerResponse](w, h, "CreateExternalSigner", &KeyPackageRequest{w.suite, []byte("hub")})
	add := ask[OctetsResponse](w, a, "AddExternalSigner", &AddSignerRequest{a.state, signer.Sender}).Octets
	w.commit("bob", []string{"alice"}, [][]byte{add})
	info := ask[GroupInfoResponse](w, a, "GroupInfo", &GroupInfoRequest{a.state, true})
	outside := ask[OctetsResponse](w, h, "ExternalSignerProposal", &SignerProposalRequest{
		Signer: signer.Signer, GroupInfo: info.GroupInfo, Tree: info.Tree, Description: &Description{Kind: []byte("add"), KeyPackage: w.keyPackage("carol")},
	}).Octets
	c := w.actor("carol")
	made := w.commit("alice", []string{"bob"}, [][]byte{outside})
	c.state = ask[StateResponse](w, c, "JoinGroup", &JoinRequest{c.joinAs, made.Welcome, w.enc, []byte("carol"), nil}).State
	d := w.actor("dave")
	info = ask[GroupInfoResponse](w, a, "GroupInfo", &GroupInfoRequest{a.state, false})
	self := ask[NewMemberResponse](w, d, "NewMemberAddProposal", &NewMemberRequest{info.GroupInfo, []byte("dave")})
	made = w.commit("bob", []string{"alice", "carol"}, [][]byte{self.Proposal})
	d.state = ask[StateResponse](w, d, "JoinGroup", &JoinRequest{self.Transaction, made.Welcome, w.enc, []byte("dave"), nil}).State
	w.talk("dave", "alice", "bob", "carol")
}

// The scenarios of the working group's runner in short, over loopback gRPC, two servers as the clients.
func TestScenarios(t *testing.T) {
	for _, id := range suite.All() {
		for _, encrypt := range []bool{false, true} {
			if encrypt && id >= suite.P521AES256 {
				continue // nothing but the suite differs, and it is slow
			}
			for name, play := range scenarios() {
				t.Run(fmt.Sprintf("%s suite %d encrypted %t", name, id, encrypt), func(t *testing.T) { play(newWorld(t, uint32(id), encrypt)) })
			}
		}
	}
}

// What makes no sense is refused, and the server goes on.
func TestRefusals(t *testing.T) {
	w := newWorld(t, 1, false)
	w.create("alice", "bob")
	a := w.actor("alice")
	for method, q := range map[string]any{
		"CreateGroup": &CreateGroupRequest{Suite: 4}, "CreateKeyPackage": &KeyPackageRequest{Suite: 1 << 17}, "JoinGroup": &JoinRequest{Transaction: 99},
		"GroupInfo": &GroupInfoRequest{State: 99}, "Unprotect": &UnprotectRequest{a.state, []byte{1}}, "RemoveProposal": &RemoveRequest{a.state, []byte("nobody")},
		"AddProposal": &AddRequest{a.state, []byte("no KeyPackage")}, "HandleCommit": &HandleCommitRequest{a.state, nil, []byte{0}},
		"HandlePendingCommit": &StateRequest{a.state}, "ReInitWelcome": &ReInitWelcomeRequest{ReInit: 99}, "HandleReInitCommit": &HandleCommitRequest{State: 99},
		"Commit": &CommitRequest{State: a.state, ByValue: []*Description{{Kind: []byte("nonsense")}}}, "Free": &StateRequest{99},
		"ExternalSignerProposal": &SignerProposalRequest{}, "StorePSK": &StorePSKRequest{},
	} {
		if _, err := try[Empty](w, a, method, q); err == nil {
			t.Errorf("%s was done", method)
		}
	}
	w.talk("alice", "bob")
}

func TestCodec(t *testing.T) {
	v := &CommitRequest{State: 7, ByReference: [][]byte{{1}, {}}, ByValue: []*Description{{Kind: []byte("add"), Epoch: 1 << 40, Suite: 3}, {}}, ForcePath: true}
	data, err := codec{}.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	// by hand: 1 varint 7; 2 "01"; 2 ""; 3 {1 "add", 5 varint, 8 varint 3}; 3 {}; 4 true
	want := []byte{8, 7, 18, 1, 1, 18, 0, 26, 14, 10, 3, 'a', 'd', 'd', 40, 128, 128, 128, 128, 128, 32, 64, 3, 26, 0, 32, 1}
	if !bytes.Equal(data, want) {
		t.Errorf("%v, want %v", data, want)
	}
	got := new(CommitRequest)
	if err := (codec{}).Unmarshal(append(data, 0x9a, 6, 1, 9), got); err != nil || !reflect.DeepEqual(got, v) { // with a field 99 that nobody knows
		t.Errorf("%+v, %v", got, err)
	}
	packed := new(SuitesResponse)
	if err := (codec{}).Unmarshal([]byte{10, 2, 1, 7}, packed); err != nil || !reflect.DeepEqual(packed.Suites, []uint32{1, 7}) {
		t.Errorf("%v, %v", packed.Suites, err)
	}
	for _, bad := range [][]byte{{8}, {10, 5, 1}, {0xff}, {13, 0, 0, 0, 0}, {18}} {
		if err := (codec{}).Unmarshal(bad, new(CommitRequest)); err == nil {
			t.Errorf("%v was read", bad)
		}
	}
}

func TestOnlyLoopback(t *testing.T) {
	if err := serve(context.Background(), "0.0.0.0:0"); err == nil {
		t.Error("listens to the world")
	}
}

// The working group's runner itself, when $MLS_TEST_RUNNER names its binary and $MLS_TEST_CONFIGS the folder of its scenarios.
func TestOfficialRunner(t *testing.T) {
	runner, folder := os.Getenv("MLS_TEST_RUNNER"), os.Getenv("MLS_TEST_CONFIGS")
	if runner == "" || folder == "" {
		t.Skip("set MLS_TEST_RUNNER and MLS_TEST_CONFIGS to run it")
	}
	w := newWorld(t, 1, false)
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios in %s: %v", folder, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			args := []string{"-config", file, "-quiet", "-random"}
			for _, c := range w.conns {
				args = append(args, "-client", c.Target())
			}
			if out, err := exec.CommandContext(t.Context(), runner, args...).CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
