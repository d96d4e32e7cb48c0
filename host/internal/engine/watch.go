package engine

import (
	"runtime"
	"time"
)

// watch measures what a goroutine takes of the processor: not what it waits
// for, and not what others do meanwhile. The goroutine keeps its thread until
// it stops the watch.
type watch struct{ began time.Duration }

func startWatch() watch {
	runtime.LockOSThread()
	return watch{threadTime()}
}

// stop returns the processor time since the watch was started.
func (w watch) stop() time.Duration {
	took := threadTime() - w.began
	runtime.UnlockOSThread()
	return max(took, 0)
}
