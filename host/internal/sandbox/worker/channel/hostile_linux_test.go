package channel

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"

	"idlehost/host/internal/policy"
)

// attacker is a worker's end that does as it likes.
type attacker struct {
	fd, memfd int
	memory    memory
}

func attack(t testing.TB, slots int) (*Host, *attacker) {
	t.Helper()
	h := openHost(t, slots)
	sock, mem := h.ChildFiles()
	a := &attacker{memory: memory{slots: slots}}
	var err error
	for _, f := range []struct {
		file *os.File
		fd   *int
	}{{sock, &a.fd}, {mem, &a.memfd}} {
		if *f.fd, err = unix.FcntlInt(f.file.Fd(), unix.F_DUPFD_CLOEXEC, 0); err != nil {
			t.Fatal(err)
		}
		f.file.Close()
	}
	if a.memory.bytes, err = unix.Mmap(a.memfd, 0, memorySize(slots), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.Munmap(a.memory.bytes)
		unix.Close(a.fd)
		unix.Close(a.memfd)
	})
	return h, a
}

// say sends a datagram, where there still is a way for it.
func (a *attacker) say(t testing.TB, datagram []byte) {
	t.Helper()
	a.sayWith(t, datagram, nil)
}

func (a *attacker) sayWith(t testing.TB, datagram, rights []byte) {
	t.Helper()
	err := unix.Sendmsg(a.fd, datagram, rights, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
	if err != nil && err != unix.EPIPE && err != unix.EAGAIN {
		t.Fatal(err)
	}
}

func datagram(batch uint32, n int) []byte {
	var d [datagramSize]byte
	putDatagram(&d, batch, n)
	return d[:]
}

// answer answers rightly, before it is asked: the host sends its batches
// with numbers from 1.
func (a *attacker) answer(t testing.TB, batch uint32, n int) {
	t.Helper()
	for i := range n {
		a.memory.answer(i).put(batch, &Answer{Reply: uint64(i)})
	}
	a.say(t, datagram(batch, n))
}

func TestNonsenseIsNamed(t *testing.T) {
	slot := func(i int, change func(*answerSlot)) func(testing.TB, *attacker) {
		return func(t testing.TB, a *attacker) {
			a.answer(t, 1, 3)
			change(a.memory.answer(i))
		}
	}
	raw := func(d []byte) func(testing.TB, *attacker) {
		return func(t testing.TB, a *attacker) { a.say(t, d) }
	}
	for name, c := range map[string]struct {
		do   func(testing.TB, *attacker)
		want error
		text string
	}{
		"fault":         {slot(2, func(s *answerSlot) { s.fault = lastFault + 1 }), ErrProtocol, fmt.Sprintf("question 2, of guest 2: there is no fault %d", lastFault+1)},
		"highest fault": {slot(2, func(s *answerSlot) { s.fault = 255 }), ErrProtocol, "there is no fault 255"},
		"fuel":          {slot(0, func(s *answerSlot) { s.hook = s.fuel + 1 }), ErrProtocol, "question 0, of guest 0: its hook cannot have used"},
		"time":          {slot(1, func(s *answerSlot) { s.time = uint64(MaxTime) + 1 }), ErrProtocol, "question 1, of guest 1: it cannot have taken"},
		"negative time": {slot(1, func(s *answerSlot) { s.time = 1 << 63 }), ErrProtocol, "it cannot have taken"},
		"no answer":     {slot(1, func(s *answerSlot) { s.batch = 0 }), ErrProtocol, "its answer is to batch 0"},
		"later batch":   {raw(datagram(2, 3)), ErrProtocol, "3 answers to batch 2, not 3 to batch 1"},
		"fewer":         {raw(datagram(1, 2)), ErrProtocol, "2 answers to batch 1, not 3 to batch 1"},
		"more":          {raw(datagram(1, 4)), ErrProtocol, "4 answers"},
		"many":          {raw(datagram(1, -1)), ErrProtocol, "4294967295 answers"},
		"short":         {raw(datagram(1, 3)[:7]), ErrProtocol, "datagram"},
		"long":          {raw(append(datagram(1, 3), 0)), ErrProtocol, "datagram"},
		"huge":          {raw(make([]byte, 64<<10)), ErrProtocol, "datagram"},
		"empty":         {raw(nil), ErrGone, ""},
		"half closed":   {func(_ testing.TB, a *attacker) { unix.Shutdown(a.fd, unix.SHUT_WR) }, ErrGone, ""},
		"deaf":          {func(_ testing.TB, a *attacker) { unix.Shutdown(a.fd, unix.SHUT_RD) }, ErrGone, ""},
		"closed":        {func(_ testing.TB, a *attacker) { unix.Shutdown(a.fd, unix.SHUT_RDWR) }, ErrGone, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h, a := attack(t, 4)
			c.do(t, a)
			err := h.Exchange(questions(3), make([]Answer, 3), patience())
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v, not %v with %q", err, c.want, c.text)
			}
			a.answer(t, 2, 3)
			if again := h.Exchange(questions(3), make([]Answer, 3), patience()); again != err {
				t.Errorf("afterwards %v, not %v", again, err)
			}
		})
	}
}

