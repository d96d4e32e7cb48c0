package channel

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// Worker is the worker's end of a channel. It trusts the host. One goroutine
// uses it; were it locked to a thread, Next would take twice the time, because the
// scheduler would hand it over from the thread that waits.
type Worker struct {
	sock   *socket
	memory memory
	batch  Batch
	buf    [datagramSize]byte
}

// Batch is the questions that came together. It is valid until Done.
type Batch struct {
	memory *memory
	number uint32
	n      int
	at     int // the question that runs, or -1
}

// Attach opens the worker's end with the files of Host.ChildFiles, which from
// now on are the Worker's.
func Attach(sock, mem *os.File) (*Worker, error) {
	w := &Worker{}
	err := w.attach(mem)
	if err == nil {
		w.sock, err = newSocket(sock)
	}
	if err != nil {
		sock.Close()
		w.Close()
		return nil, fmt.Errorf("channel: attach: %w", err)
	}
	return w, nil
}

func (w *Worker) attach(mem *os.File) error {
	defer mem.Close()
	info, err := mem.Stat()
	if err != nil {
		return err
	}
	if info.Size() < headerSize {
		return fmt.Errorf("a memory of %d bytes", info.Size())
	}
	if w.memory.bytes, err = mapMemory(mem, int(info.Size())); err != nil {
		return err
	}
	slots := w.memory.header().slots
	if slots < 1 || slots > MaxSlots || int64(memorySize(int(slots))) != info.Size() {
		return fmt.Errorf("a memory of %d bytes for %d slots", info.Size(), slots)
	}
	w.memory.slots = int(slots)
	w.batch.memory = &w.memory
	return nil
}

// Next waits for a batch. It returns io.EOF when the host has closed.
func (w *Worker) Next() (*Batch, error) {
	got, err := w.sock.receive(w.buf[:])
	if errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	if err != nil {
		return nil, fmt.Errorf("channel: next batch: %w", err)
	}
	number, n := takeDatagram(w.buf[:])
	if got != datagramSize || n > uint32(w.memory.slots) {
		return nil, fmt.Errorf("channel: a datagram of %d bytes for %d questions", got, n)
	}
	w.batch.number, w.batch.n = number, int(n)
	w.batch.enter(-1)
	return &w.batch, nil
}

// Done tells the host that every question of the batch is answered.
func (w *Worker) Done() error {
	w.batch.enter(-1)
	putDatagram(&w.buf, w.batch.number, w.batch.n)
	if err := w.sock.send(w.buf[:]); err != nil {
		return fmt.Errorf("channel: answers: %w", err)
	}
	return nil
}

// Start tells the host that an instance of a guest is about to be made, or that it
// has been. It may be called beside the rest, from one goroutine.
func (w *Worker) Start(guest uint32, begins bool) {
	now := uint64(0)
	if begins {
		now = uint64(guest) + 1
	}
	w.memory.header().starting.Store(now)
}

// Close ends the worker's end. Nothing else may be under way.
func (w *Worker) Close() error {
	if w.memory.bytes != nil {
		unmapMemory(w.memory.bytes)
		w.memory.bytes = nil
	}
	if w.sock == nil {
		return nil
	}
	return w.sock.close()
}

// Len is the number of questions.
func (b *Batch) Len() int { return b.n }

// Question reads question i.
func (b *Batch) Question(i int, q *Question) {
	slot := b.memory.question(i)
	slot.take(q)
	q.Gaps = nil
	if q.Kind == GapsNew {
		q.Gaps = &b.memory.gaps(int(slot.gaps - uint32(GapsNew))).gaps
	}
}

// Begin tells the host that question i runs from now on.
func (b *Batch) Begin(i int) { b.enter(i) }

// Answer writes the answer to question i, which runs no more.
func (b *Batch) Answer(i int, a *Answer) {
	b.memory.answer(i).put(b.number, a)
	if i == b.at {
		b.enter(-1)
	}
}

func (b *Batch) enter(i int) {
	b.at = i
	b.memory.header().running.Store(uint64(b.number)<<32 | uint64(uint32(i+1)))
}
