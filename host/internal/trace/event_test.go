package trace

import (
	"encoding/binary"
	"testing"

	"idlehost/sdk/abi"
)

// TestWordsAreTheEventsLayout: the words are the bytes that guests see.
func TestWordsAreTheEventsLayout(t *testing.T) {
	e := event()
	layout, err := binary.Append(nil, binary.LittleEndian, &e)
	check(t, err)
	if len(layout) != abi.EventUsed {
		t.Fatalf("an event has %d bytes", len(layout))
	}
	var w [maxWords]uint32
	split(&e, &w)
	for i := range w {
		var want uint32
		if 4*i < len(layout) {
			want = binary.LittleEndian.Uint32(layout[4*i:])
		}
		if w[i] != want {
			t.Errorf("word %d is %#x, want %#x", i, w[i], want)
		}
	}
	var back abi.Event
	join(&w, &back)
	if back != e {
		t.Errorf("got %+v, want %+v", back, e)
	}
}
