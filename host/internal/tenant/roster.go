package tenant

import (
	"bytes"
	"fmt"
	"net/netip"
	"sync"
)

// Keys say what belongs to a name in a Roster.
type Keys struct {
	// Hosts are exact, "a.example", or stand for every name below one,
	// "*.example". Their case does not matter, nor does a dot at the end; IDNA
	// is the caller's.
	Hosts []string
	// Destinations are "192.0.2.1", "192.0.2.1:443", "192.0.2.0/24", and the
	// same for IPv6: "2001:db8::1", "[2001:db8::1]:443", "2001:db8::/32".
	Destinations []string
}

// Roster says what belongs to whom. Each key belongs to one name; of the keys
// that fit, the most specific counts. Lookups allocate nothing and a change
// costs what the changed name's keys do, however many names there are. Safe for
// concurrent use; create it with NewRoster.
type Roster[T any] struct {
	mu           sync.RWMutex // guards the following fields
	names        map[string]*entry[T]
	hosts        map[string]*entry[T]
	below        map[string]*entry[T] // by what follows "*."
	depths       depths               // of below
	sockets      map[netip.AddrPort]*entry[T]
	addresses    map[netip.Addr]*entry[T]
	prefixes     map[netip.Prefix]*entry[T]
	bits4, bits6 lengths // of prefixes
}

// entry is a name on the roster.
type entry[T any] struct {
	name  string
	keys  *keys
	value T
}

// NewRoster returns an empty roster.
func NewRoster[T any]() *Roster[T] {
	return &Roster[T]{
		names: map[string]*entry[T]{}, hosts: map[string]*entry[T]{}, below: map[string]*entry[T]{},
		sockets: map[netip.AddrPort]*entry[T]{}, addresses: map[netip.Addr]*entry[T]{}, prefixes: map[netip.Prefix]*entry[T]{},
	}
}

// Put adds a name, or replaces what it has. A key that makes no sense, or
// belongs to another name, is an error that names it, and then nothing changes.
func (r *Roster[T]) Put(name string, k Keys, v T) error {
	e, err := newEntry(name, k, v)
	if err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.checkLocked(e); err != nil {
		return err
	}
	r.removeLocked(name)
	r.names[name] = e
	r.addLocked(e)
	return nil
}

