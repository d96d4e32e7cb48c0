// Package observe makes the host's doings visible: Prometheus metrics, the
// logger, one explained line for every connection that the host ended, and
// how full the process is.
package observe

import (
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
	"idlehost/sdk/abi"
)

// Metrics counts. Create it with NewMetrics. Safe for concurrent use.
//
// Every metric is declared here and called host_<room>_<noun>_<unit>. Labels
// take values from closed lists, but for the tenant, of which the first
// maxTenants are told apart.
type Metrics struct {
	registry *prometheus.Registry

	asks        *prometheus.CounterVec
	faults      *prometheus.CounterVec
	askTime     *prometheus.HistogramVec
	gaps        *prometheus.HistogramVec
	late        *prometheus.CounterVec
	closed      *prometheus.CounterVec
	bytes       *prometheus.CounterVec
	requests    *prometheus.CounterVec
	suppressed  *prometheus.CounterVec
	undelivered *prometheus.CounterVec
	unrecorded  *prometheus.CounterVec
	returned    *prometheus.CounterVec
	loads       *prometheus.CounterVec
	charged     *prometheus.CounterVec
	reloads     *prometheus.CounterVec
	uploads     *prometheus.CounterVec
	steps       *prometheus.CounterVec
	reverts     prometheus.Counter

	// byTenant are the families that tell tenants apart.
	byTenant []interface {
		DeletePartialMatch(prometheus.Labels) int
	}

	tenants sync.Map // of *series by tenant
	mu      sync.Mutex
	known   int // tenants told apart; guarded by mu
}

const (
	maxTenants  = 256
	otherTenant = "_other"
)

// NewMetrics returns metrics on a registry of their own, which also carries
// the Go runtime's and the process's.
func NewMetrics(version string) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(),
		asks: counter("host_policy_asks_total",
			"Questions asked, by what came of them: the policy's extend, close or default, the native policy, or the fallback to it.",
			"tenant", "event", "outcome"),
		faults: counter("host_policy_faults_total",
			"Questions that the tenant's policy could not answer, by cause.", "tenant", "cause"),
		askTime: histogram("host_policy_ask_duration_seconds",
			"Time that answering a question took.", prometheus.ExponentialBuckets(100e-9, 2, 18), "tenant", "event"),
		gaps: histogram("host_idle_reused_gap_seconds",
			"Idle gaps of clients' connections that ended in another request.",
			prometheus.ExponentialBuckets(0.016, 2, 24), "tenant"),
		late: counter("host_idle_late_requests_total",
			"Requests that arrived just after their connection was closed: lost with it, or made on a new connection.",
			"tenant", "kind"),
		closed: counter("host_idle_closed_connections_total",
			"Connections that have ended, by phase and reason.", "tenant", "side", "phase", "reason"),
		bytes: counter("host_idle_transferred_bytes_total",
			"Bytes of connections that have ended.", "tenant", "side", "direction"),
		requests: counter("host_idle_served_requests_total",
			"Requests of connections that have ended.", "tenant", "side"),
		suppressed: counter("host_log_suppressed_lines_total",
			"Connection lines left out because the tenant was over its rate.", "tenant"),
		undelivered: counter("host_policy_undelivered_decisions_total",
			"Decisions left out of streams because the reader was too slow or the tenant's decisions came too fast.", "tenant"),
		unrecorded: counter("host_record_dropped_records_total",
			"Records of a tenant left out because they came faster than they could be written.", "tenant"),
		loads: counter("host_policy_loads_total",
			"Policies loaded, by outcome: ok, or the cause of the failure.", "tenant", "outcome"),
		charged: counter("host_policy_processor_seconds_total",
			"Processor time charged to tenants for uploads, checks, loads and rollout steps, compiling included.", "tenant"),
		returned: counter("host_idle_returned_clients_total",
			"Clients that came back on a new connection after theirs was closed while idle.", "tenant"),
		reloads: counter("host_app_reloads_total",
			"Reloads of the configuration, by outcome.", "outcome"),
		uploads: counter("host_policy_uploads_total",
			"Policies sent to the admin API, by outcome.", "outcome"),
		steps: counter("host_rollout_steps_total",
			"Steps of rollouts that somebody took, by kind.", "step"),
		reverts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "host_rollout_automatic_rollbacks_total",
			Help: "Canaries that the host took back because they did worse.",
		}),
	}
	build := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "host_build_info", Help: "1, labelled with the version of the host.",
	}, []string{"version"})
	build.WithLabelValues(version).Set(1)
	m.registry.MustRegister(m.asks, m.faults, m.askTime, m.gaps, m.late, m.closed, m.bytes, m.requests,
		m.suppressed, m.unrecorded, m.undelivered, m.returned, m.loads, m.charged, m.reloads, m.uploads, m.steps, m.reverts, build,
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	for _, v := range []*prometheus.CounterVec{
		m.asks, m.faults, m.late, m.closed, m.bytes, m.requests, m.suppressed, m.unrecorded, m.undelivered, m.returned, m.loads, m.charged,
	} {
		m.byTenant = append(m.byTenant, v)
	}
	m.byTenant = append(m.byTenant, m.askTime, m.gaps)
	for _, outcome := range []string{"ok", "error"} {
		m.reloads.WithLabelValues(outcome)
	}
	for _, outcome := range uploadOutcomes {
		m.uploads.WithLabelValues(outcome)
	}
	for _, step := range rolloutSteps {
		m.steps.WithLabelValues(step)
	}
	return m
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels)
}

