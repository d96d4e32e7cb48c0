package demo

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// maxEvents bounds one answer of /events.
const maxEvents = 3600

// events sends server-sent events, one at once and one a second, until ?n=
// were sent or the client has gone.
func events(w http.ResponseWriter, r *http.Request) {
	n := maxEvents
	if s := r.URL.Query().Get("n"); s != "" {
		var err error
		if n, err = strconv.Atoi(s); err != nil || n < 1 || n > maxEvents {
			http.Error(w, fmt.Sprintf("n is a number from 1 to %d", maxEvents), http.StatusBadRequest)
			return
		}
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	control := http.NewResponseController(w)
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for i := 1; ; i++ {
		if _, err := fmt.Fprintf(w, "id: %d\ndata: %s\n\n", i, time.Now().UTC().Format(time.RFC3339)); err != nil {
			return
		}
		if control.Flush() != nil || i == n {
			return
		}
		select {
		case <-tick.C:
		case <-r.Context().Done():
			return
		}
	}
}
