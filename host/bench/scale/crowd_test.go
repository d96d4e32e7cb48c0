package scale

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"idlehost/host/e2e/hosttest"
	"idlehost/host/internal/books"
	"idlehost/host/internal/config"
	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/host/internal/sandbox/compile"
	"idlehost/host/internal/sandbox/engine"
	"idlehost/host/internal/sandbox/worker"
	"idlehost/host/internal/sandbox/worker/child"
	"idlehost/host/internal/tenant"
	"idlehost/plugins"
	"idlehost/sdk/abi"
)

// round is what it took when all deadlines fell.
type round struct {
	Put   time.Duration // until the last question was put
	Wall  time.Duration // until the last answer was applied
	Guest time.Duration // that guests in a worker took
	CPU   time.Duration // of this process and its workers
	Lost  int64         // questions that came to a fault
}

// crowd is a host whose connections are due at once, again and again.
type crowd struct {
	governor *idle.Governor
	members  []*member
	due      atomic.Int64 // Unix time in ns, when all deadlines fall

	first, put, last     atomic.Int64 // Unix times in ns
	asked, applied, lost atomic.Int64
}

// member is one of the tenants.
type member struct {
	crowd   *crowd
	account *idle.Account
	tenant  *tenant.Tenant
	apart   *worker.Guest // nil: its policy is in this process
}

// apart is a policy in a worker as a tenant has it.
type apart struct{ *worker.Guest }

func (g apart) Ask(ask *policy.Ask, to tenant.Answerer) { g.Guest.Ask(ask, to) }

func (g apart) Learned() policy.State { return g.Guest.Learned() }

// Decide lets the policy decide, and has the deadline fall with all others.
func (m *member) Decide(q *policy.Ask) policy.Verdict {
	c, next := m.crowd, time.Unix(0, m.crowd.due.Load())
	if isTimeout(q) {
		c.first.CompareAndSwap(0, time.Now().UnixNano())
		next = next.Add(dueEvery)
	}
	l := &later{crowd: c, to: q.Reply, deadline: time.Until(next)}
	q.Reply = l
	v := m.tenant.Decide(q)
	q.Reply = l.to
	if isTimeout(q) && c.asked.Add(1) == dueConns {
		c.put.Store(time.Now().UnixNano())
	}
	if v.Source != policy.SourcePending {
		l.meant(&v)
		c.answered(q, v)
	}
	return v
}

// later takes the answer that does not come inside the call.
type later struct {
	crowd    *crowd
	to       policy.Replier
	deadline time.Duration
}

// Answered passes it on.
func (l *later) Answered(q *policy.Ask, v policy.Verdict) {
	l.meant(&v)
	l.to.Answered(q, v)
	l.crowd.answered(q, v)
}

func (l *later) meant(v *policy.Verdict) {
	v.Action, v.Deadline, v.Leases = abi.ActionExtend, l.deadline, false
}

func (c *crowd) answered(q *policy.Ask, v policy.Verdict) {
	if v.Fault != policy.FaultNone {
		c.lost.Add(1)
	}
	if isTimeout(q) && c.applied.Add(1) == dueConns {
		c.last.Store(time.Now().UnixNano())
	}
}

func isTimeout(q *policy.Ask) bool { return policy.Kind(q.Event.Kind) == abi.KindTimeout }

// Wake implements idle.Sleeper: only the end of the clients wakes anything.
func (c *crowd) Wake(conn *idle.Conn) { conn.Close() }

// Finish closes.
func (c *crowd) Finish(conn *idle.Conn, _ policy.Reason) { conn.Close() }

// serveDue governs dueConns connections of some tenants to the address that it
// prints, and prints what each round has taken. The policies are in this process,
// or where == "worker"; code is a folder for compiled code.
func serveDue(tenants, where, code string) (err error) {
	n, err := strconv.Atoi(tenants)
	if err != nil {
		return err
	}
	ctx := context.Background()
	compiler, err := compile.New(ctx, compile.Config{Argv: []string{os.Args[0], beCompiler}, Dir: code})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, compiler.Close()) }()
	e, err := engine.New(ctx, engine.Config{Compiler: compile.Loader{Compiler: compiler}, FuelPerSecond: 1 << 40})
	if err != nil {
		return err
	}
	program := &worker.Program{
		Argv:     []string{os.Args[0], hosttest.WorkerArg},
		Settings: func() child.Settings { return child.Settings{Code: compiler.Dir(), MemoryPages: 128} },
	}
	pool := worker.New(worker.Config{Engine: e, Start: program.Start, Shared: 1})
	defer pool.Close()
	c := &crowd{governor: idle.New(idle.Config{})}
	defer c.governor.Close()
	for i := range n {
		if err := c.add(ctx, e, pool, fmt.Sprintf("t%d", i), where); err != nil {
			return err
		}
	}
	if err := c.hold(); err != nil {
		return err
	}
	for range dueRounds {
		r, err := c.measure()
		if err != nil {
			return err
		}
		if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
			return err
		}
	}
	return nil
}

