package tunnel

import "sync"

// A flow begins with a small buffer, which a message fits into that comes now
// and then, and takes a large one once it fills that.
const (
	smallSize = 4 << 10
	largeSize = 32 << 10
)

// buffers holds what flows copy through.
type buffers struct {
	small sync.Pool // of *[smallSize]byte
	large sync.Pool // of *[largeSize]byte
}

func (b *buffers) getSmall() []byte {
	if p, ok := b.small.Get().(*[smallSize]byte); ok {
		return p[:]
	}
	return make([]byte, smallSize)
}

func (b *buffers) getLarge() []byte {
	if p, ok := b.large.Get().(*[largeSize]byte); ok {
		return p[:]
	}
	return make([]byte, largeSize)
}

func (b *buffers) put(p []byte) {
	switch len(p) {
	case smallSize:
		b.small.Put((*[smallSize]byte)(p))
	case largeSize:
		b.large.Put((*[largeSize]byte)(p))
	}
}

// fit returns a buffer of the size that suits a flow whose last read into p
// brought n bytes.
func (b *buffers) fit(p []byte, n int) []byte {
	switch {
	case len(p) == smallSize && n == smallSize:
		b.put(p)
		return b.getLarge()
	case len(p) == largeSize && n < smallSize:
		b.put(p)
		return b.getSmall()
	}
	return p
}
