package cli

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"idlehost/host/internal/api"
)

const aboutConns = `List the live connections of a tenant: what they are doing, for how long they
have been idle, when their policy is asked next (DUE) and which version that is.
`

// conns is what the command was given.
type conns struct {
	query api.ConnectionQuery
	watch time.Duration
	on    bool
}

func newConns() *cobra.Command {
	r := &remote{}
	var c conns
	cmd := &cobra.Command{
		Use:   "conns",
		Short: "List the live connections of a tenant",
		Long:  aboutConns + aboutRemote,
		Example: "  host conns -t acme --phase idle --min-idle 1m\n" +
			"  host conns --client 192.0.2.7 --watch\n" +
			"  host conns --limit 0 --json | jq '[.items[].bytes_out] | add'",
		Args: exactly(0, "no argument"),
		RunE: r.run(func(s *session, _ []string) error { return s.conns(c) }),
	}
	attach(cmd, r)
	f, q := cmd.Flags(), &c.query
	f.SortFlags = false
	f.StringVar(&q.Phase, "phase", "", "only those in a `phase`: idle, stream_idle, tunnel, header, body, upstream, write ...")
	f.StringVar(&q.Side, "side", "", "only accepted or dialled ones")
	f.StringVar(&q.Protocol, "protocol", "", "only those that speak http1, http2, websocket or tcp")
	f.StringVar(&q.Client, "client", "", "only those of an `address`")
	f.StringVar(&q.Version, "version", "", "only those whose policy has that `digest`, or one that begins so")
	f.DurationVar(&q.MinIdle, "min-idle", 0, "only those idle for so long or longer")
	f.DurationVar(&q.MinAge, "min-age", 0, "only those open for so long or longer")
	f.Uint64Var(&q.After, "after", 0, "only those with a larger `ID`")
	f.IntVar(&q.Limit, "limit", 100, "list so many; 0: all")
	f.BoolVarP(&c.on, "watch", "w", false, "list again and again")
	f.DurationVar(&c.watch, "every", 2*time.Second, "how often to --watch")
	completeWord(cmd, "phase", "handshake", "header", "body", "upstream", "write", "idle", "stream_idle", "tunnel", "half_closed", "draining")
	completeWord(cmd, "side", "accepted", sideDialled)
	completeWord(cmd, "protocol", "http1", "http2", "websocket", "tcp")
	complete(cmd, "version", r.completeVersions())
	return cmd
}

// leastWatch keeps --every from being a load.
const leastWatch = 100 * time.Millisecond

func (s *session) conns(c conns) error {
	switch {
	case c.query.Limit < 0:
		return usagef("0 lists all", "--limit: %d is below 0", c.query.Limit)
	case c.watch < leastWatch:
		return usagef("", "--every: %s is less than %s", c.watch, leastWatch)
	}
	tenant, err := s.whose()
	if err != nil {
		return err
	}
	for {
		page, err := s.connections(tenant, c.query)
		if c.on && s.ctx.Err() != nil {
			return nil
		} else if err != nil {
			return err
		}
		if err := s.showConnections(tenant, page, c); err != nil || !c.on {
			return err
		}
		select {
		case <-time.After(c.watch):
		case <-s.ctx.Done():
			return nil
		}
	}
}

// connections reads as many as were asked for.
func (s *session) connections(tenant string, q api.ConnectionQuery) (api.Page[api.Connection], error) {
	most := q.Limit
	all, err := collect(func(after string) (api.Page[api.Connection], error) {
		if after != "" {
			n, err := strconv.ParseUint(after, 10, 64)
			if err != nil {
				return api.Page[api.Connection]{}, fmt.Errorf("the list goes on at %q, which is no ID", after)
			}
			q.After = n
		}
		q.Limit = pageItems
		if most > 0 {
			q.Limit = min(pageItems, most)
		}
		return s.Connections(s.ctx, tenant, q)
	}, most)
	if n := len(all.Items); err == nil && most > 0 && n > most {
		all.Items, all.Next = all.Items[:most], fmt.Sprint(all.Items[most-1].ID)
	}
	return all, err
}

// showConnections writes a list at once, so that a terminal does not flicker.
func (s *session) showConnections(tenant string, page api.Page[api.Connection], c conns) error {
	if s.asJSON {
		return writeJSON(s.out, page)
	}
	var b bytes.Buffer
	if c.on && terminal(s.out) {
		b.WriteString("\x1b[H\x1b[2J")
	}
	if c.on {
		fmt.Fprintf(&b, "%s  %d connections of tenant %s\n", time.Now().Format(time.TimeOnly), len(page.Items), plain(tenant))
	}
	if err := writeConnections(&b, page.Items); err != nil {
		return err
	}
	if _, err := b.WriteTo(s.out); err != nil {
		return err
	}
	if page.Next != "" && !c.on {
		s.remark("there are more: --after %s, or --limit 0 for all", page.Next)
	}
	return nil
}

// writeConnections shows connections to people, in 100 columns.
func writeConnections(w io.Writer, list []api.Connection) error {
	t := newTable(w, "ID", "PEER", "PROTO", "PHASE", "AGE", "IDLE", "DUE", "REQS", "IN", "OUT", "VERSION")
	for _, c := range list {
		t.row(fmt.Sprint(c.ID), peer(c), brief(c.Protocol), cut(c.Phase, 11), age(millis(c.AgeMs)), age(millis(c.IdleMs)), due(c.DueMs),
			brisk(uint64(c.Requests)), brisk(c.BytesIn), brisk(c.BytesOut), orHosts(c.Version))
	}
	return t.end()
}

// peer returns the other end; that of a connection which the host has opened
// is marked.
func peer(c api.Connection) string {
	const most = 21 // an IPv4 address with its port
	if c.Side == sideDialled {
		return ">" + cut(c.Peer, most-1)
	}
	return cut(c.Peer, most)
}

func brief(protocol string) string {
	if short, ok := map[string]string{"http1": "h1", "http2": "h2", "websocket": "ws", "unknown": "-"}[protocol]; ok {
		return short
	}
	return cut(protocol, 5)
}

// due returns when a policy is asked next.
func due(ms int64) string {
	if ms < 0 {
		return "-"
	}
	return age(millis(ms))
}

// brisk returns a number in four characters: "873", "1.2K", "12K".
func brisk(n uint64) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	f := float64(n)
	for _, unit := range []string{"K", "M", "G", "T", "P"} {
		if f /= 1024; f < 9.95 {
			return fmt.Sprintf("%.1f%s", f, unit)
		} else if f < 999.5 {
			return fmt.Sprintf("%.0f%s", f, unit)
		}
	}
	return fmt.Sprintf("%.0fE", f/1024)
}
