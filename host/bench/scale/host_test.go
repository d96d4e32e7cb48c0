package scale

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"idlehost/host/internal/books"
	"idlehost/host/internal/config"
	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/tenant"
	"idlehost/plugins"
	"idlehost/sdk/abi"
)

// figures are what a host has measured.
type figures struct {
	Bytes     float64       `json:"bytes"`      // of resident memory, a connection
	Goroutine int           `json:"goroutines"` // with all of them parked
	GC        time.Duration `json:"gc"`         // of one forced collection
	AskCPU    time.Duration `json:"ask_cpu"`    // all of them due at once, each asking the policy
	AskWall   time.Duration `json:"ask_wall"`
	WakeCPU   time.Duration `json:"wake_cpu"` // all of them woken at once, read, and parked again
	WakeWall  time.Duration `json:"wake_wall"`
}

// guest is a loaded policy as a tenant has it.
type guest struct{ *engine.Policy }

func (g guest) Learned() policy.State { return g.State() }

// held is a host that holds connections.
type held struct {
	governor *idle.Governor
	account  *idle.Account
	tenant   *tenant.Tenant
	want     int

	due   time.Time // when all deadlines fall
	asked atomic.Int64
	woken atomic.Int64
}

// Decide lets the policy decide, and then has all deadlines fall at once.
func (h *held) Decide(q *policy.Ask) policy.Verdict {
	v := h.tenant.Decide(q)
	switch policy.Kind(q.Event.Kind) {
	case abi.KindAccept:
		v.Action, v.Deadline, v.Leases = abi.ActionExtend, time.Until(h.due), false
	case abi.KindTimeout:
		h.asked.Add(1)
		v.Action, v.Deadline = abi.ActionExtend, time.Hour
	}
	return v
}

// Wake reads what has come, and lets the connection sleep on.
func (h *held) Wake(c *idle.Conn) {
	var b [8]byte
	if n, err := c.Read(b[:]); n == 0 || err != nil {
		c.Close()
		return
	}
	c.Begin(0, false)
	c.End()
	if !c.Park(h) {
		c.Close()
	}
	h.woken.Add(1)
}

// Finish closes.
func (h *held) Finish(c *idle.Conn, _ policy.Reason) { c.Close() }

// host governs count connections to the address that it prints, counts, from a
// line of input on, what it takes to wake, and prints its figures.
func host(count string) error {
	n, err := strconv.Atoi(count)
	if err != nil {
		return err
	}
	ctx := context.Background()
	e, err := engine.New(ctx, engine.Config{})
	if err != nil {
		return err
	}
	wasm, ok := plugins.Lookup("adaptive")
	if !ok {
		return errors.New("no policy is called adaptive")
	}
	p, err := e.Load(ctx, engine.Source{Name: "adaptive", Wasm: wasm})
	if err != nil {
		return err
	}
	c := config.Default()
	h := &held{want: n, tenant: tenant.New(tenant.Config{Name: "scale"}), governor: idle.New(idle.Config{})}
	h.tenant.Set(inCharge(guest{p}))
	h.account = idle.NewAccount("scale", h, books.New(books.Config{Clients: 16384}), c.Timeouts.Accepted(), c.DialledLimits())
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	h.due = time.Now().Add(5*time.Second + time.Duration(n)*500*time.Microsecond)
	fmt.Println(ln.Addr())
	var f figures
	if err := h.hold(ln, &f); err != nil {
		return err
	}
	h.measureDue(&f)
	fmt.Println("held")
	if in := bufio.NewScanner(os.Stdin); in.Scan() {
		fmt.Println("counting")
		h.measureWake(&f)
	}
	return json.NewEncoder(os.Stdout).Encode(f)
}

// hold accepts and parks all connections.
func (h *held) hold(ln net.Listener, f *figures) error {
	before := resident()
	for range h.want {
		nc, err := ln.Accept()
		if err != nil {
			return err
		}
		c := h.governor.Govern(nc, h.account, abi.SideAccepted)
		c.SetProtocol(abi.ProtocolHTTP1)
		if err := c.Admit(nil); err != nil {
			return err
		}
		if !c.Park(h) {
			return errors.New("a connection does not park")
		}
	}
	f.Bytes = float64(resident()-before) / float64(h.want)
	f.Goroutine = runtime.NumGoroutine()
	begin := time.Now()
	runtime.GC()
	f.GC = time.Since(begin)
	if time.Now().After(h.due) {
		return errors.New("the deadlines fell before all were open")
	}
	return nil
}

// measureDue waits for the deadlines.
func (h *held) measureDue(f *figures) {
	time.Sleep(time.Until(h.due) - 50*time.Millisecond)
	f.AskCPU, f.AskWall = spent(func() { h.await(&h.asked) })
	f.AskWall -= 50 * time.Millisecond
}

func (h *held) measureWake(f *figures) {
	f.WakeCPU, f.WakeWall = spent(func() { h.await(&h.woken) })
}

func (h *held) await(counter *atomic.Int64) {
	for limit := time.Now().Add(time.Minute); counter.Load() < int64(h.want) && time.Now().Before(limit); {
		time.Sleep(time.Millisecond)
	}
}

// spent is what the process takes for f.
func spent(f func()) (cpu, wall time.Duration) {
	before, begin := used(), time.Now()
	f()
	return used() - before, time.Since(begin)
}

func used() time.Duration {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// resident is the process's resident memory, once it has given back what it
// does not use.
func resident() int64 {
	debug.FreeOSMemory()
	text, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmRSS:" {
			kb, _ := strconv.ParseInt(f[1], 10, 64)
			return kb << 10
		}
	}
	return 0
}
