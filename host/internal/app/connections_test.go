package app

import (
	"net"
	"strconv"
	"testing"

	"idlehost/host/internal/api"
	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// TestPagesOfConnections: pages put together are the whole list, and none looks
// at more than it may, whatever the filter.
func TestPagesOfConnections(t *testing.T) {
	r := startMany(t, nil)
	r.create("crowded")
	m := r.tenants.get("crowded")
	const many = 2*lookedAt + 100
	var want []uint64
	for i := range many {
		side, account := policy.Side(abi.SideAccepted), m.accepted
		if i%1000 == 999 {
			side, account = abi.SideDialled, m.dialled
		}
		near, far := net.Pipe()
		far.Close()
		c := r.governor.Govern(near, account, side)
		defer c.Close()
		if side == abi.SideDialled {
			want = append(want, c.ID())
		}
	}
	for _, limit := range []int{1, 3, 1000} {
		all := r.pages("crowded", api.ConnectionQuery{Limit: limit})
		if len(all.ids) != many {
			t.Errorf("pages of %d: %d connections, want %d", limit, len(all.ids), many)
		}
		if want := (many + limit - 1) / limit; all.pages != want {
			t.Errorf("pages of %d: %d of them, want %d", limit, all.pages, want)
		}
	}
	dialled := r.pages("crowded", api.ConnectionQuery{Limit: 1000, Side: "dialled"})
	if len(dialled.ids) != len(want) || dialled.pages != 3 {
		t.Errorf("%d dialled connections on %d pages, want %d on 3", len(dialled.ids), dialled.pages, len(want))
	}
	for i, id := range want {
		if i < len(dialled.ids) && dialled.ids[i] != id {
			t.Errorf("the dialled connection %d is %d, want %d", i, dialled.ids[i], id)
		}
	}
	if none := r.pages("crowded", api.ConnectionQuery{Version: "abc"}); len(none.ids) != 0 || none.pages != 3 {
		t.Errorf("%d connections of no version, on %d pages", len(none.ids), none.pages)
	}
}

// listed are the connections of some pages.
type listed struct {
	ids   []uint64
	pages int
}

// pages reads all pages of a list, and checks its order.
func (r *running) pages(name string, q api.ConnectionQuery) (all listed) {
	r.t.Helper()
	for {
		page, err := r.control.Connections(r.t.Context(), name, q)
		if err != nil {
			r.t.Fatal(err)
		}
		all.pages++
		last := q.After
		for _, c := range page.Items {
			if c.ID <= last {
				r.t.Fatalf("connection %d behind %d", c.ID, last)
			}
			last = c.ID
			all.ids = append(all.ids, c.ID)
		}
		if page.Next == "" {
			return all
		}
		if q.After, err = strconv.ParseUint(page.Next, 10, 64); err != nil || q.After < last || len(page.Items) > q.Limit && q.Limit > 0 {
			r.t.Fatalf("%d connections, the next page is after %q: %v", len(page.Items), page.Next, err)
		}
	}
}
