package cli

import (
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// How often a waiting line moves, and how long a wait is before it shows.
const (
	progressStep  = 100 * time.Millisecond
	progressAfter = 300 * time.Millisecond
)

// progress shows on a terminal how much of an upload is gone, and how long the
// host has been at it since. It leaves nothing behind. nil shows nothing.
type progress struct {
	w       io.Writer
	waiting string // what the host is doing
	stop    chan struct{}
	done    sync.WaitGroup // the goroutine that moves the line

	mu    sync.Mutex
	bar   *progressbar.ProgressBar // nil: nothing shows yet
	sent  int
	total int
	upto  bool // bar shows bytes, not a wait
	since time.Time
}

// progress begins to show something of which total bytes go out; 0: it is a
// wait only.
func (s *session) progress(waiting string, total int) *progress {
	if s.quiet || s.asJSON || !terminal(s.err) {
		return nil
	}
	return newProgress(s.err, waiting, total)
}

func newProgress(w io.Writer, waiting string, total int) *progress {
	p := &progress{w: w, waiting: waiting, total: total, since: time.Now(), stop: make(chan struct{})}
	p.done.Go(p.move)
	return p
}

// tell is told how many bytes have gone; a request that is sent again begins
// anew.
func (p *progress) tell(sent int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if (sent == p.total) != (p.sent == p.total) {
		p.since = time.Now()
	}
	p.sent = sent
}

// sender returns what a client tells; nil where nothing shows.
func (p *progress) sender() func(int) {
	if p == nil {
		return nil
	}
	return p.tell
}

// move draws until end.
func (p *progress) move() {
	t := time.NewTicker(progressStep)
	defer t.Stop()
	begun := time.Now()
	for {
		select {
		case <-t.C:
			if time.Since(begun) >= progressAfter {
				p.draw()
			}
		case <-p.stop:
			return
		}
	}
}

// draw brings the line up to date. A terminal that is gone is none of the
// upload's business.
func (p *progress) draw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if upto := p.sent < p.total; p.bar == nil || upto != p.upto {
		p.wipe()
		p.upto = upto
		p.bar = p.line()
	}
	if p.upto {
		_ = p.bar.Set(p.sent)
		return
	}
	p.bar.Describe(p.waiting + " " + age(time.Since(p.since)))
	_ = p.bar.Add(1)
}

// line returns a new line for what is going on.
func (p *progress) line() *progressbar.ProgressBar {
	options := []progressbar.Option{
		progressbar.OptionSetWriter(p.w), progressbar.OptionSetWidth(24),
		progressbar.OptionSetPredictTime(false),
		// The line is moved by this type's own goroutine, which end waits for.
		progressbar.OptionSetSpinnerChangeInterval(0),
	}
	if !p.upto {
		return progressbar.NewOptions(-1, append(options, progressbar.OptionSpinnerType(14), progressbar.OptionSetElapsedTime(false))...)
	}
	return progressbar.NewOptions(p.total, append(options, progressbar.OptionSetDescription("uploading "+size(p.total)))...)
}

func (p *progress) wipe() {
	if p.bar != nil {
		_ = p.bar.Clear()
	}
}

// end takes the line away.
func (p *progress) end() {
	if p == nil {
		return
	}
	close(p.stop)
	p.done.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wipe()
}

// terminal reports whether somebody sits in front of w. /dev/null is taken for
// one, which does no harm.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok || os.Getenv("TERM") == "dumb" {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
