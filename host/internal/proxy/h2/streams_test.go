package h2

import (
	"fmt"
	"testing"
)

func TestStreams(t *testing.T) {
	var s streams
	for _, id := range []uint32{1, 5, 3, 5, 4, 7} { // 3 is late, 5 has trailers, 4 is the server's
		s.add(id)
	}
	if fmt.Sprint(s.open) != "[1 5 7]" || s.last != 7 {
		t.Errorf("open %v, last %d", s.open, s.last)
	}
	for _, id := range []uint32{5, 5, 99, 1, 7} {
		s.remove(id)
	}
	if len(s.open) != 0 {
		t.Errorf("open %v", s.open)
	}
}
