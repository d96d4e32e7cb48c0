package channel

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Host is the host's end of a channel to one worker.
type Host struct {
	sock *socket
	out  atomic.Uint64 // the last batch sent: its number in the upper half, its length in the lower

	exchange sync.Mutex // guards the following fields; held while a batch is out
	batch    uint32     // number of the last batch
	broken   error      // why there are no more batches
	send     [datagramSize]byte
	receive  [datagramSize + 1]byte // one byte more than is right, to tell a datagram that is too long

	mapped  sync.RWMutex // held for reading by who looks at memory
	memory  memory       // without bytes once closed
	started uint64       // what header.starting was then
	closing sync.Once

	childSock, childMem *os.File // until ChildFiles
}

// Open makes a channel for batches of up to slots questions. Where the system
// has no means for one, the error is errors.ErrUnsupported.
func Open(slots int) (*Host, error) {
	if slots < 1 || slots > MaxSlots {
		return nil, fmt.Errorf("channel: %d slots, not 1 to %d", slots, MaxSlots)
	}
	h := &Host{memory: memory{slots: slots}}
	if err := h.open(); err != nil {
		h.Close()
		return nil, fmt.Errorf("channel: %w", err)
	}
	h.memory.header().slots = uint64(slots)
	return h, nil
}

func (h *Host) open() (err error) {
	size := memorySize(h.memory.slots)
	if h.childMem, err = newMemory(size); err != nil {
		return err
	}
	if h.memory.bytes, err = mapMemory(h.childMem, size); err != nil {
		return err
	}
	var sock *os.File
	if sock, h.childSock, err = socketPair(); err != nil {
		return err
	}
	h.sock, err = newSocket(sock)
	return err
}

// ChildFiles returns what the worker is to Attach, once. They are the caller's,
// who closes both as soon as the worker has them: while the host holds the
// worker's socket, it does not see the worker end.
func (h *Host) ChildFiles() (sock, mem *os.File) {
	sock, mem = h.childSock, h.childMem
	h.childSock, h.childMem = nil, nil
	return sock, mem
}

// Fit says how many of the questions, from the first, go into one batch.
func (h *Host) Fit(questions []*Question) int {
	n, gaps := min(len(questions), h.memory.slots), 0
	for i, q := range questions[:n] {
		if q.Kind != GapsNew {
			continue
		}
		if gaps++; gaps > gapSlots(h.memory.slots) {
			return i
		}
	}
	return n
}

// Exchange sends a batch, waits for its answers and writes them to answers, in
// the order of the questions. It waits until the deadline; the zero time means
// none. After an error nothing in answers is worth anything, and every later
// Exchange returns the error, too.
func (h *Host) Exchange(questions []*Question, answers []Answer, deadline time.Time) error {
	if n := h.Fit(questions); n < len(questions) || n == 0 || len(answers) < n {
		panic(fmt.Sprintf("channel: BUG: a batch of %d questions, of which %d fit, with room for %d answers", len(questions), n, len(answers)))
	}
	h.exchange.Lock()
	defer h.exchange.Unlock()
	if h.broken != nil {
		return h.broken
	}
	h.batch++
	if err := h.run(questions, answers, deadline); err != nil {
		h.broken = fmt.Errorf("channel: batch %d: %w", h.batch, err)
	}
	return h.broken
}

func (h *Host) run(questions []*Question, answers []Answer, deadline time.Time) error {
	if err := h.put(questions); err != nil {
		return err
	}
	if err := h.call(len(questions), deadline); err != nil {
		return err
	}
	return h.take(questions, answers)
}

// put writes the questions to the memory.
func (h *Host) put(questions []*Question) error {
	h.mapped.RLock()
	defer h.mapped.RUnlock()
	if h.memory.bytes == nil {
		return os.ErrClosed
	}
	gaps := 0
	for i, q := range questions {
		slot := h.memory.question(i)
		slot.put(q)
		if q.Kind == GapsNew {
			h.memory.gaps(gaps).gaps = *q.Gaps
			slot.gaps += uint32(gaps)
			gaps++
		}
	}
	return nil
}

// call wakes the worker and waits for it.
func (h *Host) call(n int, deadline time.Time) error {
	if err := h.sock.deadline(deadline); err != nil {
		return err
	}
	putDatagram(&h.send, h.batch, n)
	h.out.Store(uint64(h.batch)<<32 | uint64(n))
	if err := h.sock.send(h.send[:]); err != nil {
		return gone(err)
	}
	got, err := h.sock.receive(h.receive[:])
	if err != nil {
		return gone(err)
	}
	if got != datagramSize {
		return fmt.Errorf("%w: a datagram of another size than %d bytes", ErrProtocol, datagramSize)
	}
	if batch, k := takeDatagram(h.receive[:]); batch != h.batch || k != uint32(n) {
		return fmt.Errorf("%w: %d answers to batch %d, not %d to batch %d", ErrProtocol, k, batch, n, h.batch)
	}
	return nil
}

// gone says in the package's words how a worker has ended the channel.
func gone(err error) error {
	switch {
	case errors.Is(err, io.EOF):
		return ErrGone
	case errors.Is(err, syscall.EAGAIN):
		return fmt.Errorf("%w: it answers without reading", ErrProtocol)
	}
	return err
}

// take reads the answers. Its indices are the host's own.
func (h *Host) take(questions []*Question, answers []Answer) error {
	h.mapped.RLock()
	defer h.mapped.RUnlock()
	if h.memory.bytes == nil {
		return os.ErrClosed
	}
	for i, q := range questions {
		slot := copyOf(h.memory.answer(i))
		if err := slot.take(h.batch, &answers[i]); err != nil {
			return fmt.Errorf("%w: question %d, of guest %d: %w", ErrProtocol, i, q.Guest, err)
		}
	}
	return nil
}

// Running returns the index of the question that the worker says it is at, of
// the last batch that was sent. The worker may lie, and go on while this is
// read; it is for finding who spoiled a worker that has ended.
func (h *Host) Running() (index int, ok bool) {
	h.mapped.RLock()
	defer h.mapped.RUnlock()
	if h.memory.bytes == nil {
		return 0, false
	}
	at, out := h.memory.header().running.Load(), h.out.Load()
	if at>>32 != out>>32 || uint32(at) == 0 || uint32(at) > uint32(out) {
		return 0, false
	}
	return int(uint32(at)) - 1, true
}

// Starting returns the guest of which the worker says that it makes an instance,
// after Close that of then. Running has the same purpose.
func (h *Host) Starting() (guest uint32, ok bool) {
	h.mapped.RLock()
	defer h.mapped.RUnlock()
	n := h.started
	if h.memory.bytes != nil {
		n = h.memory.header().starting.Load()
	}
	return uint32(n - 1), n > 0 && n <= 1<<32
}

// Close ends the channel, and an Exchange that waits, which returns
// os.ErrClosed. The worker sees its end.
func (h *Host) Close() error {
	h.closing.Do(h.close)
	return nil
}

func (h *Host) close() {
	if h.sock != nil {
		h.sock.close()
	}
	for _, f := range []*os.File{h.childSock, h.childMem} {
		if f != nil {
			f.Close()
		}
	}
	h.mapped.Lock()
	defer h.mapped.Unlock()
	if h.memory.bytes != nil {
		h.started = h.memory.header().starting.Load()
		unmapMemory(h.memory.bytes)
		h.memory.bytes = nil
	}
}
