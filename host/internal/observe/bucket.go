package observe

import "time"

// bucket is a token bucket: rate a second, burst at once, full at first. A
// rate of 0 lets everything through. Not safe for concurrent use.
type bucket struct {
	rate, burst float64
	tokens      float64
	at          time.Time // when tokens was true; zero: never used
}

func (b *bucket) take(now time.Time) bool {
	if b.rate <= 0 {
		return true
	}
	if b.at.IsZero() {
		b.tokens = b.burst
	} else if gone := now.Sub(b.at); gone > 0 {
		b.tokens = min(b.tokens+b.rate*gone.Seconds(), b.burst)
	}
	if now.After(b.at) { // a time that comes late earns nothing twice
		b.at = now
	}
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// full reports whether nothing would be different had it never been used.
func (b *bucket) full(now time.Time) bool {
	return b.rate <= 0 || b.at.IsZero() || b.tokens+b.rate*now.Sub(b.at).Seconds() >= b.burst
}
