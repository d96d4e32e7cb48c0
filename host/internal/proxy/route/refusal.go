package route

import (
	"fmt"
	"net/http"
)

// Refusal is an error that tells a client why nothing serves it.
type Refusal struct {
	Status int
	Text   string // for any client: it ends without a full stop
	Close  bool   // the answer is the last of its connection
	// Alert fails the TLS handshake with the alert unrecognized_name (RFC 6066
	// section 3) in place of the answer, where a Router refuses.
	Alert bool
}

func (r *Refusal) Error() string {
	return fmt.Sprintf("%d %s: %s", r.Status, http.StatusText(r.Status), r.Text)
}

var _ error = (*Refusal)(nil)
