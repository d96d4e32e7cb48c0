package observe

import (
	"fmt"
	"strings"
	"testing"
)

func TestStorageIsLookedAtAtScrape(t *testing.T) {
	m := NewMetrics("v1")
	now := Storage{Free: 7, Used: 30, Limit: 100, Tenants: []TenantStorage{{"a", 10, 50}}}
	m.WatchStorage(func() Storage { return now })
	text := scrape(t, m)
	wants(t, text, "host_store_free_bytes 7", "host_store_used_bytes 30", "host_store_limit_bytes 100",
		`host_store_tenant_used_bytes{tenant="a"} 10`, `host_store_tenant_limit_bytes{tenant="a"} 50`)
	now.Free = -1
	for i := range maxTenants + 9 {
		now.Tenants = append(now.Tenants, TenantStorage{fmt.Sprint("t", i), 2, 5})
	}
	text = scrape(t, m)
	wants(t, text, `host_store_tenant_used_bytes{tenant="_other"} 20`, `host_store_tenant_used_bytes{tenant="a"} 10`) // a has most
	if strings.Contains(text, "host_store_free_bytes ") || strings.Contains(text, `limit_bytes{tenant="_other"}`) {
		t.Error("what is not known is told")
	}
}
