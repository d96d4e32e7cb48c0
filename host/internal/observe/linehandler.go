package observe

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"sync"
	"time"
)

// lineHandler hands a Writer each line together with its tenant. Goroutines
// format their lines at the same time: slog's own handlers hold a lock while
// they do.
type lineHandler struct {
	queue   *Writer
	level   slog.Leveler
	format  func(io.Writer) slog.Handler
	buffers *sync.Pool // of *lineBuffer
	tenant  string     // of lines that name none
	plain   *lineHandler
}

// lineBuffer formats one line at a time.
type lineBuffer struct {
	line    bytes.Buffer
	handler slog.Handler
}

// bufferBytes is the longest line whose memory is kept.
const bufferBytes = 16 << 10

// tenantKey is the attribute that names the tenant of a line.
const tenantKey = "tenant"

func newLineHandler(queue *Writer, level slog.Leveler, format func(io.Writer) slog.Handler) *lineHandler {
	h := &lineHandler{queue: queue, level: level, format: format, buffers: newBuffers(format)}
	h.plain = h
	return h
}

func newBuffers(format func(io.Writer) slog.Handler) *sync.Pool {
	return &sync.Pool{New: func() any {
		p := new(lineBuffer)
		p.handler = format(&p.line)
		return p
	}}
}

// Enabled reports whether lines of a level are written.
func (h *lineHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.level.Level()
}

// Handle queues a line, and logs how many of the same tenant's were dropped
// before it.
func (h *lineHandler) Handle(ctx context.Context, r slog.Record) error {
	tenant := h.tenant
	r.Attrs(func(a slog.Attr) bool {
		named := isTenant(a)
		if named {
			tenant = a.Value.String()
		}
		return !named
	})
	missed, _, err := h.write(ctx, tenant, r)
	if missed > 0 {
		h.tellMissed(ctx, tenant, missed)
	}
	return err
}

func (h *lineHandler) write(ctx context.Context, tenant string, r slog.Record) (missed uint64, ok bool, err error) {
	p := h.buffers.Get().(*lineBuffer)
	p.line.Reset()
	if err = p.handler.Handle(ctx, r); err == nil {
		missed, ok = h.queue.put(tenant, p.line.Bytes())
	}
	if p.line.Cap() <= bufferBytes {
		h.buffers.Put(p)
	}
	return missed, ok, err
}

// tellMissed logs how many lines of a tenant were dropped.
func (h *lineHandler) tellMissed(ctx context.Context, tenant string, missed uint64) {
	r := slog.NewRecord(time.Now(), slog.LevelWarn, "log lines dropped: what reads the log is too slow", 0)
	if tenant != "" {
		r.AddAttrs(slog.String(tenantKey, tenant))
	}
	r.AddAttrs(slog.Uint64("lines", missed))
	if _, ok, _ := h.plain.write(ctx, tenant, r); !ok {
		h.queue.restoreMissed(tenant, missed)
	}
}

// WithAttrs returns a handler of lines that have these attributes, too.
func (h *lineHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := h.with(func(inner slog.Handler) slog.Handler { return inner.WithAttrs(attrs) })
	for _, a := range attrs {
		if isTenant(a) {
			with.tenant = a.Value.String()
		}
	}
	return with
}

// WithGroup returns a handler of lines whose attributes are in a group.
func (h *lineHandler) WithGroup(name string) slog.Handler {
	return h.with(func(inner slog.Handler) slog.Handler { return inner.WithGroup(name) })
}

func (h *lineHandler) with(change func(slog.Handler) slog.Handler) *lineHandler {
	next, format := *h, h.format
	next.format = func(w io.Writer) slog.Handler { return change(format(w)) }
	next.buffers = newBuffers(next.format)
	return &next
}

func isTenant(a slog.Attr) bool { return a.Key == tenantKey && a.Value.Kind() == slog.KindString }

var _ slog.Handler = (*lineHandler)(nil)
