package v1_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"idlehost/host/internal/admin/v1"
	"idlehost/host/internal/api"
)

// TestLongPagesCostMore: a page of 1,000 items is four requests, one of 250 is
// one, and what is owed has to be earned first.
func TestLongPagesCostMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		house := newHouse()
		for i := range 1000 {
			house.tenants["shop"].entries = append(house.tenants["shop"].entries, api.Entry{Seq: uint64(i + 1)})
		}
		h := v1.New(v1.Config{Service: house, TenantRate: 1, TenantBurst: 6})
		serve := h.Serve(v1.Access{Authenticate: func(*http.Request) (api.Actor, error) { return api.Actor{Tenant: "shop"}, nil }})
		ask := func(limit string) int {
			rec := httptest.NewRecorder()
			serve.ServeHTTP(rec, httptest.NewRequest("GET", "/v1/tenants/shop/audit?limit="+limit, nil))
			return rec.Code
		}
		for i, limit := range []string{"1000", "250", "251"} { // 4, 1 and 2, of 6
			if got := ask(limit); got != 200 {
				t.Fatalf("page %d: %d", i+1, got)
			}
		}
		if got := ask("1"); got != 429 {
			t.Errorf("beyond the burst: %d", got)
		}
		time.Sleep(2*time.Second - v1.Refusal - 1) // one was owed
		if got := ask("1"); got != 429 {
			t.Errorf("a nanosecond too early: %d", got)
		}
		if got := ask("1"); got != 200 {
			t.Errorf("in time: %d", got)
		}
	})
}
