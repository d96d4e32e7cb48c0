package httpproxy

import (
	"net/http"
	"net/http/httputil"
	"strings"

	"idlehost/host/internal/proxy/route"
)

// rewrite turns a client's request into the one for the upstream. ReverseProxy
// has removed hop-by-hop headers (RFC 9110 section 7.6.1) and the forwarding
// headers; the upstream group sets the URL.
func (h *Handler) rewrite(pr *httputil.ProxyRequest) {
	x := exchangeOf(pr.In.Context())
	out, s := pr.Out, x.session
	// ReverseProxy drops parameters that it cannot parse. Nothing here reads
	// them, so what they mean is the upstream's affair.
	out.URL.RawQuery = pr.In.URL.RawQuery
	if x.site.RewriteHost {
		out.Host = ""
	}
	if x.HasBody {
		out.Body, out.GetBody = &x.body, x.body.again
		// The map is filled while the content is read; a copy would stay empty.
		out.Trailer = pr.In.Trailer
	}
	forwarded(out, pr.In, s, s.trusted(x.site))
	via(out.Header, x.site, pr.In.ProtoMajor, pr.In.ProtoMinor)
}

// forwarded says on whose behalf the request is sent. What a client says of
// itself counts only when it is trusted.
func forwarded(out, in *http.Request, s *Session, trusted bool) {
	var prior []string
	if trusted {
		prior = in.Header["X-Forwarded-For"]
		keep(out.Header, in.Header, "Forwarded")
		keep(out.Header, in.Header, "X-Forwarded-Host")
		keep(out.Header, in.Header, "X-Forwarded-Proto")
	} else {
		for k := range out.Header {
			if strings.HasPrefix(k, "X-Forwarded-") {
				delete(out.Header, k)
			}
		}
	}
	hops := s.peer
	if len(prior) > 0 {
		hops = strings.Join(append(prior[:len(prior):len(prior)], s.peer), ", ")
	}
	if hops != "" {
		out.Header["X-Forwarded-For"] = []string{hops}
	}
	if out.Header["X-Forwarded-Host"] == nil {
		out.Header["X-Forwarded-Host"] = []string{in.Host}
	}
	if out.Header["X-Forwarded-Proto"] == nil {
		out.Header["X-Forwarded-Proto"] = []string{scheme(in.TLS)}
	}
}

func keep(out, in http.Header, key string) {
	if v := in[key]; v != nil {
		out[key] = v
	}
}

// via adds this proxy to the list of those passed (RFC 9110 section 7.6.3).
func via(h http.Header, site *route.Site, major, minor int) {
	if site.Via == "" {
		return
	}
	v := "1.1 " + site.Via
	switch {
	case major == 2:
		v = "2 " + site.Via
	case major == 1 && minor == 0:
		v = "1.0 " + site.Via
	}
	if prior := h["Via"]; len(prior) > 0 {
		v = strings.Join(prior, ", ") + ", " + v
	}
	h["Via"] = []string{v}
}

// modifyResponse looks at the header section of the upstream's answer.
func (h *Handler) modifyResponse(res *http.Response) error {
	x := exchangeOf(res.Request.Context())
	x.answer()
	// It would send clients past the proxy (RFC 7838).
	delete(res.Header, "Alt-Svc")
	if len(res.Trailer) > 0 && !x.session.h2 {
		// Trailers need chunks in HTTP/1; HTTP/2 may have them beside a length.
		delete(res.Header, "Content-Length")
		res.ContentLength = -1
	}
	via(res.Header, x.site, res.ProtoMajor, res.ProtoMinor)
	if res.StatusCode == http.StatusSwitchingProtocols {
		return h.upgrade(x, res)
	}
	return nil
}