// inCharge is the plan of a guest that answers alone.
func inCharge(g tenant.Guest) tenant.Plan {
	return tenant.Plan{Active: &tenant.RoleVersion{Version: tenant.Version{Digest: g.Digest()}, Guest: g}}
}

// add makes a tenant.
func (c *crowd) add(ctx context.Context, e *engine.Engine, pool *worker.Pool, name, where string) error {
	cfg := config.Default()
	m := &member{crowd: c, tenant: tenant.New(tenant.Config{Name: name})}
	wasm, _ := plugins.Lookup("adaptive")
	src := engine.Source{Name: "adaptive", Wasm: wasm}
	if where == "worker" {
		g, err := pool.Load(ctx, src, worker.Options{Tenant: name})
		if err != nil {
			return err
		}
		m.apart = g
		m.tenant.Set(inCharge(apart{g}))
	} else {
		p, err := e.Load(ctx, src)
		if err != nil {
			return err
		}
		m.tenant.Set(inCharge(guest{p}))
	}
	m.account = idle.NewAccount(name, m, books.New(books.Config{Clients: 1024}), cfg.Timeouts.Accepted(), cfg.DialledLimits())
	c.members = append(c.members, m)
	return nil
}

// hold accepts and parks all connections, which belong to the tenants in turn.
func (c *crowd) hold() error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer ln.Close()
	c.due.Store(time.Now().Add(5*time.Second + dueConns*500*time.Microsecond).UnixNano())
	fmt.Println(ln.Addr())
	for i := range dueConns {
		nc, err := ln.Accept()
		if err != nil {
			return err
		}
		conn := c.governor.Govern(nc, c.members[i%len(c.members)].account, abi.SideAccepted)
		conn.SetProtocol(abi.ProtocolHTTP1)
		if err := conn.Admit(nil); err != nil {
			return err
		}
		if !conn.Park(c) {
			return errors.New("a connection does not park")
		}
	}
	if c.first.Load() != 0 {
		return errors.New("the deadlines fell before all were open")
	}
	return nil
}

// measure waits for the deadlines, and for the answers.
func (c *crowd) measure() (r round, err error) {
	due := time.Unix(0, c.due.Load())
	time.Sleep(time.Until(due) - 50*time.Millisecond)
	times, err := workerTimes()
	if err != nil {
		return r, err
	}
	guest, cpu := c.guests(), used()
	for limit := due.Add(time.Minute); c.last.Load() == 0; time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			return r, fmt.Errorf("%d questions put, %d answered", c.asked.Load(), c.applied.Load())
		}
	}
	cpu = used() - cpu
	after, err := workerTimes()
	if err != nil {
		return r, err
	}
	first := c.first.Load()
	r = round{
		Put: time.Duration(c.put.Load() - first), Wall: time.Duration(c.last.Load() - first),
		Guest: c.guests() - guest, CPU: cpu + after.Since(times), Lost: c.lost.Load(),
	}
	c.due.Store(due.Add(dueEvery).UnixNano())
	for _, n := range []*atomic.Int64{&c.first, &c.put, &c.last, &c.asked, &c.applied, &c.lost} {
		n.Store(0)
	}
	return r, nil
}

// guests is the processor time that guests in workers have taken.
func (c *crowd) guests() (sum time.Duration) {
	for _, m := range c.members {
		if m.apart != nil {
			sum += m.apart.Stats().CPU
		}
	}
	return sum
}

// workerTimes is what the workers of this process have used.
func workerTimes() (hosttest.Times, error) {
	workers, err := hosttest.Workers(os.Getpid())
	if err != nil {
		return nil, err
	}
	t := hosttest.Times{}
	for _, pid := range workers {
		if t[pid], err = hosttest.CPU(pid); err != nil {
			return nil, err
		}
	}
	return t, nil
}
