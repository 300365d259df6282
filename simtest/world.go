package simtest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"testing"
	"testing/cryptotest"
	"time"

	"parley/client"
	"parley/uri"
)

// World is one history. Seed decides all of it.
type World struct {
	Seed uint64

	*scheduler
	fixture   *fixture
	faults    faults
	providers []*provider
	devices   []*device // those that were started, in order
	cuts      map[direction]time.Duration
	convoy    time.Duration // until then the network holds updates back, and hands them over all at once
	captured  []captured
	audit     *audit
	lanes     *lanes
	tell      func(w *World)             // tells a story in the place of what the seed plans
	story     []func()                   // its steps: each begins when everything has come to rest
	meddle    func(m *message) (f *fate) // may decide what becomes of a request; nil leaves it to the seed
	trace     *trace
	counts    map[string]int
	failed    *Failure
	calm      bool          // the faults are over
	passed    time.Duration // what leaps added to the clocks
	done      bool
}

// Failure is a promise that was broken.
type Failure struct {
	Checker string // which promise
	What    string
	At      time.Duration
}

func (f *Failure) Error() string { return f.Checker + ": " + f.What }

// Result is what became of a history.
type Result struct {
	Seed     uint64
	Failure  *Failure // nil: every promise was kept
	Steps    int
	Virtual  time.Duration
	Hash     [32]byte       // over every line of the trace and the end state
	Counts   map[string]int // what happened how often
	Dialogue string         // the last exchanges, without the dull ones
}

// Limits of a history.
const (
	stormy   = 45 * time.Second // how long faults happen
	deadline = 40 * time.Minute // of the virtual time in which everything has to come to rest
	maxSteps = 400_000
	maxTasks = 400 // of one process

	dialogueLines = 70
)

// Run plays the history. It must not run beside another test that uses randomness.
func (w *World) Run(t *testing.T) *Result {
	t.Helper()
	w.fixture = newFixture(t)
	cryptotest.SetGlobalRandom(t, w.Seed)
	w.scheduler = newScheduler(w.Seed)
	w.broken = func(what string) { w.fail("panic", "%s", what) }
	w.trace, w.counts, w.cuts = newTrace(), make(map[string]int), make(map[direction]time.Duration)
	w.audit, w.lanes = newAudit(w), newLanes(w)
	if w.tell != nil {
		w.begin()
	} else {
		w.faults = drawFaults(w.scheduler)
		w.found(4 + w.rng.IntN(2))
		w.plan()
	}
	for w.failed == nil && !w.done {
		if !w.step() {
			w.fail("liveness", "nothing happens any more")
		}
		w.audit.read()
		w.limits()
	}
	defer w.end()
	return w.result()
}

// limits holds the history against what it may cost.
func (w *World) limits() {
	switch {
	case w.steps > maxSteps:
		w.fail("liveness", "no end after %d steps", w.steps)
	case w.now > deadline:
		w.fail("liveness", "not at rest after %v: %s", deadline, w.unrest())
	}
	for _, p := range w.providers {
		if len(p.tasks) > maxTasks {
			w.fail("bounds", "%d operations in flight at %s", len(p.tasks), p.name)
		}
	}
}

// end unwinds every task, so that nothing is left of the world.
func (w *World) end() {
	for _, p := range w.providers {
		w.scheduler.end(&p.process)
	}
	for _, d := range w.devices {
		w.scheduler.end(&d.process)
	}
}

func (w *World) result() *Result {
	r := &Result{Seed: w.Seed, Failure: w.failed, Steps: w.steps, Virtual: w.now, Counts: w.counts}
	w.audit.seal()
	w.trace.sum.Sum(r.Hash[:0])
	r.Dialogue = w.trace.dialogue(dialogueLines)
	return r
}

// fail notes the first broken promise; the history ends.
func (w *World) fail(checker, format string, args ...any) {
	if w.failed == nil {
		w.failed = &Failure{Checker: checker, What: fmt.Sprintf(format, args...), At: w.now}
		w.say(nil, nil, "FAILED %s: %s", checker, w.failed.What)
	}
}

func (w *World) count(what string) { w.counts[what]++ }

// clock is a wall clock that is off by skew.
func (w *World) clock(skew time.Duration) time.Time { return start.Add(w.passed + w.now + skew) }

// begin prepares a story: everybody is there and nothing fails by chance.
func (w *World) begin() {
	w.calm = true
	w.found(len(people))
	w.tell(w)
	w.after(checkEvery, w.inspect)
}

// found starts the providers and the first devices.
func (w *World) found(users int) {
	for _, a := range w.fixture.authorities {
		p := &provider{authority: a, world: w, store: newStore()}
		p.name = a.uri.Domain()
		p.store.Fault = p.outcome
		p.skew = w.drawSkew()
		w.providers = append(w.providers, p)
		p.start()
	}
	for _, person := range people[:users] {
		w.enrol(person.name, 0)
	}
}

func (w *World) drawSkew() time.Duration { return w.between(-w.faults.skew, w.faults.skew) }

// enrol gives a user's next device its account and starts it.
func (w *World) enrol(user string, index int) {
	a := w.fixture.accounts[user][index]
	d := &device{world: w, account: a, home: w.provider(a.User.Provider()), skew: w.drawSkew()}
	d.name = user
	if index > 0 {
		d.name += fmt.Sprint(index + 1)
	}
	d.disk = &disk{device: d, records: make(map[string][]byte)}
	d.views = make(map[uri.Room]*view)
	if err := d.home.store.AddClient(a.User, a.Client); err != nil {
		w.fail("setup", "%v", err)
		return
	}
	// Enrolling is not part of the simulation: the account is there.
	if err := client.SaveAccount(context.Background(), quiet{d.disk}, a); err != nil {
		w.fail("setup", "%v", err)
		return
	}
	w.devices = append(w.devices, d)
	w.say(&d.process, nil, "is enrolled")
	d.start()
}

func (w *World) provider(p uri.Provider) *provider {
	for _, x := range w.providers {
		if x.uri == p {
			return x
		}
	}
	return nil
}

func (w *World) deviceOf(c string) *device {
	for _, d := range w.devices {
		if d.account.Client.String() == c {
			return d
		}
	}
	return nil
}

func (w *World) short(at uri.Room) string { return at.Name() }

// bell wakes tasks of a process that wait for something to do.
type bell struct {
	rung    bool
	waiting []func()
}

// wait suspends the current task until the bell rings, at most for d.
func (w *World) wait(b *bell, d time.Duration) {
	if b.rung {
		b.rung = false
		return
	}
	wake := w.arm()
	b.waiting = append(b.waiting, wake)
	w.after(d, wake)
	w.park()
	b.rung = false
}

func (w *World) ring(b *bell) {
	b.rung = true
	for _, wake := range b.waiting {
		w.after(w.between(0, 2*time.Millisecond), wake)
	}
	b.waiting = nil
}

// wakeDevices is the hint that inboxes got something. Hints may get lost; devices ask by themselves as well.
func (w *World) wakeDevices(clients []uri.Client) {
	for _, d := range w.devices {
		if slices.Contains(clients, d.account.Client) && !w.chance(w.faults.lose) {
			w.after(w.between(time.Millisecond, 30*time.Millisecond), func() { w.ring(&d.bell) })
		}
	}
}

// canary stands in every text that people write.
const canary = "canary"

// watch looks at octets that leave a process: nothing that people wrote is among them.
func (w *World) watch(octets []byte) {
	if bytes.Contains(octets, []byte(canary)) {
		w.fail("secrecy", "what people wrote was sent in the clear")
	}
}
