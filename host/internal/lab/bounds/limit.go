package bounds

import "idlehost/host/internal/lab/study"

// limited counts what a limit on the connections that wait would have done.
type limited struct {
	limit           int64
	heldUs, missing int64
	open, peak      int64
	starts          []int64 // by lane; closed: it is not held
}

const closed = int64(-1)

func (l *limited) hold(g *gap) {
	for int(g.lane) >= len(l.starts) {
		l.starts = append(l.starts, closed)
	}
	l.starts[g.lane] = g.start
	l.open++
}

func (l *limited) evict(lane int32, now int64) {
	l.heldUs += (now - l.starts[lane]) / 1000
	l.starts[lane] = closed
	l.open--
}

// release ends a gap and reports whether the connection was still held.
func (l *limited) release(g *gap) bool {
	if l.starts[g.lane] == closed {
		if g.ended == returned {
			l.missing++
		}
		return false
	}
	l.evict(g.lane, g.end)
	return true
}

func (l *limited) point(worthMs int64) study.Point {
	p := study.Point{Limit: l.limit, HeldMs: l.heldUs / 1000, Premature: l.missing, PeakOpen: l.peak}
	p.CostMs = p.HeldMs + worthMs*p.Premature
	return p
}

// lru closes the connection that has waited longest.
type lru struct {
	limited
	list list
}

func newLRU(limit int64) *lru { return &lru{limited: limited{limit: limit}, list: newList()} }

func (l *lru) begun(g *gap) {
	l.hold(g)
	l.list.push(g.lane)
	if l.open > l.limit {
		oldest := l.list.first
		l.list.remove(oldest)
		l.evict(oldest, g.start)
	}
	l.peak = max(l.peak, l.open)
}

func (l *lru) ended(g *gap) {
	if l.release(g) {
		l.list.remove(g.lane)
	}
}

// belady closes the one whose client comes back last, if at all (Belady 1966,
// MIN). It knows the ends.
type belady struct {
	limited
	ends  func(*gap) int64
	heap  []int32 // the latest end first
	place []int32 // of a lane in heap
	end   []int64 // by lane
}

func newBelady(limit int64, ends func(*gap) int64) *belady {
	return &belady{limited: limited{limit: limit}, ends: ends}
}

func (b *belady) begun(g *gap) {
	b.hold(g)
	for int(g.lane) >= len(b.place) {
		b.place, b.end = append(b.place, none), append(b.end, 0)
	}
	b.end[g.lane] = b.ends(g)
	b.place[g.lane] = int32(len(b.heap))
	b.heap = append(b.heap, g.lane)
	b.up(len(b.heap) - 1)
	if b.open > b.limit {
		last := b.heap[0]
		b.drop(0)
		b.evict(last, g.start)
	}
	b.peak = max(b.peak, b.open)
}

func (b *belady) ended(g *gap) {
	if b.release(g) {
		b.drop(int(b.place[g.lane]))
	}
}

func (b *belady) drop(i int) {
	n := len(b.heap) - 1
	b.swap(i, n)
	b.heap = b.heap[:n]
	if i < n {
		b.up(i)
		b.down(i)
	}
}

func (b *belady) less(i, j int) bool {
	x, y := b.heap[i], b.heap[j]
	return b.end[x] > b.end[y] || b.end[x] == b.end[y] && x < y
}

func (b *belady) swap(i, j int) {
	b.heap[i], b.heap[j] = b.heap[j], b.heap[i]
	b.place[b.heap[i]], b.place[b.heap[j]] = int32(i), int32(j)
}

func (b *belady) up(i int) {
	for i > 0 && b.less(i, (i-1)/2) {
		b.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
}

func (b *belady) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(b.heap) {
			return
		}
		if child+1 < len(b.heap) && b.less(child+1, child) {
			child++
		}
		if !b.less(child, i) {
			return
		}
		b.swap(i, child)
		i = child
	}
}
