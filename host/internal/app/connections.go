package app

import (
	"context"
	"net/netip"
	"strconv"
	"strings"

	"idlehost/host/internal/api"
	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
)

// pageOfConnections is how many connections are listed where nobody says.
const pageOfConnections = 100

// Connections are looked at in batches, and at most lookedAt of them for one
// page: a filter that fits nothing must not make a page cost what the tenant
// has open.
const (
	batchOfConnections = 128
	lookedAt           = 2048
)

// Connections lists live connections of a tenant by their IDs. Where few of
// those that were looked at fit, a page has fewer than its limit, or none, and
// says where to go on.
func (h *hosting) Connections(_ context.Context, name string, q api.ConnectionQuery) (api.Page[api.Connection], error) {
	page := api.Page[api.Connection]{Items: []api.Connection{}}
	m := h.tenants.get(name)
	if m == nil {
		return page, api.NewProblem(api.KindNotFound, "tenant %q", name)
	}
	var client netip.Addr
	if q.Client != "" {
		var err error
		if client, err = netip.ParseAddr(q.Client); err != nil {
			p := api.NewProblem(api.KindInvalid, "%q is no address", q.Client)
			p.Field = "client"
			return page, p
		}
	}
	limit := q.Limit
	if limit <= 0 {
		limit = pageOfConnections
	}
	after := q.After
	for left := lookedAt; left > 0; {
		n := min(max(limit+1-len(page.Items), batchOfConnections), left)
		list := idle.ConnsAfter(after, n, m.accepted, m.dialled)
		for _, c := range list {
			x, ok := m.fits(c, &q, client)
			if ok && len(page.Items) == limit {
				page.Next = strconv.FormatUint(page.Items[limit-1].ID, 10)
				return page, nil
			}
			if ok {
				page.Items = append(page.Items, x)
			}
		}
		if len(list) < n {
			return page, nil
		}
		after, left = list[n-1].ID(), left-n
	}
	page.Next = strconv.FormatUint(after, 10)
	return page, nil
}

// fits returns a connection in the API's words, if a query asks for it.
func (m *tenantRuntime) fits(c *idle.Conn, q *api.ConnectionQuery, client netip.Addr) (x api.Connection, ok bool) {
	var s idle.Status
	c.Status(&s)
	if !matches(&s, q, client) {
		return x, false
	}
	version := m.version(s.Side, s.Client)
	if !strings.HasPrefix(version, q.Version) {
		return x, false
	}
	x = connection(&s)
	x.Version = version
	return x, true
}

// matches tests all that a query asks for but the version.
func matches(s *idle.Status, q *api.ConnectionQuery, client netip.Addr) bool {
	return (q.Phase == "" || q.Phase == s.Phase.String()) && (q.Side == "" || q.Side == s.Side.String()) &&
		(q.Protocol == "" || q.Protocol == s.Protocol.String()) &&
		(!client.IsValid() || client.Unmap() == s.Peer.Addr().Unmap()) &&
		s.Idle >= q.MinIdle && s.Age >= q.MinAge
}

// connection is a status in the API's words, without the version.
func connection(s *idle.Status) api.Connection {
	x := api.Connection{
		ID: s.ID, Side: s.Side.String(), Protocol: s.Protocol.String(), Phase: s.Phase.String(),
		Peer: s.Peer.String(), Opened: s.Opened.UTC(), AgeMs: s.Age.Milliseconds(), IdleMs: s.Idle.Milliseconds(),
		DueMs: s.Due.Milliseconds(), Asks: s.Asks, Requests: s.Requests, BytesIn: s.BytesIn, BytesOut: s.BytesOut,
		Parked: s.Parked,
	}
	if s.Due < 0 {
		x.DueMs = -1
	}
	return x
}

// version returns the digest of what is asked about a client's connections.
func (m *tenantRuntime) version(side policy.Side, client uint64) string {
	if side.String() != "accepted" {
		client = 0
	}
	_, digest := m.tenant.Side(client)
	return digest
}
