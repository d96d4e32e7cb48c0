package idle

import (
	"errors"
	"fmt"
	"testing"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// Among thousands of others' connections, a tenant's own are found.
func TestRoomIsMadeAmongMany(t *testing.T) {
	g := still(t)
	for range 3000 {
		if err := guest(g, NewAccount("other", decide(native), nil, policy.Timeouts{}, policy.Limits{}), 1).Admit(nil); err != nil {
			t.Fatal(err)
		}
	}
	a := NewAccount("acme", decide(native), nil, policy.Timeouts{}, policy.Limits{Connections: 2})
	var conns []*Conn
	for range 4 {
		c := guest(g, a, 1)
		if err := c.Admit(nil); err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
		for _, c := range conns[:len(conns)-1] {
			if r, ending := c.Ending(); ending && r == policy.ReasonPressure {
				c.Close()
			}
		}
	}
	if a.Open() != 2 {
		t.Errorf("%d open", a.Open())
	}
	for i, c := range conns {
		if _, ending := c.Ending(); ending != (i < 2) {
			t.Errorf("connection %d: ended %v", i, ending)
		}
	}
}

// A connection is no room for itself.
func TestNobodyMakesRoomForItself(t *testing.T) {
	g := still(t)
	a := NewAccount("acme", decide(native), nil, policy.Timeouts{}, policy.Limits{Connections: 1})
	busy := guest(g, a, 1)
	if err := busy.Admit(nil); err != nil {
		t.Fatal(err)
	}
	busy.Begin(0, false)
	for range 20 {
		c := guest(g, a, 1)
		if err := c.Admit(nil); !errors.Is(err, ErrRefused) {
			t.Fatal("admitted:", err)
		}
		c.Close()
	}
}

func TestWhoFillsTheHostMakesRoom(t *testing.T) {
	g := New(Config{Shards: 2, ParkAfter: -1, Linger: -1, Limit: 40})
	t.Cleanup(func() { g.Close() })
	var accounts []*Account
	for i := range 6 {
		accounts = append(accounts, NewAccount(fmt.Sprint("t", i), decide(native), nil, policy.Timeouts{}, policy.Limits{}))
	}
	admit := func(a *Account) {
		t.Helper()
		if err := guest(g, a, 1).Admit(nil); err != nil {
			t.Fatal(err)
		}
		g.Each(func(c *Conn) bool {
			if _, ending := c.Ending(); ending {
				c.Close()
			}
			return true
		})
	}
	for _, a := range accounts[1:5] {
		admit(a)
	}
	for range 50 {
		admit(accounts[0])
	}
	admit(accounts[5])
	for i, a := range accounts {
		if want := map[bool]int{true: 35, false: 1}[i == 0]; a.Open() != want {
			t.Errorf("%s has %d, want %d", a.Name, a.Open(), want)
		}
	}
	for _, a := range accounts {
		for _, c := range ConnsAfter(0, 0, a) {
			c.SetPhase(abi.PhaseHeader)
		}
	}
	if err := guest(g, accounts[5], 1).Admit(nil); !errors.Is(err, ErrRefused) {
		t.Error("all are busy:", err)
	}
}
