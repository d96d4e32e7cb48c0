package demand

import (
	"container/list"

	"idlehost/host/internal/policy"
)

// party is who uses a lane.
type party struct {
	client uint64
	tenant uint32
	side   policy.Side
}

// waiting are the lanes that the host has cut, by party, the last cut first.
// A client without a pseudonym is never known again.
type waiting struct {
	limit     int
	forgotten int
	parties   map[uint64]party          // of every lane that is open or waits
	lanes     map[party][]*list.Element // the last cut last
	order     *list.List                // of lanes, the longest waiting first
}

func newWaiting(limit int) waiting {
	return waiting{limit: limit, parties: map[uint64]party{}, lanes: map[party][]*list.Element{}, order: list.New()}
}

func (w *waiting) introduce(lane uint64, p party) { w.parties[lane] = p }

// drop forgets a lane that has ended and does not wait.
func (w *waiting) drop(lane uint64) { delete(w.parties, lane) }

func (w *waiting) add(lane uint64) {
	p := w.parties[lane]
	if p.client == 0 {
		w.drop(lane)
		return
	}
	w.lanes[p] = append(w.lanes[p], w.order.PushBack(lane))
	if w.order.Len() > w.limit {
		w.forget()
	}
}

// forget drops the lane that has waited longest: it is its party's first.
func (w *waiting) forget() {
	lane := w.order.Remove(w.order.Front()).(uint64)
	p := w.parties[lane]
	w.lanes[p] = w.lanes[p][1:]
	if len(w.lanes[p]) == 0 {
		delete(w.lanes, p)
	}
	w.drop(lane)
	w.forgotten++
}

// take returns the lane of the party that was cut last.
func (w *waiting) take(p party) (lane uint64, ok bool) {
	all := w.lanes[p]
	if len(all) == 0 {
		return 0, false
	}
	last := len(all) - 1
	lane = w.order.Remove(all[last]).(uint64)
	if w.lanes[p] = all[:last]; last == 0 {
		delete(w.lanes, p)
	}
	return lane, true
}
