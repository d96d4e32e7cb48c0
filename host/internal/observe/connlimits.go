package observe

import (
	"github.com/prometheus/client_golang/prometheus"

	"idlehost/host/internal/idle"
)

// ConnLimits tells how many connections and descriptors there may be, and how
// many of them there are; idle.Governor does.
type ConnLimits interface {
	// Descriptors is how many descriptors connections have, and how many they
	// may; 0: any number.
	Descriptors() (used, most int)
	// Limit is how many clients' connections fit; 0: any number.
	Limit() int
	// Evictions and Refusals count idle connections that had to go and new ones
	// that were turned away.
	Evictions(idle.Cause) uint64
	Refusals(idle.Cause) uint64
}

// WatchConnLimits registers metrics of them, and of connections that were evicted
// and refused because of them. It is called once.
func (m *Metrics) WatchConnLimits(l ConnLimits) { m.registry.MustRegister(connLimitsCollector{l}) }

var (
	usedDescriptorsDesc = prometheus.NewDesc("host_idle_used_descriptors",
		"Descriptors that connections of both sides have.", nil, nil)
	allowedDescriptorsDesc = prometheus.NewDesc("host_idle_allowed_descriptors",
		"Descriptors that connections of both sides may have; 0: any number.", nil, nil)
	allowedConnsDesc = prometheus.NewDesc("host_idle_allowed_connections",
		"Clients' connections that may be open: as configured, or what descriptors allow; 0: any number.", nil, nil)
	evictedConnsDesc = prometheus.NewDesc("host_idle_evicted_connections_total",
		"Idle connections that were ended to make room, by what was short.", []string{"cause"}, nil)
	refusedConnsDesc = prometheus.NewDesc("host_idle_refused_connections_total",
		"New connections that were turned away, by what was short.", []string{"cause"}, nil)
)

type connLimitsCollector struct{ limits ConnLimits }

func (c connLimitsCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{usedDescriptorsDesc, allowedDescriptorsDesc, allowedConnsDesc, evictedConnsDesc, refusedConnsDesc} {
		ch <- d
	}
}

func (c connLimitsCollector) Collect(ch chan<- prometheus.Metric) {
	used, most := c.limits.Descriptors()
	ch <- prometheus.MustNewConstMetric(usedDescriptorsDesc, prometheus.GaugeValue, float64(used))
	ch <- prometheus.MustNewConstMetric(allowedDescriptorsDesc, prometheus.GaugeValue, float64(most))
	ch <- prometheus.MustNewConstMetric(allowedConnsDesc, prometheus.GaugeValue, float64(c.limits.Limit()))
	for _, cause := range idle.Causes() {
		ch <- prometheus.MustNewConstMetric(evictedConnsDesc, prometheus.CounterValue, float64(c.limits.Evictions(cause)), cause.String())
		ch <- prometheus.MustNewConstMetric(refusedConnsDesc, prometheus.CounterValue, float64(c.limits.Refusals(cause)), cause.String())
	}
}
