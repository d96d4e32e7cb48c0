package tenants

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"idlehost/host/internal/sandbox/hostile"
)

// An alliance is many tenants of one attacker, which share a worker with the
// neighbour: each has its own quota, and they attack at once.
const (
	allies     = 24
	allysConns = 4
)

// allied are the attacks that gain by company: time that fuel does not tell,
// instances that are lost at once and made anew, lines of the log and learned
// state that go to the host, and memory.
var allied = []string{
	"fitted-additions", "fitted-chain", "fitted-stores", "loop-in-every-hook", "grow-to-the-cap-and-trap",
	"log-burst", "log-large", "state-at-the-cap", "exit-at-accept", "initialize-deep",
}

// alliance plays an attack by many tenants. It counts as refused where one of
// them is.
func alliance(a hostile.Attack) played {
	return played{a.Name + "/allied", "alliance", func(s *attackBench, b *testing.B, tenant string) (turn, error) {
		var names, hosts []string
		gone := func() {
			for _, name := range names {
				s.dismiss(b, name)
			}
		}
		for i := range allies {
			name := fmt.Sprintf("%s-%d", tenant, i)
			names, hosts = append(names, name), append(hosts, name+".example")
			s.settle(b, name)
			err := s.tryPromote(name, disguised(a, coming), a.Params)
			if err != nil {
				err = s.tryPromote(name, a.Wasm(), a.Params)
			}
			if err != nil {
				gone()
				return nil, err
			}
		}
		traffic := s.trafficOf(strings.Join(hosts, ","), allysConns, coming)
		return func(b *testing.B) func() string {
			died := s.died(b)
			end := traffic(b)
			return func() string {
				says := fmt.Sprintf("%d tenants, of the first %s", allies, s.outcome(b, names[0], died))
				end()
				gone()
				return says
			}
		}, nil
	}}
}

// alliances returns those of the attacks that are played by many tenants.
func alliances(all []hostile.Attack) (list []played) {
	for _, a := range all {
		if slices.Contains(allied, a.Name) {
			list = append(list, alliance(a))
		}
	}
	return list
}

// reload puts one of two policies in charge, and then the other, each of which is
// loaded at once for the connections that there are.
func (a *actor) reload(ctx context.Context) {
	digests := [2]string{}
	for i := range digests {
		wasm := smallOne(200 + i)
		a.push(ctx, wasm)
		digests[i] = digestOf(wasm)
	}
	for n := 0; ctx.Err() == nil; n++ {
		a.call(ctx, "POST", "/rollout/promote", a.token, "application/json", fmt.Appendf(nil, `{"digest":%q}`, digests[n%2]))
	}
}

// flip has all connections asked by one version, and then by the other.
func (a *actor) flip(ctx context.Context) {
	wasm := smallOne(300)
	a.push(ctx, wasm)
	for n := 0; ctx.Err() == nil; n++ {
		step := fmt.Appendf(nil, `{"digest":%q,"percent":%d}`, digestOf(wasm), 1+n%2*99)
		a.call(ctx, "POST", "/rollout/canary", a.token, "application/json", step)
	}
}
