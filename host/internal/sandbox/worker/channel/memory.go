package channel

import (
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"
	"unsafe"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// The memory holds the header, then the questions and the histograms, which
// only the host writes, then the answers, which only the worker writes. Both ends
// are the same program on the same machine, so that numbers are in its byte order.
// Every part begins on a cache line of its own.

// header is the head of the memory.
type header struct {
	slots uint64 // written once, before the worker starts; the host never reads it
	_     [line - 8]byte
	// running names the question that the worker is at: the batch's number in
	// the upper half, the index plus 1 in the lower; 0 there: none.
	running atomic.Uint64
	// starting is 1 more than the guest of which the worker makes an instance; 0:
	// of none.
	starting atomic.Uint64
	_        [line - 16]byte
}

// questionSlot is a question in the memory.
type questionSlot struct {
	guest   uint32
	gaps    uint32 // a GapsKind; the index of the histogram is added to GapsNew
	follows uint32 // 0: it does not
	_       [line - 12]byte
	event   [abi.EventSize]byte
}

// gapsSlot is a histogram in the memory.
type gapsSlot struct {
	gaps policy.Gaps
	_    [gapsSlotSize - abi.GapsSize]byte
}

// answerSlot is an answer in the memory.
type answerSlot struct {
	batch  uint32 // the batch that is answered
	fault  uint8
	_      [3]byte
	reply  uint64
	fuel   uint32
	hook   uint32
	time   uint64 // nanoseconds
	state  [abi.StateSize]uint8
	leases [abi.Phases]uint32
}

const (
	line         = 64
	headerSize   = 2 * line
	questionSize = line + abi.EventSize
	gapsSlotSize = (abi.GapsSize + line - 1) / line * line
	answerSize   = 2 * line
)

// The structs are as large as the constants say, or this does not compile.
var (
	_ = [1]struct{}{}[unsafe.Sizeof(header{})-headerSize]
	_ = [1]struct{}{}[unsafe.Sizeof(questionSlot{})-questionSize]
	_ = [1]struct{}{}[unsafe.Sizeof(gapsSlot{})-gapsSlotSize]
	_ = [1]struct{}{}[unsafe.Sizeof(answerSlot{})-answerSize]
	_ = [1]struct{}{}[unsafe.Sizeof(policy.Event{})-abi.EventUsed]
)

// memory is the memory as one end has mapped it.
type memory struct {
	bytes []byte
	slots int
}

// gapSlots is how many new histograms fit into a batch. They change seldom, and
// what does not fit goes with the next batch.
func gapSlots(slots int) int { return (slots + 3) / 4 }

func memorySize(slots int) int {
	return headerSize + slots*questionSize + gapSlots(slots)*gapsSlotSize + slots*answerSize
}

func (m *memory) header() *header { return (*header)(unsafe.Pointer(&m.bytes[0])) }

func (m *memory) question(i int) *questionSlot {
	return (*questionSlot)(unsafe.Pointer(&m.bytes[headerSize+i*questionSize]))
}

func (m *memory) gaps(i int) *gapsSlot {
	return (*gapsSlot)(unsafe.Pointer(&m.bytes[headerSize+m.slots*questionSize+i*gapsSlotSize]))
}

func (m *memory) answer(i int) *answerSlot {
	return (*answerSlot)(unsafe.Pointer(&m.bytes[len(m.bytes)-(m.slots-i)*answerSize]))
}

// copyOf reads an answer once, word by word: the worker may be writing to it at
// the same time, and what is checked must be what is used.
func copyOf(shared *answerSlot) answerSlot {
	from := (*[answerSize / 8]uint64)(unsafe.Pointer(shared))
	var words [answerSize / 8]uint64
	for i := range words {
		words[i] = atomic.LoadUint64(&from[i])
	}
	return *(*answerSlot)(unsafe.Pointer(&words))
}

func (s *questionSlot) put(q *Question) {
	s.guest, s.gaps, s.follows = q.Guest, uint32(q.Kind), 0
	if q.Follows {
		s.follows = 1
	}
	*(*policy.Event)(unsafe.Pointer(&s.event)) = q.Event
}

// take leaves q.Gaps to the caller.
func (s *questionSlot) take(q *Question) {
	q.Guest, q.Kind, q.Follows = s.guest, GapsKind(min(s.gaps, uint32(GapsNew))), s.follows != 0
	q.Event = *(*policy.Event)(unsafe.Pointer(&s.event))
}

func (s *answerSlot) put(batch uint32, a *Answer) {
	*s = answerSlot{
		batch: batch, fault: uint8(a.Fault), reply: a.Reply, fuel: uint32(a.Fuel), hook: uint32(a.Hook), time: uint64(a.Time),
		state: a.State, leases: a.Leases,
	}
}

// lastFault is the highest of the faults that there are.
var lastFault = uint8(len(policy.FaultNames()))

// take checks an answer that the host has copied.
func (s *answerSlot) take(batch uint32, a *Answer) error {
	switch {
	case s.batch != batch:
		return fmt.Errorf("its answer is to batch %d", s.batch)
	case s.fault > lastFault:
		return fmt.Errorf("there is no fault %d", s.fault)
	case s.hook > s.fuel:
		return fmt.Errorf("its hook cannot have used %d of %d units of fuel", s.hook, s.fuel)
	case s.time > uint64(MaxTime):
		return fmt.Errorf("it cannot have taken %d ns", s.time)
	}
	*a = Answer{
		Fault: policy.Fault(s.fault), Reply: s.reply, State: s.state, Leases: s.leases,
		Fuel: uint64(s.fuel), Hook: uint64(s.hook), Time: time.Duration(s.time),
	}
	return nil
}

// A datagram is the number of a batch and how many questions it has. The host
// sends it with the questions, and the worker sends it back with the answers.
const datagramSize = 8

func putDatagram(to *[datagramSize]byte, batch uint32, n int) {
	binary.NativeEndian.PutUint32(to[:4], batch)
	binary.NativeEndian.PutUint32(to[4:], uint32(n))
}

func takeDatagram(from []byte) (batch, n uint32) {
	return binary.NativeEndian.Uint32(from[:4]), binary.NativeEndian.Uint32(from[4:])
}
