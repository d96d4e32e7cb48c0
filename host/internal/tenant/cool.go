package tenant

import "time"

// Cool lets guests go that nobody has asked for as long as unused, and keeps
// what they have learned; it reports whether there was one. They are loaded
// again when somebody asks. A guest that no Loader could bring back stays.
func (t *Tenant) Cool(unused time.Duration) bool {
	if t.loader == nil {
		return false
	}
	cooled := false
	for _, r := range t.plan.Load().residents() {
		cooled = t.cool(r, unused) || cooled
	}
	return cooled
}

func (t *Tenant) cool(r *resident, unused time.Duration) bool {
	t.mu.Lock()
	if r.loaded == nil || r.gone || !t.restsLocked(r, unused) {
		t.mu.Unlock()
		return false
	}
	s := r.loaded.hold()
	t.mu.Unlock()
	defer s.drop()
	learned := s.guest.Learned()
	kept := t.keep(r, learned)
	return t.letGo(r, s, unused, func() {
		if !kept {
			r.kept = learned
		}
	})
}

// letGo takes the guest out of its lanes, unless it has been asked meanwhile;
// then it has learned more than was kept.
func (t *Tenant) letGo(r *resident, s *loadedGuest, unused time.Duration, keepLocked func()) bool {
	var guests []*roleGuest
	t.mu.Lock()
	ok := r.loaded == s && !r.gone && t.restsLocked(r, unused)
	if ok {
		keepLocked()
		r.loaded = nil
		for _, l := range t.plan.Load().lanes() {
			if l.resident == r {
				guests = append(guests, l.removeGuest())
			}
		}
	}
	t.mu.Unlock()
	if !ok {
		return false
	}
	for _, g := range guests {
		if g != nil {
			g.release()
		}
	}
	s.drop() // the resident's own hold
	return true
}

// restsLocked reports whether nobody has asked r for as long as unused.
func (t *Tenant) restsLocked(r *resident, unused time.Duration) bool {
	now := time.Now()
	for _, l := range t.plan.Load().lanes() {
		if l.resident != r {
			continue
		}
		if s := l.guest.Load(); s != nil && now.Sub(time.UnixMilli(int64(s.usedMs.Load()))) < unused {
			return false
		}
	}
	return true
}
