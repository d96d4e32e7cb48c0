package policy

import (
	"errors"
	"strconv"
)

// guest is a policy behind the ABI: the memory that the host writes to and
// what answers its calls. A module has one, of which the exports are the
// thin outside.
type guest struct {
	event  Event
	params [4096]byte

	// Set by register, then constant.
	policy Policy
	close  Closer     // nil where the policy is none
	conf   Configurer // nil where the policy is none
	state  []byte
	format int64
}

func (g *guest) register(p Policy) error {
	if p == nil {
		return errors.New("policy: Register(nil)")
	}
	if g.policy != nil {
		return errors.New("policy: Register called twice")
	}
	if s, ok := p.(Stateful); ok {
		g.state = s.State()
	}
	if err := checkState(g.state); err != nil {
		return err
	}
	if f, ok := p.(Formatted); ok {
		g.format = f.StateFormat()
	}
	g.close, _ = p.(Closer)
	g.conf, _ = p.(Configurer)
	g.policy = p
	return nil
}

// accept, timeout and closed are on the hot path and allocate nothing
// (TestGuestAllocates).
func (g *guest) accept() int64 {
	g.event.Begin()
	return g.policy.Accept(&g.event).pack(g.event.leased)
}

func (g *guest) timeout() int64 {
	g.event.Begin()
	return g.policy.Timeout(&g.event).pack(g.event.leased)
}

func (g *guest) closed() {
	if g.close != nil {
		g.event.Begin()
		g.close.Close(&g.event)
	}
}

// configure hands the first n bytes of params to the policy.
func (g *guest) configure(n int32) error {
	if g.policy == nil {
		return errors.New("no policy: call Register in an init function")
	}
	if n < 0 || int(n) > len(g.params) {
		return errors.New("parameters are longer than " + strconv.Itoa(len(g.params)) + " bytes")
	}
	params, err := parseParams(string(g.params[:n]))
	if err != nil {
		return err
	}
	if g.conf != nil {
		return g.conf.Configure(params)
	}
	for key := range params {
		return errors.New("unknown parameter " + strconv.Quote(key) + ": this policy takes none")
	}
	return nil
}

// fits reports whether n bytes of parameters find room.
func (g *guest) fits(n int32) bool { return n >= 0 && int(n) <= len(g.params) }
