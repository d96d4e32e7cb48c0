package httpproxy

import (
	"context"
	"net/http"

	"idlehost/host/internal/proxy/route"
	"idlehost/host/internal/proxy/upstream"
	"idlehost/sdk/abi"
)

// exchange is one request and its answer. With the upstream's part that it
// embeds it is also the context of the request that goes there: one
// allocation for all that a request needs.
type exchange struct {
	upstream.Exchange
	session *Session
	site    *route.Site
	w       http.ResponseWriter // the server's own
	r       *http.Request       // as it came

	body   body
	writer streamWriter // HTTP/2 only
	late   reset        // HTTP/2 only
}

type exchangeKey struct{}

// Value returns x for this package's key, too.
func (x *exchange) Value(key any) any {
	if key == (exchangeKey{}) {
		return x
	}
	return x.Exchange.Value(key)
}

func exchangeOf(ctx context.Context) *exchange {
	x, _ := ctx.Value(exchangeKey{}).(*exchange)
	return x
}

// begin makes the request known to the idle layer.
func begin(s *Session, site *route.Site, w http.ResponseWriter, r *http.Request) *exchange {
	x := &exchange{session: s, site: site, w: w, r: r}
	x.Route = site.Classes.Of(r.URL.Path)
	x.HasBody = r.ContentLength != 0 && r.Body != nil && r.Body != http.NoBody
	if !s.conn.Begin(x.Route, x.HasBody) {
		// The host has decided to end the connection, but the request was
		// faster: it is served, and is the last.
		w.Header().Set("Connection", "close")
	}
	if s.h2 {
		if s.conn.Phase() == abi.PhaseHeader { // of a block after which other streams began
			s.conn.SetPhase(abi.PhaseUpstream)
		}
		x.late.w = w
		x.writer.ResponseWriter, x.writer.x = w, x
	}
	if x.HasBody {
		x.body.from, x.body.x = r.Body, x
		if s.h2 {
			x.body.stream = s.conn.NewStream(abi.PhaseBody, x.late.read)
		}
	}
	return x
}

// request returns the request as handlers see it: with x as its context, and a
// content that is watched. The server's own is left as it is, for net/http
// looks at its Body again when the answer begins.
func (x *exchange) request() *http.Request {
	r := x.r.WithContext(x)
	if x.HasBody {
		r.Body = &x.body
	}
	return r
}

// end makes the end of the request known to the idle layer. Nothing of it
// runs any more when end returns.
func (x *exchange) end() {
	x.body.shut()
	if !x.session.h2 {
		// net/http reads what is left of the content, and tells when the
		// connection is idle.
		if x.HasBody && !x.body.complete() {
			x.session.conn.SetPhase(abi.PhaseBody)
		}
		return
	}
	x.writer.done()
	x.late.wait()
	x.session.conn.End()
}

// bodyRead is called at the end of the content: from now on the upstream is
// waited for, unless it has answered already.
func (x *exchange) bodyRead() {
	x.BodyRead()
	if c := x.session.conn; !x.session.h2 && c.Phase() == abi.PhaseBody {
		c.SetPhase(abi.PhaseUpstream)
	}
}

// answer is called when the upstream's header section is here, or an answer
// in its stead.
func (x *exchange) answer() {
	if x.session.h2 || !x.HasBody || x.body.complete() {
		return
	}
	// Answered before the content was all read. net/http's server would read
	// the rest itself, to keep the connection, and take it from the upstream.
	x.w.Header().Set("Connection", "close")
	if c := x.session.conn; c.Phase() == abi.PhaseBody {
		c.SetPhase(abi.PhaseWrite)
	}
}
