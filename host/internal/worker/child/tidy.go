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
// the one that collects, in between. Questions leave no garbage but lines; copies of what was learned are
// collected when there are some.
type tidier struct {
	sample []metrics.Sample
	live   uint64 // bytes of the heap after the last collection
	timer  *time.Timer
	tidy   bool // nothing has been done since the last rest
}

const (
	// slack is how much garbage there may be, at least: a policy built by Go
	// leaves some 6 MiB when it is loaded.
	slack = 8 << 20
	// restAfter is the time without loads after which memory goes back to the
	// system.
	restAfter = time.Second
)

func newTidier() *tidier {
	return &tidier{sample: []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}, timer: time.NewTimer(restAfter)}
}

// worked collects if there may be much garbage.
func (t *tidier) worked() {
	t.tidy = false
	t.timer.Reset(restAfter)
	if t.heap() > t.live+max(t.live, slack) {
		runtime.GC()
		t.live = t.heap()
	}
}

// rest fires after a time without work. It goes on firing, at longer intervals,
// so that what lines leave behind is collected.
func (t *tidier) rest() <-chan time.Time { return t.timer.C }

// rested gives memory back.
func (t *tidier) rested() {
	t.timer.Reset(10 * restAfter)
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
