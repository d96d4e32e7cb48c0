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

// Connections lists live connections of a tenant by their IDs.
func (r live) Connections(_ context.Context, name string, q api.ConnectionQuery) (api.Page[api.Connection], error) {
	m := r.a.members.get(name)
	if m == nil {
		return api.Page[api.Connection]{}, api.NewProblem(api.KindNotFound, "tenant %q", name)
	}
	var client netip.Addr
	if q.Client != "" {
		var err error
		if client, err = netip.ParseAddr(q.Client); err != nil {
			p := api.NewProblem(api.KindInvalid, "%q is no address", q.Client)
			p.Field = "client"
			return api.Page[api.Connection]{}, p
		}
	}
	limit := q.Limit
	if limit <= 0 {
		limit = pageOfConnections
	}
	page := api.Page[api.Connection]{Items: []api.Connection{}}
	for _, c := range idle.ConnsAfter(q.After, m.accepted, m.dialled) {
		var s idle.Status
		c.Status(&s)
		x := m.connection(&s)
		if !matches(&x, &s, &q, client) {
			continue
		}
		if len(page.Items) == limit {
			page.Next = strconv.FormatUint(page.Items[limit-1].ID, 10)
			break
		}
		page.Items = append(page.Items, x)
	}
	return page, nil
}

// connection is a status in the API's words.
func (m *member) connection(s *idle.Status) api.Connection {
	x := api.Connection{
		ID: s.ID, Side: s.Side.String(), Protocol: s.Protocol.String(), Phase: s.Phase.String(),
		Peer: s.Peer.String(), Opened: s.Opened.UTC(), AgeMs: s.Age.Milliseconds(), IdleMs: s.Idle.Milliseconds(),
		DueMs: s.Due.Milliseconds(), Asks: s.Asks, Requests: s.Requests, BytesIn: s.BytesIn, BytesOut: s.BytesOut,
		Parked: s.Parked,
	}
	if s.Due < 0 {
		x.DueMs = -1
	}
	x.Version = m.version(s.Side, s.Client)
	return x
}

// version returns the digest of what is asked about a client's connections.
func (m *member) version(side policy.Side, client uint64) string {
	if side.String() != "accepted" {
		client = 0
	}
	_, digest := m.tenant.Side(client)
	return digest
}

func matches(x *api.Connection, s *idle.Status, q *api.ConnectionQuery, client netip.Addr) bool {
	return (q.Phase == "" || q.Phase == x.Phase) && (q.Side == "" || q.Side == x.Side) &&
		(q.Protocol == "" || q.Protocol == x.Protocol) && strings.HasPrefix(x.Version, q.Version) &&
		(!client.IsValid() || client.Unmap() == s.Peer.Addr().Unmap()) &&
		s.Idle >= q.MinIdle && s.Age >= q.MinAge
}
