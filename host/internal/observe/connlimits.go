package observe

import (
	"github.com/prometheus/client_golang/prometheus"

	"idlehost/host/internal/idle"
)

// Room tells how much room there is for connections; idle.Governor does.
type Room interface {
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

// WatchRoom adds how much room there is for connections, and what became of
// those there was none for. It is called once.
func (m *Metrics) WatchRoom(r Room) { m.registry.MustRegister(roomCollector{r}) }

var (
	roomUsedDesc = prometheus.NewDesc("host_idle_used_descriptors",
		"Descriptors that connections of both sides have.", nil, nil)
	roomMostDesc = prometheus.NewDesc("host_idle_allowed_descriptors",
		"Descriptors that connections of both sides may have; 0: any number.", nil, nil)
	roomLimitDesc = prometheus.NewDesc("host_idle_allowed_connections",
		"Clients' connections that may be open: as configured, or what descriptors allow; 0: any number.", nil, nil)
	roomEvictedDesc = prometheus.NewDesc("host_idle_evicted_connections_total",
		"Idle connections that were ended to make room, by what was short.", []string{"cause"}, nil)
	roomRefusedDesc = prometheus.NewDesc("host_idle_refused_connections_total",
		"New connections that were turned away, by what was short.", []string{"cause"}, nil)
)

type roomCollector struct{ room Room }

func (c roomCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{roomUsedDesc, roomMostDesc, roomLimitDesc, roomEvictedDesc, roomRefusedDesc} {
		ch <- d
	}
}

func (c roomCollector) Collect(ch chan<- prometheus.Metric) {
	used, most := c.room.Descriptors()
	ch <- prometheus.MustNewConstMetric(roomUsedDesc, prometheus.GaugeValue, float64(used))
	ch <- prometheus.MustNewConstMetric(roomMostDesc, prometheus.GaugeValue, float64(most))
	ch <- prometheus.MustNewConstMetric(roomLimitDesc, prometheus.GaugeValue, float64(c.room.Limit()))
	for _, cause := range idle.Causes() {
		ch <- prometheus.MustNewConstMetric(roomEvictedDesc, prometheus.CounterValue, float64(c.room.Evictions(cause)), cause.String())
		ch <- prometheus.MustNewConstMetric(roomRefusedDesc, prometheus.CounterValue, float64(c.room.Refusals(cause)), cause.String())
	}
}
