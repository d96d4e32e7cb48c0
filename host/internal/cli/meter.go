package cli

import (
	"io"
	"time"

	"github.com/schollz/progressbar/v3"
)

// meter shows on a terminal how far a long work has come, step after step. It
// leaves nothing behind.
type meter struct {
	w    io.Writer
	unit string // of what is told
	step string
	bar  *progressbar.ProgressBar // nil: nothing shows
}

// newMeter returns one that shows nothing if quiet, or w is no terminal.
func newMeter(w io.Writer, quiet bool) *meter {
	if quiet || !terminal(w) {
		w = nil
	}
	return &meter{w: w, unit: "records"}
}

// tell says that so much of a step is done. A total of 0 is not known.
func (m *meter) tell(step string, done, total int64) {
	if m.w == nil {
		return
	}
	if m.step != step {
		m.end()
		m.step = step
		if total == 0 {
			total = -1
		}
		m.bar = progressbar.NewOptions64(total,
			progressbar.OptionSetWriter(m.w), progressbar.OptionSetWidth(24), progressbar.OptionSetDescription(step),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionShowCount(), progressbar.OptionShowIts(),
			progressbar.OptionSetItsString(m.unit), progressbar.OptionSetSpinnerChangeInterval(0))
	}
	_ = m.bar.Set64(done)
}

// end takes the line away.
func (m *meter) end() {
	if m.bar != nil {
		_ = m.bar.Clear()
	}
	m.bar, m.step = nil, ""
}
