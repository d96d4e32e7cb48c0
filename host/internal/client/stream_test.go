package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"idlehost/host/internal/api"
)

func TestDecisionsArriveAsTheyAreMade(t *testing.T) {
	next := make(chan struct{})
	c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", streamType+"; charset=utf-8")
		for _, line := range []string{"\n", `{"conn":1}` + "\n", "\r\n", `{"conn":2,"unknown":[]}` + "\n"} {
			io.WriteString(w, line)
			w.(http.Flusher).Flush()
			if strings.Contains(line, "conn") {
				<-next
			}
		}
	})
	var conns []uint64
	err := c.Decisions(t.Context(), "a", func(d api.Decision) error {
		conns = append(conns, d.Conn)
		next <- struct{}{} // the server writes the next line only now
		return nil
	})
	if err != nil || len(conns) != 2 || conns[1] != 2 {
		t.Errorf("%v, %v", conns, err)
	}
}

func TestHowAStreamEnds(t *testing.T) {
	stop := errors.New("enough")
	for _, tt := range []struct {
		name, body string
		abort      bool
		send       error
		want       string
	}{
		{"the server ends it", "{}\n", false, nil, ""},
		{"it breaks off", "{}\n", true, nil, "the stream broke off: unexpected EOF"},
		{"the reader has enough", "{}\n", false, stop, "enough"},
		{"no decision", "7\n", false, nil, "a line of the stream is not a decision"},
	} {
		c := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", streamType)
			io.WriteString(w, tt.body)
			w.(http.Flusher).Flush()
			if tt.abort {
				panic(http.ErrAbortHandler)
			}
		})
		err := c.Decisions(t.Context(), "a", func(api.Decision) error { return tt.send })
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", streamType)
		io.WriteString(w, "{}\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	ctx, cancel := context.WithCancelCause(t.Context())
	err := c.Decisions(ctx, "a", func(api.Decision) error { cancel(stop); return nil })
	if !errors.Is(err, stop) {
		t.Errorf("cancelled: %v", err)
	}
	web := serve(t, func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") })
	var ours *AnswerError
	if err := web.Decisions(t.Context(), "a", nil); !errors.As(err, &ours) {
		t.Errorf("a web page: %v", err)
	}
}

func TestAnUploadIsSeenToGo(t *testing.T) {
	wasm := make([]byte, 1<<20)
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		if n != int64(len(wasm)) || r.ContentLength != n {
			t.Errorf("%d bytes, announced %d", n, r.ContentLength)
		}
		w.Header().Set("Content-Type", jsonType)
		io.WriteString(w, `{"digest":"d"}`)
	})
	var mu sync.Mutex
	var sent []int // the transport writes on a goroutine of its own
	_, _, err := c.Upload(t.Context(), "a", api.Upload{Wasm: wasm}, func(n int) {
		mu.Lock()
		defer mu.Unlock()
		sent = append(sent, n)
	})
	mu.Lock()
	defer mu.Unlock()
	if err != nil || len(sent) < 4 || sent[0] >= len(wasm) || sent[len(sent)-1] != len(wasm) {
		t.Errorf("%v, %v", sent, err)
	}
}

// TestARefusedUploadIsNotSent: the server's word comes before the bytes.
func TestARefusedUploadIsNotSent(t *testing.T) {
	c := serve(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", api.ProblemType)
		w.WriteHeader(http.StatusForbidden)
		io.WriteString(w, `{"type":"urn:idlehost:problem:forbidden","title":"not allowed"}`)
	})
	_, _, err := c.Upload(t.Context(), "a", api.Upload{Wasm: make([]byte, 1<<20)}, func(n int) { t.Errorf("sent %d bytes", n) })
	if Kind(err) != api.KindForbidden {
		t.Error(err)
	}
}
