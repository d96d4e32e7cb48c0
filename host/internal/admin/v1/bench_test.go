package v1_test

import (
	"net/http/httptest"
	"testing"
)

// BenchmarkRequest is what the API costs without a network: the door, the
// route, the limits and a small answer.
func BenchmarkRequest(b *testing.B) {
	g := newRig(b)
	r := ask{method: "GET", path: "/v1/tenants/shop", token: shop}.request()
	for b.Loop() {
		rec := httptest.NewRecorder()
		if g.server.ServeHTTP(rec, r); rec.Code != 200 {
			b.Fatal(rec.Code)
		}
	}
}