// TestChangesWhileTheHostReads flips an answer between one that is right and
// one that is not, for as long as the host reads it.
func TestChangesWhileTheHostReads(t *testing.T) {
	const reads = 100_000
	h, a := attack(t, 2)
	qs, as := questions(2), make([]Answer, 2)
	a.answer(t, 1, 2)
	if err := h.Exchange(qs, as, patience()); err != nil {
		t.Fatal(err)
	}
	right := answerSlot{batch: 1, fault: uint8(policy.FaultTrap), fuel: 1, time: 1}
	wrong := answerSlot{batch: 1, fault: 255, hook: 1 << 31, time: 1 << 63}
	var stop atomic.Bool
	var writer sync.WaitGroup
	writer.Go(func() {
		for !stop.Load() {
			flip(a.memory.answer(1), &right)
			flip(a.memory.answer(1), &wrong)
		}
	})
	for range reads {
		err := h.take(qs, as) // what Exchange does when the worker says that it has done
		if err != nil && !errors.Is(err, ErrProtocol) {
			t.Error(err)
		}
		if got := as[1]; err == nil && (uint8(got.Fault) > lastFault || got.Fuel > MaxFuel || got.Hook > got.Fuel || got.Time < 0 || got.Time > MaxTime) {
			t.Errorf("the host takes %+v", got)
			break
		}
	}
	stop.Store(true)
	writer.Wait()
}

// flip writes an answer as another process would: the race detector knows
// nothing of this memory.
func flip(to, from *answerSlot) {
	t, f := (*[answerSize / 8]uint64)(unsafe.Pointer(to)), (*[answerSize / 8]uint64)(unsafe.Pointer(from))
	for i := range t {
		atomic.StoreUint64(&t[i], f[i])
	}
}

// TestNeverReads: a worker that answers without reading cannot make the host
// wait for room.
func TestNeverReads(t *testing.T) {
	h, a := attack(t, 1)
	qs, as := questions(1), make([]Answer, 1)
	for n := uint32(1); ; n++ {
		a.answer(t, n, 1)
		err := h.Exchange(qs, as, patience())
		if err == nil {
			continue
		}
		if !errors.Is(err, ErrProtocol) || !strings.Contains(err.Error(), "without reading") {
			t.Errorf("%v, not %v", err, ErrProtocol)
		}
		return
	}
}

