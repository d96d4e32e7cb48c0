package v1

import (
	"io"
	"time"

	"idlehost/host/internal/api"
)

// A download is sent piece by piece: a caller gets 32 MiB a second over all its
// downloads, and as much at once. That is faster than most networks, and leaves
// the processors to others.
const (
	piece         = 256 << 10 // bytes
	piecesASecond = 128
	piecesAtOnce  = 128
)

// pour sends size bytes of r. The deadline is that of the next piece: a reader
// that takes nothing is not waited for, however long the whole may take.
// A caller that stops reading gets no error; a disk that fails shows as an answer
// that is shorter than its Content-Length.
func (c *call) pour(r io.Reader, size int64) {
	for size > 0 && c.awaitPiece() {
		n := min(size, piece)
		c.begin(int(n))
		if _, err := io.CopyN(c.w, r, n); err != nil {
			return
		}
		size -= n
	}
}

// awaitPiece waits until the caller may have another piece, and reports whether
// it still wants it.
func (c *call) awaitPiece() bool {
	for {
		wait := c.pieces.Take(time.Now(), caller(c.actor))
		if wait == 0 {
			return true
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-c.ctx().Done():
			timer.Stop()
			return false
		}
	}
}

// mayDownload refuses a caller that has downloaded all that it may for now, where
// the whole content is read before it is sent.
func (c *call) mayDownload() error {
	wait := c.pieces.Wait(time.Now(), caller(c.actor))
	if wait == 0 {
		return nil
	}
	p := api.NewProblem(api.KindRate, "more than %d MiB downloaded per second", piecesASecond*piece>>20)
	return c.later(p, wait)
}

// downloaded has the caller pay for what was read as a whole, sent or not.
func (c *call) downloaded(size int) {
	c.pieces.Charge(time.Now(), caller(c.actor), (size+piece-1)/piece)
}
