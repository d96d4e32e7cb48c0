package child

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// tidier collects garbage in a worker, where Go does not by itself (GOGC=off): a
// collection waits for whoever runs a guest, with all questions waiting for it, so
// it must not fall together with a start function. The thread that runs those is
// the one that collects, in between. Questions leave no garbage but lines; copies of
// what was learned are collected when there are some.
//
// Code that no guest uses any more stays for a while: what was tried is soon
// promoted, and what its tenant lets go of another's may be, or its own again.
type tidier struct {
	dropCode func() error // gives up code that is not used
	sample   []metrics.Sample
	live     uint64 // bytes of the heap after the last collection
	timer    *time.Timer
	tidy     bool // nothing has been done since the last rest
	spare    bool // there may be code that is not used
}

const (
	// slack is how much garbage there may be, at least: a policy built by Go
	// leaves some 6 MiB when it is loaded.
	slack = 8 << 20
	// restAfter is the time without loads after which memory goes back to the
	// system, and dropAfter that after which the code goes that is not used: the
	// engine's Config bounds it by bytes, too.
	restAfter = time.Second
	dropAfter = 5 * time.Second
)

func newTidier(dropCode func() error) *tidier {
	return &tidier{dropCode: dropCode, sample: []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}, timer: time.NewTimer(restAfter)}
}

// worked collects if there may be much garbage.
func (t *tidier) worked() {
	t.tidy, t.spare = false, true
	t.timer.Reset(restAfter)
	if t.heap() > t.live+max(t.live, slack) {
		runtime.GC()
		t.live = t.heap()
	}
}

// rest fires after a time without work. It goes on firing, at longer intervals, so
// that the code goes that is not used, and what lines leave behind is collected.
func (t *tidier) rest() <-chan time.Time { return t.timer.C }

// rested gives memory back, and the second time in a row code, too.
func (t *tidier) rested() {
	t.timer.Reset(dropAfter)
	if t.tidy && t.spare {
		t.tidy, t.spare = false, false
		_ = t.dropCode() // it is let go of either way
	}
	if t.tidy && t.heap() < t.live+1<<20 {
		return
	}
	debug.FreeOSMemory()
	t.live, t.tidy = t.heap(), true
}

func (t *tidier) heap() uint64 {
	metrics.Read(t.sample)
	return t.sample[0].Value.Uint64()
}
