package channel

import (
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

func TestCloseWhileExchangeWaits(t *testing.T) {
	h, w := pair(t, 4)
	exchanged := exchange(h, questions(2), make([]Answer, 2))
	b, err := w.Next()
	if err != nil {
		t.Fatal(err)
	}
	b.Begin(1)
	h.Close()
	if err := <-exchanged; !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v, not %v", err, os.ErrClosed)
	}
	if i, ok := h.Running(); ok {
		t.Errorf("question %d of a closed channel runs", i)
	}
	if err := h.Exchange(questions(1), make([]Answer, 1), patience()); !errors.Is(err, os.ErrClosed) {
		t.Errorf("afterwards: %v, not %v", err, os.ErrClosed)
	}
	b.Answer(1, &Answer{})
	if err := w.Done(); !errors.Is(err, io.EOF) {
		t.Errorf("answers to a host that has closed: %v, not %v", err, io.EOF)
	}
	if _, err := w.Next(); err != io.EOF {
		t.Errorf("after the host has closed: %v, not %v", err, io.EOF)
	}
	if err := h.Close(); err != nil {
		t.Error(err)
	}
}

func TestExchangeAfterClose(t *testing.T) {
	h, _ := pair(t, 4)
	h.Close()
	if err := h.Exchange(questions(1), make([]Answer, 1), patience()); !errors.Is(err, os.ErrClosed) {
		t.Errorf("%v, not %v", err, os.ErrClosed)
	}
}

// TestCloseHammer closes at any point of an exchange, and beside Running.
func TestCloseHammer(t *testing.T) {
	for range 200 {
		h, w := pair(t, 2)
		var all sync.WaitGroup
		all.Go(func() {
			if err := serve(w); err != nil {
				t.Error(err)
			}
		})
		began := make(chan struct{})
		all.Go(func() {
			qs, as := questions(2), make([]Answer, 2)
			for n := 0; ; n++ {
				if err := h.Exchange(qs, as, patience()); err != nil {
					if !errors.Is(err, os.ErrClosed) {
						t.Error(err)
					}
					return
				}
				if n == 0 {
					close(began)
				}
			}
		})
		all.Go(func() {
			<-began
			for range 10 {
				h.Running()
			}
		})
		<-began
		h.Close()
		all.Wait()
		w.Close()
	}
}

// TestNothingIsLeftOpen counts descriptors and mappings after every way to the
// end of a channel.
func TestNothingIsLeftOpen(t *testing.T) {
	mustOpen := func() *Host {
		h, err := Open(4)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	round := func() {
		mustOpen().Close() // files not taken

		h := mustOpen() // files taken
		sock, mem := h.ChildFiles()
		h.Close()
		sock.Close()
		mem.Close()

		h = mustOpen() // attached
		w, err := Attach(h.ChildFiles())
		if err != nil {
			t.Fatal(err)
		}
		h.Close()
		w.Close()

		h = mustOpen() // not attached, as it should not be
		sock, mem = h.ChildFiles()
		h.memory.header().slots = 5
		if _, err := Attach(sock, mem); err == nil {
			t.Error("a worker attaches to a memory of another size")
		}
		h.Close()
	}
	round() // what is opened once
	files, maps := descriptors(t), mappings(t)
	for range 20 {
		round()
	}
	if n := descriptors(t); n != files {
		t.Errorf("%d descriptors, and %d before", n, files)
	}
	if n := mappings(t); n != maps {
		t.Errorf("%d mappings, and %d before", n, maps)
	}
}

func TestAttachRefuses(t *testing.T) {
	for name, change := range map[string]func(*Host, *os.File) *os.File{
		"no slots":   func(h *Host, mem *os.File) *os.File { h.memory.header().slots = 0; return mem },
		"many slots": func(h *Host, mem *os.File) *os.File { h.memory.header().slots = 1 << 60; return mem },
		"other size": func(h *Host, mem *os.File) *os.File { h.memory.header().slots = 3; return mem },
		"no memory": func(_ *Host, mem *os.File) *os.File {
			mem.Close()
			fd, err := unix.MemfdCreate("small", unix.MFD_CLOEXEC)
			if err != nil {
				t.Fatal(err)
			}
			return os.NewFile(uintptr(fd), "small")
		},
		"closed": func(_ *Host, mem *os.File) *os.File { mem.Close(); return mem },
	} {
		t.Run(name, func(t *testing.T) {
			h := openHost(t, 4)
			sock, mem := h.ChildFiles()
			mem = change(h, mem)
			if _, err := Attach(sock, mem); err == nil {
				t.Error("no error")
			}
			if err := h.Exchange(questions(1), make([]Answer, 1), patience()); !errors.Is(err, ErrGone) {
				t.Errorf("the host hears %v, not %v", err, ErrGone)
			}
		})
	}
}

// TestChildFilesAreHandedOverOnce, so that nobody closes what is another's.
func TestChildFilesAreHandedOverOnce(t *testing.T) {
	h := openHost(t, 1)
	sock, mem := h.ChildFiles()
	defer sock.Close()
	defer mem.Close()
	if s, m := h.ChildFiles(); s != nil || m != nil {
		t.Error("they are handed over twice")
	}
	h.Close()
	if _, err := mem.Stat(); err != nil {
		t.Errorf("Close has closed what was handed over: %v", err)
	}
}

// TestProcessEndsWithItsHost: a worker sees that its host is no more.
func TestProcessEndsWithItsHost(t *testing.T) {
	p := startProcess(t, 1)
	if err := p.Exchange(questions(1), make([]Answer, 1), patience()); err != nil {
		t.Fatal(err)
	}
	p.Close()
	if err := p.cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(files)
}

func mappings(t *testing.T) int {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(maps), "idlehost-channel")
}
