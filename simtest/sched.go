package simtest

import (
	"container/heap"
	"fmt"
	"iter"
	"math/rand/v2"
	"runtime/debug"
	"time"
)

// event is something that happens at a virtual time. Events of one time happen in the order in which they were planned.
type event struct {
	at  time.Duration
	num uint64
	run func()
}

type agenda []event

func (a agenda) Len() int { return len(a) }
func (a agenda) Less(i, j int) bool {
	return a[i].at < a[j].at || a[i].at == a[j].at && a[i].num < a[j].num
}
func (a agenda) Swap(i, j int) { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)   { *a = append(*a, x.(event)) }
func (a *agenda) Pop() any {
	old := *a
	e := old[len(old)-1]
	old[len(old)-1] = event{}
	*a = old[:len(old)-1]
	return e
}

// scheduler runs one thing at a time.
type scheduler struct {
	rng     *rand.Rand
	now     time.Duration
	planned uint64
	steps   int
	agenda  agenda
	current *task
	broken  func(what string) // a panic in a task
}

func newScheduler(seed uint64) *scheduler {
	return &scheduler{rng: rand.New(rand.NewPCG(seed, 0x5eed))}
}

// after plans f.
func (s *scheduler) after(d time.Duration, f func()) {
	s.planned++
	heap.Push(&s.agenda, event{s.now + max(d, 0), s.planned, f})
}

// step does the next thing; false when nothing is planned.
func (s *scheduler) step() bool {
	if len(s.agenda) == 0 {
		return false
	}
	e := heap.Pop(&s.agenda).(event)
	s.now = e.at
	s.steps++
	e.run()
	return true
}

// chance is true with probability p.
func (s *scheduler) chance(p float64) bool { return p > 0 && s.rng.Float64() < p }

// between draws a duration.
func (s *scheduler) between(low, high time.Duration) time.Duration {
	if high <= low {
		return low
	}
	return low + time.Duration(s.rng.Int64N(int64(high-low)))
}

// process is what crashes as a whole: a provider or a device.
type process struct {
	name  string
	up    bool
	life  int // grows with every start
	tasks []*task
}

// task is one operation in flight.
type task struct {
	process *process
	yield   func(struct{}) bool
	next    func() (struct{}, bool)
	stop    func()
	waiting uint64 // what wake must present
	waits   uint64
	killed  bool
	done    bool
	locked  bool // inside of a transaction
}

// unwound is the private panic by which a task ends in the middle.
type unwound struct{}

// spawn starts an operation of a process as a task of its own.
func (s *scheduler) spawn(p *process, f func()) *task {
	t := &task{process: p}
	p.tasks = append(p.tasks, t)
	t.next, t.stop = iter.Pull(s.body(t, f))
	s.after(0, func() { s.resume(t) })
	return t
}

func (s *scheduler) body(t *task, f func()) iter.Seq[struct{}] {
	return func(yield func(struct{}) bool) {
		defer func() {
			t.done = true
			switch r := recover().(type) {
			case nil, unwound:
			default:
				s.broken(fmt.Sprintf("panic: %v\n%s", r, debug.Stack()))
			}
		}()
		t.yield = yield
		if !t.killed {
			f()
		}
	}
}

// resume lets a task go on until it waits again or ends.
func (s *scheduler) resume(t *task) {
	if t.done {
		return
	}
	before := s.current
	s.current = t
	t.next()
	s.current = before
	if t.done {
		t.process.forget(t)
	}
}

func (p *process) forget(t *task) {
	for i, other := range p.tasks {
		if other == t {
			p.tasks = append(p.tasks[:i], p.tasks[i+1:]...)
			return
		}
	}
}

// arm prepares the current task to wait and returns what ends the waiting. It does so once, whoever calls it and however often, and
// must be called from outside of a task.
func (s *scheduler) arm() (wake func()) {
	t := s.current
	t.waits++
	id := t.waits
	t.waiting = id
	return func() {
		if t.waiting == id && !t.done {
			t.waiting = 0
			s.resume(t)
		}
	}
}

// park suspends the current task until its wake is called.
func (s *scheduler) park() {
	t := s.current
	if t.locked {
		panic("simtest: a task waits inside of a transaction")
	}
	if !t.yield(struct{}{}) || t.killed {
		panic(unwound{})
	}
}

// sleep suspends the current task.
func (s *scheduler) sleep(d time.Duration) {
	s.after(d, s.arm())
	s.park()
}

// kill ends a process: nothing of it goes on. Called by one of its own tasks it does not return.
func (s *scheduler) kill(p *process) {
	p.up = false
	victims := append([]*task(nil), p.tasks...)
	own := false
	for _, t := range victims {
		t.killed = true
		t.waiting = 0
		if t == s.current {
			own = true
			continue
		}
		s.after(0, func() { s.resume(t) })
	}
	if own {
		panic(unwound{})
	}
}

// end unwinds what is left of a process when the world ends.
func (s *scheduler) end(p *process) {
	p.up = false
	for _, t := range append([]*task(nil), p.tasks...) {
		t.killed = true
		t.stop()
	}
	p.tasks = nil
}
