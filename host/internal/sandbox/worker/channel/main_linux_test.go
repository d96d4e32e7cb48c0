package channel

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"idlehost/host/internal/policy"
)

// serveEntry is the argument with which the test binary becomes a worker, and
// burnEntry the one with which it takes a processor.
const (
	serveEntry = "serve-channel"
	burnEntry  = "burn-processor"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 2 {
		switch os.Args[1] {
		case serveEntry:
			os.Exit(serveProcess())
		case burnEntry:
			for n := 0; ; n++ {
			}
		}
	}
	os.Exit(m.Run())
}

func serveProcess() int {
	w, err := Attach(os.NewFile(3, "sock"), os.NewFile(4, "memory"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if err := serve(w); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// serve answers with echo until the host closes.
func serve(w *Worker) error {
	var q Question
	for {
		b, err := w.Next()
		if err != nil {
			return orNil(err)
		}
		for i := range b.Len() {
			b.Begin(i)
			b.Question(i, &q)
			switch q.Guest {
			case deadlyGuest:
				os.Exit(3)
			case endlessGuest:
				select {}
			}
			a := echo(&q)
			b.Answer(i, &a)
		}
		if err := w.Done(); err != nil {
			return orNil(err)
		}
	}
}

// The guests of a worker under test that do not answer.
const (
	deadlyGuest  = 1 << 30
	endlessGuest = 1<<30 + 1
)

// echo is the answer of a guest that does nothing: parts of the question.
func echo(q *Question) Answer {
	a := Answer{Reply: q.Event.Conn, State: q.Event.State, Leases: q.Event.Leases, Fuel: uint64(q.Guest), Time: time.Duration(q.Kind)}
	if q.Gaps != nil {
		a.Fuel += uint64(q.Gaps.Cut[len(q.Gaps.Cut)-1])
	}
	return a
}

// process is a worker in a process of its own.
type process struct {
	*Host
	cmd *exec.Cmd
}

func startProcess(t testing.TB, slots int) *process {
	t.Helper()
	h, err := Open(slots)
	if err != nil {
		t.Fatal(err)
	}
	sock, mem := h.ChildFiles()
	defer sock.Close()
	defer mem.Close()
	p := &process{Host: h, cmd: exec.Command(os.Args[0], serveEntry)}
	p.cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	p.cmd.ExtraFiles = []*os.File{sock, mem}
	p.cmd.Stderr = os.Stderr
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		h.Close()
		p.cmd.Process.Kill()
		p.cmd.Wait()
	})
	return p
}

// questions returns n questions that are all different.
func questions(n int) []*Question {
	qs := make([]*Question, n)
	for i := range qs {
		q := &Question{Guest: uint32(i), Event: policy.Event{Conn: uint64(i) + 1000}}
		for k := range q.Event.State {
			q.Event.State[k] = uint8(i + k)
		}
		for k := range q.Event.Leases {
			q.Event.Leases[k] = uint32(i * k)
		}
		qs[i] = q
	}
	return qs
}
