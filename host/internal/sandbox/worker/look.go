package worker

// Look is what workers of a kind have.
type Look struct {
	Kind      Kind
	Processes int
	Guests    int
	Waiting   int // questions, for a turn or for an instance
}

// Look returns what there is, by kind.
func (p *Pool) Look() [Kinds]Look {
	p.mu.Lock()
	defer p.mu.Unlock()
	var looks [Kinds]Look
	for k := range looks {
		looks[k].Kind = Kind(k)
	}
	for _, w := range p.workersLocked() {
		l := &looks[w.kind]
		l.Guests += len(w.guests)
		l.Waiting += w.queue.n
		if w.life != nil {
			l.Processes++
		}
	}
	for _, g := range p.guests {
		looks[g.at.kind].Waiting += len(g.waiting)
	}
	return looks
}
