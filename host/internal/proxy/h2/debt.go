package h2

import (
	"encoding/hex"
	"net/http"
)

// A new server believes that it may send the initial window on stream 0. Where
// the client has taken some of that and not said so yet, as many do for as long
// as half of it is left, the server has to spend the difference first: it
// answers a request of the host's own with as many bytes, which the editor
// drops. The answer has a header block without anything that a dynamic table
// keeps, so that the client's is not out of step; a change of the table's size
// that the client has not been told of would be in it, so a session whose
// client has moved the size does not sleep in debt.

// debt is by how much the client's window is below the initial one; 0: it is
// not.
func (s *session) debt() int32 { return max(initialWindow-s.sendWin, 0) }

// solvent reports whether a session with such a window could go on later.
func (s *session) solvent(window int64, last uint32) bool {
	return window >= initialWindow || window >= 0 && last > 0 && !s.moved
}

// payer is a handler that pays the debt of a session, and passes on requests
// of the client's.
type payer struct {
	session *session
	debt    int32
	next    http.Handler
}

func (p payer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.RequestURI != p.session.server.secret {
		p.next.ServeHTTP(w, r)
		return
	}
	for _, field := range []string{"Date", "Content-Type"} {
		w.Header()[field] = nil
	}
	http.NewResponseController(w).Flush()
	coin := make([]byte, min(p.debt, 4<<10))
	for left := int(p.debt); left > 0; {
		n, err := w.Write(coin[:min(left, len(coin))])
		if err != nil {
			return
		}
		left -= n
	}
}

// payment returns the path of the host's own requests, which no client knows,
// and the header block of one.
func payment(nonce []byte) (path string, block []byte) {
	path = "/" + hex.EncodeToString(nonce)
	block = []byte{0x82, 0x86, 0x04, byte(len(path))} // GET, http, a path (RFC 7541 appendix A)
	block = append(block, path...)
	return path, block
}
