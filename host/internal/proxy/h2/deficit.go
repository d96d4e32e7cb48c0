package h2

import (
	"encoding/hex"
	"net/http"
)

// A new server assumes that it may send the initial window on stream 0 (RFC 9113
// section 6.9.2). A client that has used part of its window need not have sent a
// WINDOW_UPDATE yet; many send none while half of the window is left. The
// difference is the session's deficit, and a new server must use it up first: it
// answers a request of the host's own with as many bytes, which the rewriter
// drops. The header block of that answer holds nothing that a dynamic table keeps
// (RFC 7541 section 2.3.2), so that the client's table stays in step. It would
// hold a change of the table's size, though, so a session whose client has
// changed that size is not parked with a deficit.

// deficit is by how much the client's window is below the initial one; 0: it is
// not.
func (s *session) deficit() int32 { return max(initialWindow-s.sendWin, 0) }

// resumable reports whether a later server could resume a session with such a
// window.
func (s *session) resumable(window int64, last uint32) bool {
	return window >= initialWindow || window >= 0 && last > 0 && !s.moved
}

// deficitFiller is a handler that uses up the deficit of a session, and passes on
// the client's requests.
type deficitFiller struct {
	session *session
	deficit int32
	next    http.Handler
}

func (f deficitFiller) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.RequestURI != f.session.server.hostPath {
		f.next.ServeHTTP(w, r)
		return
	}
	for _, field := range []string{"Date", "Content-Type"} {
		w.Header()[field] = nil
	}
	http.NewResponseController(w).Flush()
	zeros := make([]byte, min(f.deficit, 4<<10))
	for left := int(f.deficit); left > 0; {
		n, err := w.Write(zeros[:min(left, len(zeros))])
		if err != nil {
			return
		}
		left -= n
	}
}

// hostRequest returns the path of the host's own requests, which no client knows,
// and the header block of one.
func hostRequest(nonce []byte) (path string, block []byte) {
	path = "/" + hex.EncodeToString(nonce)
	block = []byte{0x82, 0x86, 0x04, byte(len(path))} // GET, http, a path (RFC 7541 appendix A)
	block = append(block, path...)
	return path, block
}
