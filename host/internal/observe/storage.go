package observe

import (
	"cmp"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// Storage is how full the host's disk is, in bytes.
type Storage struct {
	Free        int64           // on the disk; negative: not known
	Used, Limit int64           // of all tenants together; Limit 0: none
	Tenants     []TenantStorage // those that have something
}

// TenantStorage is what a tenant has of it.
type TenantStorage struct {
	Name        string
	Used, Limit int64
}

var (
	freeDesc = prometheus.NewDesc("host_store_free_bytes",
		"Bytes left on the disk of the store.", nil, nil)
	usedDesc = prometheus.NewDesc("host_store_used_bytes",
		"Bytes of the store and of tenants' recordings; what tenants share counts once.", nil, nil)
	limitDesc = prometheus.NewDesc("host_store_limit_bytes",
		"What host_store_used_bytes may be; 0: no limit.", nil, nil)
	tenantUsedDesc = prometheus.NewDesc("host_store_tenant_used_bytes",
		"Bytes that a tenant pays for: policies, deleted ones until they are swept, what they have learned, recordings.", []string{"tenant"}, nil)
	tenantLimitDesc = prometheus.NewDesc("host_store_tenant_limit_bytes",
		"What host_store_tenant_used_bytes may be; 0: no limit.", []string{"tenant"}, nil)
)

// WatchStorage adds what is on the disk. It is called once.
func (m *Metrics) WatchStorage(look func() Storage) {
	m.registry.MustRegister(storageCollector{look})
}

// storageCollector looks at scrape time. The maxTenants tenants that use most
// have series of their own; the rest have a sum, without a limit.
type storageCollector struct{ look func() Storage }

func (c storageCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{freeDesc, usedDesc, limitDesc, tenantUsedDesc, tenantLimitDesc} {
		ch <- d
	}
}

func (c storageCollector) Collect(ch chan<- prometheus.Metric) {
	s := c.look()
	gauge := func(d *prometheus.Desc, n int64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, float64(n), labels...)
	}
	if s.Free >= 0 {
		gauge(freeDesc, s.Free)
	}
	gauge(usedDesc, s.Used)
	gauge(limitDesc, s.Limit)
	slices.SortFunc(s.Tenants, func(a, b TenantStorage) int {
		return cmp.Or(cmp.Compare(b.Used, a.Used), cmp.Compare(a.Name, b.Name))
	})
	var others int64
	for i, t := range s.Tenants {
		if i >= maxTenants {
			others += t.Used
			continue
		}
		gauge(tenantUsedDesc, t.Used, t.Name)
		gauge(tenantLimitDesc, t.Limit, t.Name)
	}
	if others > 0 {
		gauge(tenantUsedDesc, others, otherTenant)
	}
}
