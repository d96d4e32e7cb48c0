package h1

import "strconv"

const (
	blockSize = 32 << 10
	sizeRoom  = len("8000\r\n") // the size of a full block in hexadecimal
)

// block is what content is copied through, with room for what makes a chunk of
// it: one write a chunk.
type block struct {
	buf [sizeRoom + blockSize + len("\r\n")]byte
}

// data is where content is read to.
func (b *block) data() []byte { return b.buf[sizeRoom : sizeRoom+blockSize] }

// chunk returns the first n bytes of data, 0 < n, as a chunk (RFC 9112
// section 7.1).
func (b *block) chunk(n int) []byte {
	var room [sizeRoom]byte
	size := append(strconv.AppendInt(room[:0], int64(n), 16), "\r\n"...)
	from := sizeRoom - len(size)
	copy(b.buf[from:], size)
	copy(b.buf[sizeRoom+n:], "\r\n")
	return b.buf[from : sizeRoom+n+2]
}
