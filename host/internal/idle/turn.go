package idle

import "time"

// turnTime is for how long questions about one account's connections may
// follow one another while others wait to be looked at.
const turnTime = 2 * time.Millisecond

// turn is what a shard does between two looks at its wheel. An account whose
// questions have taken turnTime is put off to the next turn: its policy, however
// slow, delays its own deadlines, and those of others by turnTime and one
// question at most. It belongs to the shard's goroutine; nil bounds nothing.
type turn struct {
	took map[*Account]time.Duration
	late []*entry // put off; in no wheel, unless they have been put back since
	last []*entry // those of the turn before; reused
}

func newTurn() *turn { return &turn{took: map[*Account]time.Duration{}} }

// begin ends a turn and returns what was put off in it. The shard's mu is held.
func (t *turn) begin() (late []*entry) {
	clear(t.took)
	clear(t.last)
	t.last, t.late = t.late, t.last[:0]
	late = t.last[:0]
	for _, e := range t.last {
		if !e.Linked() { // otherwise the wheel brings it
			late = append(late, e)
		}
	}
	return late
}

// putOff reports whether the account has had its time, and notes that the entry
// is to be looked at in the next turn.
func (t *turn) putOff(a *Account, e *entry) bool {
	if t == nil || t.took[a] < turnTime {
		return false
	}
	t.late = append(t.late, e)
	return true
}

// spend counts the time that a question about one of the account's connections
// took.
func (t *turn) spend(a *Account, took time.Duration) {
	if t != nil {
		t.took[a] += took
	}
}
