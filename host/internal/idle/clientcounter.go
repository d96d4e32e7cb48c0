package idle

import "sync"

// clientCounter counts the connections that each client has in each account, where the
// account's law limits them. A connection costs one short lock at its begin and
// one at its end, of a shard that its client chooses.
type clientCounter struct{ shards [64]counterShard }

type counterShard struct {
	mu sync.Mutex // guards the following; a Conn's mu may be held, never taken
	n  map[visitor]uint32
}

// visitor is a client of an account.
type visitor struct {
	account *Account
	client  uint64
}

// of is the shard of a client: the key is a hash already.
func (w *clientCounter) of(client uint64) *counterShard {
	return &w.shards[client%uint64(len(w.shards))]
}

// enter counts one more, unless there are limit of them; 0: any number.
func (w *clientCounter) enter(a *Account, client uint64, limit int) bool {
	s, v := w.of(client), visitor{a, client}
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.n[v]
	if limit > 0 && int64(n) >= int64(limit) {
		return false
	}
	if s.n == nil {
		s.n = map[visitor]uint32{}
	}
	s.n[v] = n + 1
	return true
}

// leave counts one less.
func (w *clientCounter) leave(a *Account, client uint64) {
	s, v := w.of(client), visitor{a, client}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.n[v]--; s.n[v] == 0 {
		delete(s.n, v)
	}
}

// countLocked counts an accepted connection, if its account does so, against
// its client's limit; 0: none. It reports whether that leaves room for it. The
// clients of connections without an address cannot be told apart, and are not
// counted. c.mu is held, and c is on its account's list: whoever begins to
// count finds it there.
func (c *Conn) countLocked(limit int) bool {
	if c.marks.has(markCounted) || c.side != sideAccepted || c.client == 0 || !c.account.counting.Load() {
		return true
	}
	counted := c.gov.clients.enter(c.account, c.client, limit)
	c.marks.set(markCounted, counted)
	return counted
}

// uncountLocked takes the count of a back, where the connection was counted.
func (c *Conn) uncountLocked(a *Account) {
	if c.marks.has(markCounted) {
		c.marks.set(markCounted, false)
		c.gov.clients.leave(a, c.client)
	}
}

// countLate counts a connection that was admitted before its account counted.
func (c *Conn) countLate(a *Account) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.account == a && c.admitted && !c.closed {
		c.countLocked(0)
	}
}
