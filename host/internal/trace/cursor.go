package trace

import "encoding/binary"

// cursor reads bytes that may be anybody's. The first thing that is wrong is
// kept in why; what is read from then on is zero.
type cursor struct {
	b   []byte
	at  int
	why string
}

func (c *cursor) fail(why string) {
	if c.why == "" {
		c.why = why
	}
	c.at = len(c.b)
}

// take returns the next n bytes, which are those of b.
func (c *cursor) take(n int) []byte {
	if n < 0 || n > len(c.b)-c.at {
		c.fail("cut off")
		return nil
	}
	c.at += n
	return c.b[c.at-n : c.at]
}

func (c *cursor) byte() byte {
	if c.at >= len(c.b) {
		c.fail("cut off")
		return 0
	}
	c.at++
	return c.b[c.at-1]
}

func (c *cursor) uint32() uint32 {
	if p := c.take(4); p != nil {
		return binary.LittleEndian.Uint32(p)
	}
	return 0
}

func (c *cursor) uint64() uint64 {
	if p := c.take(8); p != nil {
		return binary.LittleEndian.Uint64(p)
	}
	return 0
}

// uvarint reads base 128, least significant group first.
func (c *cursor) uvarint() uint64 {
	if c.at < len(c.b) && c.b[c.at] < 0x80 {
		c.at++
		return uint64(c.b[c.at-1])
	}
	v, n := binary.Uvarint(c.b[c.at:])
	switch {
	case n > 0:
		c.at += n
	case n == 0:
		c.fail("cut off")
	default:
		c.fail("a number of more than 64 bits")
	}
	return v
}

// below reads a number that has to be at most most.
func (c *cursor) below(most uint64, what string) uint64 {
	v := c.uvarint()
	if v > most {
		c.fail(what + " is out of range")
		return 0
	}
	return v
}

func (c *cursor) varint() int64 { return unzigzag(c.uvarint()) }

// within refuses times that are out of range.
func (c *cursor) within(t int64) int64 {
	if t > MaxTime || t < -MaxTime {
		c.fail("a time is out of range")
		return 0
	}
	return t
}

// text reads a length and so many bytes.
func (c *cursor) text(most uint64) string {
	return string(c.take(int(c.below(most, "a length"))))
}

func zigzag(v int64) uint64   { return uint64(v)<<1 ^ uint64(v>>63) }
func unzigzag(v uint64) int64 { return int64(v>>1) ^ -int64(v&1) }
