package h1

import (
	"errors"
	"io"
	"strings"
	"testing"
)

// TestAnswers says of every kind of answer what is read of it, and whether its
// connection is kept.
func TestAnswers(t *testing.T) {
	tests := []struct {
		name, method, answer string
		status               int
		content, fails       string
		kept                 bool
	}{
		{"length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, "hello", "", true},
		{"chunks", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200, "hello", "", true},
		{"empty", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", "", true},
		{"head", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, "", "", true},
		{"head-chunks", "HEAD", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200, "", "", true},
		{"204", "GET", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", "", true},
		{"304", "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", 304, "", "", true},
		{"bare-lf", "GET", "HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", 200, "hi", "", true},
		{"said-close", "GET", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", "", false},
		{"http10", "GET", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", "", false},
		{"http10-keep", "GET", "HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", "", true},
		{"until-close", "GET", "HTTP/1.1 200 OK\r\n\r\nall of it|", 200, "all of it", "", false},
		{"103", "GET", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, "hi", "", true},
		{"more-than-length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200 OK\r\n\r\n", 200, "hi", "", false},
		{"more-than-204", "GET", "HTTP/1.1 204 No Content\r\n\r\nsecret", 204, "", "", false},
		{"content-after-head", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, "", "", false},
		{"both-framings", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 200, "hello", "", true},
		{"cut-length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhi|", 200, "hi", "unexpected EOF", false},
		{"cut-chunk", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe|", 200, "he", "unexpected EOF", false},
		{"cut-chunks", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n|", 200, "he", "unexpected EOF", false},
		{"cut-trailer", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n0\r\nA: b|", 200, "he", "trailer", false},
		{"bad-chunk", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n", 200, "", "chunk", false},
		{"nothing", "GET", "|", 0, "", "without an answer", false},
		{"cut-head", "GET", "HTTP/1.1 200 OK\r\nCont|", 0, "", "malformed", false},
		{"not-http", "GET", "220 smtp.example ESMTP\r\n|", 0, "", "malformed", false},
		{"bad-status", "GET", "HTTP/1.1 20 OK\r\n\r\n", 0, "", "malformed", false},
		{"low-status", "GET", "HTTP/1.1 099 No\r\n\r\n", 0, "", "malformed", false},
		{"bad-version", "GET", "HTTP/x 200 OK\r\n\r\n", 0, "", "malformed", false},
		{"bad-field", "GET", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", 0, "", "malformed", false},
		{"two-lengths", "GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi", 0, "", "Content-Length", false},
		{"bad-length", "GET", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nhi", 0, "", "Content-Length", false},
		{"bad-coding", "GET", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhi", 0, "", "transfer encoding", false},
		{"long-head", "GET", "HTTP/1.1 200 OK\r\nA: " + strings.Repeat("x", 5000) + "\r\n\r\n", 0, "", "exceeds 4000 bytes", false},
		{"endless-head", "GET", "HTTP/1.1 200 OK\r\n" + strings.Repeat("A: b\r\n", 1000), 0, "", "exceeds 4000 bytes", false},
		{"endless-103", "GET", "HTTP/1.1 103 Early Hints\r\n" + strings.Repeat("A: b\r\n", 1000), 0, "", "exceeds 4000 bytes", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			text, cut := strings.CutSuffix(test.answer, "|")
			s := newStand(t, options{config: Config{MaxHeaderBytes: 4000}}, func(nc conn) {
				b := reader(nc)
				skipHead(b)
				io.WriteString(nc, text)
				if !cut {
					io.Copy(io.Discard, b)
				}
			})
			u, status, content, err := s.get(request(t.Context(), test.method, ""))
			if status != test.status || content != test.content || (err != nil) != (test.fails != "") {
				t.Errorf("answer %d %q, %v; want %d %q, and an error about %q", status, content, err, test.status, test.content, test.fails)
			}
			if err != nil && !strings.Contains(err.Error(), test.fails) {
				t.Errorf("error %q does not say %q", err, test.fails)
			}
			if kept := s.kept() == 1; kept != test.kept || u.freed != test.kept {
				t.Errorf("kept %v, freed %v, want %v", kept, u.freed, test.kept)
			}
			if !test.kept {
				eventually(t, "closed", func() bool { return s.gov.Open() == 0 })
			}
		})
	}
}

func TestNoAnswerIsToldFromABrokenOne(t *testing.T) {
	for text, want := range map[string]bool{"": true, "H": false, "HTTP/1.1 103 Early Hints\r\n\r\n": false} {
		s := newStand(t, options{}, func(nc conn) {
			skipHead(reader(nc))
			io.WriteString(nc, text)
		})
		_, _, err := s.do(request(t.Context(), "GET", ""))
		var u *MissingAnswerError
		if got := errors.As(err, &u); got != want {
			t.Errorf("%q: %v, and whether that is a MissingAnswerError should be %v", text, err, want)
		}
		if want && (!u.Sent || u.Begun || !u.Repeatable(request(t.Context(), "GET", "")) || u.Repeatable(request(t.Context(), "POST", ""))) {
			t.Errorf("%q: %+v, want it sent, not begun, and repeatable for GET only", text, u)
		}
	}
}

func TestTrailersOfAnswer(t *testing.T) {
	s := newStand(t, options{}, answers("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: A\r\n\r\n2\r\nhi\r\n0\r\nA: b\r\nC: d\r\n\r\n"))
	_, res, err := s.do(request(t.Context(), "GET", ""))
	if err != nil {
		t.Fatal(err)
	}
	if _, announced := res.Trailer["A"]; !announced || len(res.Trailer) != 1 {
		t.Errorf("announced %v", res.Trailer)
	}
	io.Copy(io.Discard, res.Body)
	if res.Trailer.Get("A") != "b" || res.Trailer.Get("C") != "d" {
		t.Errorf("got %v", res.Trailer)
	}
}

func TestInformationalAnswers(t *testing.T) {
	text := strings.Repeat("HTTP/1.1 103 Early Hints\r\nA: "+strings.Repeat("x", 300)+"\r\n\r\n", 20) +
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	s := newStand(t, options{config: Config{MaxHeaderBytes: 4096}}, answers(text))
	u, status, _, err := s.get(request(t.Context(), "GET", ""))
	if err != nil || status != 200 || len(u.inform) != 21 || u.inform[20] != 100 || u.answers != 1 {
		t.Errorf("status %d, informed of %v, %v; want 200 after 21 interim answers, the last 100", status, u.inform, err)
	}
	bad := errors.New("client is gone")
	u = &user{refuse: bad}
	if _, err := s.client.RoundTrip(&u.Call, request(t.Context(), "GET", ""), u, true); err != bad {
		t.Errorf("refused: %v", err)
	}
}
