package h2

import "slices"

// streams are the ids of the streams that are open: the client's header block
// is complete, and neither has the answer ended nor either side reset it.
type streams struct {
	open []uint32 // seldom more than a handful; ServeConn bounds it
	last uint32   // the highest id whose header block is complete
}

// add notes a complete header block. Trailers, of a stream that is known,
// change nothing.
func (s *streams) add(id uint32) {
	if id > s.last && id&1 == 1 {
		s.last = id
		s.open = append(s.open, id)
	}
}

// remove reports whether the stream was open.
func (s *streams) remove(id uint32) bool {
	i := slices.Index(s.open, id)
	if i < 0 {
		return false
	}
	n := len(s.open) - 1
	s.open[i] = s.open[n]
	s.open = s.open[:n]
	return true
}
