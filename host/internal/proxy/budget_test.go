package proxy

import (
	"testing"
	"unsafe"
)

// What is kept of a parked connection above the idle layer.
func TestRecordBudget(t *testing.T) {
	if n := unsafe.Sizeof(conn{}); n > 64 {
		t.Errorf("a parked HTTP/1 connection is %d bytes, want at most 64", n)
	}
	if n := unsafe.Sizeof(undetectedConn{}); n > 24 {
		t.Errorf("a connection that has said nothing is %d bytes, want at most 24", n)
	}
}