// Check returns the error that Put would.
func (r *Roster[T]) Check(name string, k Keys) error {
	var none T
	e, err := newEntry(name, k, none)
	if err != nil {
		return err
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.checkLocked(e)
}

func newEntry[T any](name string, k Keys, v T) (*entry[T], error) {
	parsed, err := parseKeys(k)
	if err != nil {
		return nil, fmt.Errorf("tenant %q: %w", name, err)
	}
	return &entry[T]{name: name, keys: parsed, value: v}, nil
}

func (r *Roster[T]) checkLocked(e *entry[T]) error {
	if key, owner := r.takenLocked(e); owner != "" {
		return fmt.Errorf("tenant %q: %s belongs to tenant %q already", e.name, key, owner)
	}
	return nil
}

// Remove takes a name off the roster, and reports whether it was there.
func (r *Roster[T]) Remove(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.removeLocked(name)
}

// takenLocked returns a key of e that another name has, in words, and whose it is.
func (r *Roster[T]) takenLocked(e *entry[T]) (key, owner string) {
	k := e.keys
	taken(k.hosts, r.hosts, e.name, &key, &owner)
	taken(k.below, r.below, e.name, &key, &owner)
	taken(k.sockets, r.sockets, e.name, &key, &owner)
	taken(k.addresses, r.addresses, e.name, &key, &owner)
	taken(k.prefixes, r.prefixes, e.name, &key, &owner)
	return key, owner
}

func taken[K comparable, T any](keys []named[K], m map[K]*entry[T], name string, key, owner *string) {
	for _, k := range keys {
		if e := m[k.key]; e != nil && e.name != name {
			*key, *owner = k.name, e.name
		}
	}
}

func (r *Roster[T]) addLocked(e *entry[T]) {
	k := e.keys
	put(k.hosts, r.hosts, e)
	put(k.below, r.below, e)
	put(k.sockets, r.sockets, e)
	put(k.addresses, r.addresses, e)
	put(k.prefixes, r.prefixes, e)
	r.countLocked(k, 1)
}

func (r *Roster[T]) removeLocked(name string) bool {
	e := r.names[name]
	if e == nil {
		return false
	}
	delete(r.names, name)
	k := e.keys
	drop(k.hosts, r.hosts)
	drop(k.below, r.below)
	drop(k.sockets, r.sockets)
	drop(k.addresses, r.addresses)
	drop(k.prefixes, r.prefixes)
	r.countLocked(k, -1)
	return true
}

func put[K comparable, T any](keys []named[K], m map[K]*entry[T], e *entry[T]) {
	for _, k := range keys {
		m[k.key] = e
	}
}

func drop[K comparable, T any](keys []named[K], m map[K]*entry[T]) {
	for _, k := range keys {
		delete(m, k.key)
	}
}

func (r *Roster[T]) countLocked(k *keys, n int) {
	for _, b := range k.below {
		r.depths.count(b.key, n)
	}
	for _, p := range k.prefixes {
		if p.key.Addr().Is4() {
			r.bits4.count(p.key.Bits(), n)
		} else {
			r.bits6.count(p.key.Bits(), n)
		}
	}
}

// Name returns what a name has.
func (r *Roster[T]) Name(name string) (v T, ok bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.names[name].get()
}

func (e *entry[T]) get() (v T, ok bool) {
	if e == nil {
		return v, false
	}
	return e.value, true
}

// Host returns what the owner of a host has: of the host itself, else of the
// longest "*.suffix" that it lies below. host may have capitals, a port and a
// dot at the end.
func (r *Roster[T]) Host(host string) (v T, ok bool) {
	var buf [maxHost]byte
	h := appendHost(buf[:0], host)
	if len(h) == 0 || h[0] == '.' {
		return v, false
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if e := r.hosts[string(h)]; e != nil { // no copy: the compiler knows
		return e.get()
	}
	return r.belowLocked(h).get()
}

// belowLocked finds the longest suffix that h lies below and somebody has.
func (r *Roster[T]) belowLocked(h []byte) *entry[T] {
	for labels := bytes.Count(h, []byte{'.'}); labels > 0; labels-- {
		h = h[bytes.IndexByte(h, '.')+1:] // so many labels are left
		if labels > r.depths.deepest || r.depths.counts[labels] == 0 {
			continue
		}
		if e := r.below[string(h)]; e != nil {
			return e
		}
	}
	return nil
}

// Destination returns what the owner of an address and port has: of both, else
// of the address, else of the longest prefix that it lies in.
func (r *Roster[T]) Destination(to netip.AddrPort) (v T, ok bool) {
	a := to.Addr().Unmap().WithZone("")
	if !a.IsValid() {
		return v, false
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	if len(r.sockets) > 0 {
		if e := r.sockets[netip.AddrPortFrom(a, to.Port())]; e != nil {
			return e.get()
		}
	}
	if len(r.addresses) > 0 {
		if e := r.addresses[a]; e != nil {
			return e.get()
		}
	}
	bits := &r.bits6
	if a.Is4() {
		bits = &r.bits4
	}
	for _, n := range bits.used {
		p, _ := a.Prefix(int(n)) // n is one that such an address can have
		if e := r.prefixes[p]; e != nil {
			return e.get()
		}
	}
	return v, false
}

// Len returns how many names there are.
func (r *Roster[T]) Len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.names)
}

// Each calls f for the names there are at the time of the call, in no order,
// until it returns false. No lock is held then.
func (r *Roster[T]) Each(f func(name string, v T) bool) {
	r.mu.RLock()
	all := make([]*entry[T], 0, len(r.names))
	for _, e := range r.names {
		all = append(all, e)
	}
	r.mu.RUnlock()
	for _, e := range all {
		if !f(e.name, e.value) {
			return
		}
	}
}
