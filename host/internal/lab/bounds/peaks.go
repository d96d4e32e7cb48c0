package bounds

// peaks finds, for several timeouts at once, how many connections wait at most.
// Lanes that wait are in a list by the start of their gap; each timeout has a
// place in it, before which its connections are closed.
type peaks struct {
	timeouts   []int64
	open, peak []int64
	place      []int32 // the first that is still open; none: there is none
	list       list
	starts     []int64 // by lane
}

func newPeaks(timeouts []int64) *peaks {
	p := &peaks{timeouts: timeouts, open: make([]int64, len(timeouts)), peak: make([]int64, len(timeouts)), place: make([]int32, len(timeouts))}
	for i := range p.place {
		p.place[i] = none
	}
	p.list = newList()
	return p
}

func (p *peaks) begun(g *gap) {
	for int(g.lane) >= len(p.starts) {
		p.starts = append(p.starts, 0)
	}
	p.starts[g.lane] = g.start
	p.list.push(g.lane)
	for i, t := range p.timeouts {
		p.expire(i, g.start-t)
		if p.place[i] == none {
			p.place[i] = g.lane
		}
		p.open[i]++
		p.peak[i] = max(p.peak[i], p.open[i])
	}
}

// expire closes, under a timeout, what began to wait before a time.
func (p *peaks) expire(i int, before int64) {
	for at := p.place[i]; at != none && p.starts[at] < before; at = p.place[i] {
		p.open[i]--
		p.place[i] = p.list.next[at]
	}
}

func (p *peaks) ended(g *gap) {
	for i, t := range p.timeouts {
		p.expire(i, g.end-t)
		if g.end-g.start <= t {
			p.open[i]--
		}
		if p.place[i] == g.lane {
			p.place[i] = p.list.next[g.lane]
		}
	}
	p.list.remove(g.lane)
}

// none is no lane.
const none = int32(-1)

// list is a doubly linked list of lanes.
type list struct {
	next, prev  []int32
	first, last int32
	len         int
}

func newList() list { return list{first: none, last: none} }

// push puts a lane at the end.
func (l *list) push(n int32) {
	for int(n) >= len(l.next) {
		l.next, l.prev = append(l.next, none), append(l.prev, none)
	}
	l.next[n], l.prev[n] = none, l.last
	if l.last == none {
		l.first = n
	} else {
		l.next[l.last] = n
	}
	l.last = n
	l.len++
}

func (l *list) remove(n int32) {
	if l.prev[n] == none {
		l.first = l.next[n]
	} else {
		l.next[l.prev[n]] = l.next[n]
	}
	if l.next[n] == none {
		l.last = l.prev[n]
	} else {
		l.prev[l.next[n]] = l.prev[n]
	}
	l.len--
}
