package observe

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Workers is how many worker processes of a kind there are, and what they do.
type Workers struct {
	Kind      string
	Processes int
	Policies  int
	Waiting   int // questions
}

// WorkerMetrics counts what becomes of worker processes. Metrics.WatchWorkers
// makes it.
type WorkerMetrics struct {
	m       *Metrics
	batches *prometheus.HistogramVec
	ended   *prometheus.CounterVec
	moved   *prometheus.CounterVec
	cpu     *prometheus.CounterVec
}

// WatchWorkers adds worker processes; look says how many there are. It is called
// once.
func (m *Metrics) WatchWorkers(look func() []Workers) *WorkerMetrics {
	w := &WorkerMetrics{
		m: m,
		batches: histogram("host_worker_batch_questions",
			"Questions that a worker process was asked at a time, by what the worker is for.", prometheus.ExponentialBuckets(1, 2, 9), "worker"),
		ended: counter("host_worker_ended_total",
			"Worker processes that ended otherwise than by the host's will, by what they were for and why.", "worker", "cause"),
		moved: counter("host_worker_moved_policies_total",
			"Policies that were moved to another worker process, by what that is for.", "worker"),
		cpu: counter("host_worker_processor_seconds_total",
			"Processor time that questions took in worker processes.", "tenant"),
	}
	m.registry.MustRegister(w.batches, w.ended, w.moved, w.cpu, workerCollector{look})
	m.mu.Lock()
	defer m.mu.Unlock()
	m.byTenant = append(m.byTenant, w.cpu)
	return w
}

// Batch counts questions that were asked together.
func (w *WorkerMetrics) Batch(worker string, questions int) {
	w.batches.WithLabelValues(worker).Observe(float64(questions))
}

// Ended counts a process that has ended.
func (w *WorkerMetrics) Ended(worker, cause string) { w.ended.WithLabelValues(worker, cause).Inc() }

// Moved counts a policy that has gone to another worker.
func (w *WorkerMetrics) Moved(worker string) { w.moved.WithLabelValues(worker).Inc() }

// Asked counts the processor time of a tenant's questions.
func (w *WorkerMetrics) Asked(tenant string, cpu time.Duration) {
	w.cpu.WithLabelValues(w.m.named(tenant).name).Add(cpu.Seconds())
}

var (
	workerProcessesDesc = prometheus.NewDesc("host_worker_processes",
		"Worker processes, by what they are for.", []string{"worker"}, nil)
	workerPoliciesDesc = prometheus.NewDesc("host_worker_policies",
		"Policies that belong to worker processes.", []string{"worker"}, nil)
	workerWaitingDesc = prometheus.NewDesc("host_worker_waiting_questions",
		"Questions that wait for worker processes.", []string{"worker"}, nil)
)

type workerCollector struct{ look func() []Workers }

func (c workerCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- workerProcessesDesc
	ch <- workerPoliciesDesc
	ch <- workerWaitingDesc
}

func (c workerCollector) Collect(ch chan<- prometheus.Metric) {
	for _, w := range c.look() {
		ch <- prometheus.MustNewConstMetric(workerProcessesDesc, prometheus.GaugeValue, float64(w.Processes), w.Kind)
		ch <- prometheus.MustNewConstMetric(workerPoliciesDesc, prometheus.GaugeValue, float64(w.Policies), w.Kind)
		ch <- prometheus.MustNewConstMetric(workerWaitingDesc, prometheus.GaugeValue, float64(w.Waiting), w.Kind)
	}
}
