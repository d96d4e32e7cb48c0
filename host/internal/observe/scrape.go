package observe

import (
	"log/slog"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
)

// Connections lists the open connections; idle.Governor does.
type Connections interface {
	Each(func(*idle.Conn) bool)
	// Parked is how many of them nothing is kept for but a record.
	Parked() int
}

// Watch adds what is looked up at every scrape instead of being counted: the
// open connections, how full the process is, and the lines that the logger
// dropped. It is called once.
func (m *Metrics) Watch(conns Connections, p *Process, w *Writer) {
	m.registry.MustRegister(openCollector{m: m, conns: conns}, pressureCollector{p})
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "host_idle_parked_connections",
		Help: "Open connections that hold no goroutine and no buffer.",
	}, func() float64 { return float64(conns.Parked()) }))
	m.registry.MustRegister(droppedCollector{m, w})
}

// WatchTenants adds how many tenants the host knows, and how many guests it has
// loaded for them. It is called once.
func (m *Metrics) WatchTenants(known, guests func() int) {
	m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "host_app_known_tenants", Help: "Tenants that the host knows.",
	}, func() float64 { return float64(known()) }), prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "host_policy_loaded_guests", Help: "Instances of policies that are loaded.",
	}, func() float64 { return float64(guests()) }))
}

// WatchRecordings adds what all recordings together have come to: records
// written, records left out, and bytes. It is called once.
func (m *Metrics) WatchRecordings(sums func() (records, dropped uint64, bytes int64)) {
	for name, one := range map[string]struct {
		help  string
		value func() float64
	}{
		"host_record_records_total": {"Records written to recordings of connections' lives.",
			func() float64 { n, _, _ := sums(); return float64(n) }},
		"host_record_dropped_total": {"Records left out because they came faster than they could be written.",
			func() float64 { _, n, _ := sums(); return float64(n) }},
		"host_record_bytes_total": {"Bytes written to recordings.",
			func() float64 { _, _, n := sums(); return float64(n) }},
	} {
		m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: one.help}, one.value))
	}
}

// Handler serves the metrics in the formats that Prometheus reads.
func (m *Metrics) Handler(logger *slog.Logger) http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelError),
		EnableOpenMetrics: true,
		// A scrape walks all connections; a second one at once gains nothing.
		MaxRequestsInFlight: 2,
	})
}

var openDesc = prometheus.NewDesc("host_idle_open_connections",
	"Open connections.", []string{"tenant", "side", "protocol", "phase"}, nil)

// openCollector walks the connections at scrape time, so that the paths on
// which they change their phase need not count.
type openCollector struct {
	m     *Metrics
	conns Connections
}

type openKey struct {
	tenant   string
	side     policy.Side
	protocol policy.Protocol
	phase    policy.Phase
}

func (c openCollector) Describe(ch chan<- *prometheus.Desc) { ch <- openDesc }

func (c openCollector) Collect(ch chan<- prometheus.Metric) {
	open := map[openKey]int{}
	c.conns.Each(func(conn *idle.Conn) bool {
		open[openKey{c.m.of(conn.Account()).name, conn.Side(), conn.Protocol(), conn.ReportedPhase()}]++
		return true
	})
	for k, n := range open {
		ch <- prometheus.MustNewConstMetric(openDesc, prometheus.GaugeValue, float64(n),
			k.tenant, k.side.String(), k.protocol.String(), k.phase.String())
	}
}

var droppedDesc = prometheus.NewDesc("host_log_dropped_lines_total",
	"Log lines dropped because what reads them was too slow, by tenant; none: the host's own.", []string{"tenant"}, nil)

type droppedCollector struct {
	m *Metrics
	w *Writer
}

func (c droppedCollector) Describe(ch chan<- *prometheus.Desc) { ch <- droppedDesc }

func (c droppedCollector) Collect(ch chan<- prometheus.Metric) {
	by := map[string]uint64{}
	for tenant, n := range c.w.Dropped() {
		if _, known := c.m.tenants.Load(tenant); !known && tenant != "" {
			tenant = otherTenant
		}
		by[tenant] += n
	}
	for tenant, n := range by {
		ch <- prometheus.MustNewConstMetric(droppedDesc, prometheus.CounterValue, float64(n), tenant)
	}
}

var pressureDesc = prometheus.NewDesc("host_process_pressure_ratio",
	"How full the process is, 0 to 1, by kind: file descriptors, memory.", []string{"kind"}, nil)

type pressureCollector struct{ p *Process }

func (c pressureCollector) Describe(ch chan<- *prometheus.Desc) { ch <- pressureDesc }

func (c pressureCollector) Collect(ch chan<- prometheus.Metric) {
	now := c.p.Pressure()
	for kind, v := range map[string]uint16{"fds": now.Fds, "memory": now.Memory} {
		ch <- prometheus.MustNewConstMetric(pressureDesc, prometheus.GaugeValue, float64(v)/1000, kind)
	}
}