// TestFlood: a worker that sends more than it was asked for is found out at
// the next batch, and cannot fill the host's memory.
func TestFlood(t *testing.T) {
	h, a := attack(t, 1)
	a.answer(t, 1, 1)
	for range 10_000 {
		a.say(t, datagram(1, 1))
	}
	qs, as := questions(1), make([]Answer, 1)
	if err := h.Exchange(qs, as, patience()); err != nil {
		t.Error(err)
	}
	if err := h.Exchange(qs, as, patience()); !errors.Is(err, ErrProtocol) {
		t.Errorf("%v, not %v", err, ErrProtocol)
	}
}

func TestMemoryCannotShrink(t *testing.T) {
	h, a := attack(t, 4)
	size := int64(memorySize(4))
	for name, err := range map[string]error{
		"shrunk": unix.Ftruncate(a.memfd, 0),
		"grown":  unix.Ftruncate(a.memfd, 2*size),
		"sealed": addSeals(a.memfd, unix.F_SEAL_WRITE),
	} {
		if !errors.Is(err, unix.EPERM) {
			t.Errorf("%s: %v, not %v", name, err, unix.EPERM)
		}
	}
	a.answer(t, 1, 2)
	if err := unix.Fallocate(a.memfd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, 0, size); err != nil {
		t.Fatal(err)
	}
	if err := h.Exchange(questions(2), make([]Answer, 2), patience()); !errors.Is(err, ErrProtocol) {
		t.Errorf("with a hole for a memory: %v, not %v", err, ErrProtocol)
	}
	h.Running()
}

func addSeals(fd, seals int) error {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, seals)
	return err
}

// TestQuestionsCannotBeForged: what a worker does to the part of the memory that
// the host writes reaches nobody.
func TestQuestionsCannotBeForged(t *testing.T) {
	h, a := attack(t, 2)
	for i := range a.memory.bytes {
		a.memory.bytes[i] = 0xff
	}
	qs, as := questions(2), make([]Answer, 2)
	qs[1].Kind, qs[1].Gaps = GapsNew, &policy.Gaps{Unit: 7}
	event, gaps := qs[1].Event, *qs[1].Gaps
	a.answer(t, 1, 2)
	if err := h.Exchange(qs, as, patience()); err != nil {
		t.Fatal(err)
	}
	if qs[1].Event != event || *qs[1].Gaps != gaps {
		t.Error("a question has changed")
	}
	if as[0].Reply != 0 || as[1].Reply != 1 {
		t.Errorf("answers %+v", as)
	}
	if n := h.Fit(qs); n != 2 {
		t.Errorf("%d questions fit, not 2", n)
	}
}

func TestRunningIsNoIndexOfTheWorkers(t *testing.T) {
	h, a := attack(t, 4)
	a.answer(t, 1, 2)
	if err := h.Exchange(questions(2), make([]Answer, 2), patience()); err != nil {
		t.Fatal(err)
	}
	for word, index := range map[uint64]int{
		0: -1, 1: -1, 1 << 32: -1, 1<<32 + 1: 0, 1<<32 + 2: 1, 1<<32 + 3: -1, 2<<32 + 1: -1, 1<<64 - 1: -1, 1<<32 + 1<<32 - 1: -1,
	} {
		a.memory.header().running.Store(word)
		if i, ok := h.Running(); ok != (index >= 0) || ok && i != index {
			t.Errorf("word %#x: question %d (%v), not %d", word, i, ok, index)
		}
	}
}

// TestDescriptorsSentAreDropped: the host takes no descriptor off a worker.
func TestDescriptorsSentAreDropped(t *testing.T) {
	h, a := attack(t, 2)
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	before := descriptors(t)
	a.memory.answer(0).put(1, &Answer{})
	a.sayWith(t, datagram(1, 1), unix.UnixRights(int(null.Fd()), int(null.Fd()), int(null.Fd())))
	if err := h.Exchange(questions(1), make([]Answer, 1), patience()); err != nil {
		t.Error(err)
	}
	if after := descriptors(t); after != before {
		t.Errorf("%d descriptors, and %d before", after, before)
	}
}