func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: name, Help: help, Buckets: buckets}, labels)
}

// Asked counts a question. It allocates nothing.
func (m *Metrics) Asked(a *idle.Account, ask *policy.Ask, v policy.Verdict, took time.Duration) {
	s, kind := m.of(a), int(ask.Event.Kind)
	if kind >= kinds {
		return
	}
	s.ask(kind, outcomeOf(v)).Inc()
	s.took(kind).Observe(took.Seconds())
	if v.Source == policy.SourceFallback && int(v.Fault) < len(s.faults) {
		s.fault(v.Fault).Inc()
	}
}

// Reused counts an idle gap. It is called once per request, and allocates
// nothing.
func (m *Metrics) Reused(a *idle.Account, gap time.Duration) {
	m.of(a).gap().Observe(gap.Seconds())
}

// Late counts a client that wanted its connection just after it was closed.
func (m *Metrics) Late(a *idle.Account, _ uint64, _ time.Duration, lost bool) {
	m.of(a).late(lost).Inc()
}

// Returned counts a client that came back.
func (m *Metrics) Returned(a *idle.Account, _ uint64, _ time.Duration) {
	m.of(a).back().Inc()
}

// Ended counts the end of a connection.
func (m *Metrics) Ended(e *idle.End) {
	name, side := m.of(e.Account).name, abi.Side(e.Side).String()
	m.closed.WithLabelValues(name, side, e.Phase.String(), e.Reason.String()).Inc()
	m.bytes.WithLabelValues(name, side, "in").Add(float64(e.BytesIn))
	m.bytes.WithLabelValues(name, side, "out").Add(float64(e.BytesOut))
	m.requests.WithLabelValues(name, side).Add(float64(e.Requests))
}

// Loaded counts an attempt to load a tenant's policy; FaultNone is success.
func (m *Metrics) Loaded(tenant string, fault policy.Fault) {
	outcome := "ok"
	if fault != policy.FaultNone {
		outcome = fault.String()
	}
	m.loads.WithLabelValues(m.named(tenant).name, outcome).Inc()
}

// Charged counts processor time that a tenant was charged.
func (m *Metrics) Charged(tenant string, cpu time.Duration) {
	m.charged.WithLabelValues(m.named(tenant).name).Add(cpu.Seconds())
}

// Unrecorded counts records of a tenant that a recording has left out.
func (m *Metrics) Unrecorded(tenant string, records uint64) {
	m.unrecorded.WithLabelValues(m.named(tenant).name).Add(float64(records))
}

// Reloaded counts a reload of the configuration.
func (m *Metrics) Reloaded(err error) {
	outcome := "ok"
	if err != nil {
		outcome = "error"
	}
	m.reloads.WithLabelValues(outcome).Inc()
}

// What an upload may come to.
const (
	UploadCreated   = "created"   // the tenant has a new version
	UploadKnown     = "known"     // it had it already
	UploadRefused   = "refused"   // the module is no policy that the host runs
	UploadSignature = "signature" // missing or wrong
	UploadTooLarge  = "too_large"
	UploadStorage   = "storage" // no room for it on the disk
	UploadBusy      = "busy"    // to be tried again later
	UploadError     = "error"   // anything else
)

var uploadOutcomes = []string{UploadCreated, UploadKnown, UploadRefused, UploadSignature, UploadTooLarge, UploadStorage, UploadBusy, UploadError}

// Uploaded counts a policy that was sent, by one of the outcomes above; another
// counts as an error.
func (m *Metrics) Uploaded(outcome string) {
	if !slices.Contains(uploadOutcomes, outcome) {
		outcome = UploadError
	}
	m.uploads.WithLabelValues(outcome).Inc()
}

var rolloutSteps = []string{"shadow", "canary", "promote", "rollback"}

// Stepped counts a step of a rollout, as the API calls it: shadow, canary,
// promote or rollback. What has another name is not counted.
func (m *Metrics) Stepped(step string) {
	if slices.Contains(rolloutSteps, step) {
		m.steps.WithLabelValues(step).Inc()
	}
}

// Reverted counts a canary that the host took back by itself.
func (m *Metrics) Reverted() { m.reverts.Inc() }

var _ idle.Observer = (*Metrics)(nil)
