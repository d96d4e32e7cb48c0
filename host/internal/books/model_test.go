package books

import (
	"encoding/binary"
	"slices"
	"testing"

	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// model is Books done naively: one client's gaps in a list, weights as whole
// gaps, nothing decays.
type model struct {
	limit   int
	order   []uint64 // most recently used first
	clients map[uint64]*modelClient
	counts  [stageCount][3][abi.Bins]uint64
}

type modelClient struct {
	conns, open, cut, late uint32
	gaps                   []uint32 // oldest first
	closedAt               int64
	cutMs, lateMs          uint32
	pending                int // index of the unanswered cut, or -1
	pendingStage           stage
}

func (m *model) touch(client uint64) *modelClient {
	if c := m.clients[client]; c != nil {
		i := slices.Index(m.order, client)
		m.order = slices.Insert(slices.Delete(m.order, i, i+1), 0, client)
		return c
	}
	if len(m.order) == m.limit {
		last := len(m.order) - 1
		delete(m.clients, m.order[last])
		m.order = m.order[:last]
	}
	c := &modelClient{pending: -1}
	m.clients[client] = c
	m.order = slices.Insert(m.order, 0, client)
	return c
}

func (m *model) gap(client uint64, kind abi.GapKind, ms uint32, now int64) {
	c := m.touch(client)
	at := stageOf(uint32(len(c.gaps)))
	m.counts[at][kind][abi.Bin(ms)]++
	c.gaps = append(c.gaps, max(ms, 1)|uint32(kind)<<30)
	if kind == abi.GapKindCut {
		c.cut++
		c.pendingStage = at
		c.pending, c.cutMs, c.lateMs, c.closedAt = len(c.gaps)-1, ms, 0, now
	}
}

func (m *model) opened(client uint64, now int64) (uint32, bool) {
	c := m.touch(client)
	c.conns++
	c.open++
	if c.pending < 0 {
		return 0, false
	}
	since := uint32(now - c.closedAt)
	m.counts[c.pendingStage][abi.GapKindCut][abi.Bin(c.cutMs)]--
	m.counts[c.pendingStage][abi.GapKindReturned][abi.Bin(c.cutMs+since)]++
	c.lateMs = max(c.cutMs+since, 1)
	c.gaps[c.pending] = c.lateMs
	c.pending = -1
	if since <= 1000 {
		c.late++
	}
	return since, true
}

func (m *model) event(client uint64, now int64) policy.Event {
	e := policy.Event{Client: client, ClientClosedMs: abi.Never}
	c := m.clients[client]
	if c == nil {
		return e
	}
	if c.cut > 0 {
		e.ClientClosedMs = uint32(now - c.closedAt)
	}
	e.ClientConns, e.ClientOpen, e.ClientCut, e.ClientLate = c.conns, c.open, c.cut, c.late
	e.ClientCutMs, e.ClientLateMs, e.ClientGapCount = c.cutMs, c.lateMs, uint32(len(c.gaps))
	for i := range min(len(c.gaps), abi.ClientGaps) {
		e.ClientGaps[i] = c.gaps[len(c.gaps)-1-i]
	}
	return e
}

// FuzzModel plays an arbitrary history, six bytes a step, into both.
func FuzzModel(f *testing.F) {
	var seed []byte
	for i := range 100 {
		seed = binary.LittleEndian.AppendUint32(append(seed, byte(i*7%5), byte(i*i%29)), uint32(i*i*i)%5000)
	}
	f.Add(seed)
	f.Fuzz(func(t *testing.T, history []byte) {
		const limit = 16
		// So long a half-life that a weight is the unit for all of the history.
		b := New(Config{Clients: limit, HalfLife: maxHalfLife})
		m := &model{limit: limit, clients: map[uint64]*modelClient{}}
		now := int64(0)
		for ; len(history) >= 6; history = history[6:] {
			client := uint64(history[1]%24) + 1
			ms := binary.LittleEndian.Uint32(history[2:]) & 0xfffff
			now += int64(ms % 1500)
			step(t, b, m, history[0]%5, client, ms, now)
			if got, _ := ask(b, client, now); got != m.event(client, now) {
				t.Fatalf("client %d:\ngot  %+v\nwant %+v", client, got, m.event(client, now))
			}
		}
		if b.Clients() != len(m.order) {
			t.Fatalf("%d clients, want %d", b.Clients(), len(m.order))
		}
		for n := range stage(stageCount) {
			compare(t, b, n, &m.counts[n])
		}
	})
}

func compare(t *testing.T, b *Books, n stage, counts *[3][abi.Bins]uint64) {
	var g policy.Gaps
	b.histogram(0, n).copyTo(&g)
	for i := range abi.Bins {
		got := [3]uint32{g.Returned[i], g.Gone[i], g.Cut[i]}
		for kind, weight := range got {
			gaps := (uint64(weight) + uint64(g.Unit)/2) / uint64(g.Unit)
			if want := counts[kind][i]; gaps != want {
				t.Fatalf("stage %d, bin %d, %v: %d gaps, want %d", n, i, abi.GapKind(kind), gaps, want)
			}
		}
	}
}

func step(t *testing.T, b *Books, m *model, op byte, client uint64, ms uint32, now int64) {
	switch op {
	case 0:
		since, returned := b.Opened(client, now)
		wantSince, want := m.opened(client, now)
		if since != wantSince || returned != want {
			t.Fatalf("Opened(%d) = %d, %v; want %d, %v", client, since, returned, wantSince, want)
		}
	case 1:
		b.Returned(client, 0, ms)
		m.gap(client, abi.GapKindReturned, ms, now)
	case 2:
		b.Gone(client, 0, ms)
		m.gap(client, abi.GapKindGone, ms, now)
	case 3:
		b.Cut(client, 0, ms, now)
		m.gap(client, abi.GapKindCut, ms, now)
	case 4:
		b.Closed(client)
		if c := m.clients[client]; c != nil && c.open > 0 {
			c.open--
		}
	}
}
