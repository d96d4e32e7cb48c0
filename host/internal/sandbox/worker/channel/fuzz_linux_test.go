package channel

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"idlehost/host/internal/policy"
)

// The orders that the fuzzer gives an attacker. Each is a byte, and what it is
// about.
const (
	orderWrite  = iota // two bytes of an offset, one of a length, and as many to write there
	orderSay           // one byte of a length, and as many to send
	orderAnswer        // one byte: answers rightly, as many questions
	orderClose         // ends both ways
	orders
)

// FuzzHostileWorker lets a worker write anything into the memory and send
// anything before the host asks it.
func FuzzHostileWorker(f *testing.F) {
	const slots, asked = 4, 3
	answered := make([]byte, 0, 64)
	answered = append(answered, orderAnswer, asked)
	at := func(offset int, bytes ...byte) []byte {
		order := binary.LittleEndian.AppendUint16([]byte{orderWrite}, uint16(offset))
		return append(append(order, byte(len(bytes))), bytes...)
	}
	slot := memorySize(slots) - slots*answerSize
	f.Add([]byte{})
	f.Add([]byte{orderClose})
	f.Add(answered)
	f.Add(append(answered, at(slot+4, 99)...))                                       // fault
	f.Add(append(answered, at(slot+answerSize+16, 255, 255, 255, 255, 255, 255)...)) // fuel
	f.Add(append(answered, at(slot+2*answerSize+24, 0, 0, 0, 0, 0, 0, 0, 128)...))   // time
	f.Add(append(answered, at(line, 2, 0, 0, 0, 1)...))                              // running
	f.Add(append([]byte{orderSay, datagramSize}, datagram(1, asked)...))
	f.Add(append([]byte{orderSay, datagramSize + 1}, append(datagram(1, asked), 0)...))
	f.Fuzz(func(t *testing.T, script []byte) {
		h, a := attack(t, slots)
		obey(t, a, script)
		unix.Shutdown(a.fd, unix.SHUT_WR) // after what has been sent, so that the host does not wait
		qs, as := questions(asked), make([]Answer, asked)
		qs[0].Kind, qs[0].Gaps = GapsNew, &policy.Gaps{Unit: 1}
		err := h.Exchange(qs, as, time.Time{})
		if err != nil && !errors.Is(err, ErrGone) && !errors.Is(err, ErrProtocol) {
			t.Errorf("an error of no known kind: %v", err)
		}
		if i, ok := h.Running(); ok && (i < 0 || i >= asked) {
			t.Errorf("question %d of %d runs", i, asked)
		}
		for i := range as {
			if err == nil {
				plausible(t, as[i], copyOf(a.memory.answer(i)))
			}
		}
		if again := h.Exchange(qs, as, time.Time{}); again == nil {
			t.Error("a worker that sends no more has answered")
		}
	})
}

// obey lets the attacker follow a script.
func obey(t *testing.T, a *attacker, script []byte) {
	take := func(n int) []byte {
		n = min(n, len(script))
		taken := script[:n]
		script = script[n:]
		return taken
	}
	number := func(bytes int) int {
		var b [8]byte
		copy(b[:], take(bytes))
		return int(binary.LittleEndian.Uint64(b[:]))
	}
	for len(script) > 0 {
		switch number(1) % orders {
		case orderWrite:
			offset := number(2) % len(a.memory.bytes)
			copy(a.memory.bytes[offset:], take(number(1)))
		case orderSay:
			a.say(t, take(number(1)))
		case orderAnswer:
			a.answer(t, 1, number(1)%(a.memory.slots+1))
		case orderClose:
			unix.Shutdown(a.fd, unix.SHUT_RDWR)
		}
	}
}

// plausible holds an answer that the host has taken to the memory, and to what
// Answer promises.
func plausible(t *testing.T, a Answer, s answerSlot) {
	if uint8(a.Fault) > lastFault || a.Fuel > MaxFuel || a.Hook > a.Fuel || a.Time < 0 || a.Time > MaxTime {
		t.Errorf("the host takes %+v", a)
	}
	var back answerSlot
	back.put(1, &a)
	s = answerSlot{batch: s.batch, fault: s.fault, reply: s.reply, fuel: s.fuel, hook: s.hook, time: s.time, state: s.state, leases: s.leases}
	if back != s {
		t.Errorf("the host takes %+v for %+v", a, s)
	}
}
