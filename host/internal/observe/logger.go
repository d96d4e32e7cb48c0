package observe

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// NewLogger returns a logger that writes text or json to w, and the level
// that it keeps to, which may be changed while it is used. A Writer is told
// whose each line is: the tenant of the attribute that is called so.
func NewLogger(w io.Writer, format, level string) (*slog.Logger, *slog.LevelVar, error) {
	v := new(slog.LevelVar)
	l, err := ParseLevel(level)
	if err != nil {
		return nil, nil, err
	}
	v.Set(l)
	options := &slog.HandlerOptions{Level: v}
	var newHandler func(io.Writer) slog.Handler
	switch format {
	case "text":
		newHandler = func(w io.Writer) slog.Handler { return slog.NewTextHandler(w, options) }
	case "json":
		newHandler = func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, options) }
	default:
		return nil, nil, fmt.Errorf("unknown log format %q", format)
	}
	if queue, ok := w.(*Writer); ok {
		return slog.New(newLineHandler(queue, v, newHandler)), v, nil
	}
	return slog.New(newHandler(w)), v, nil
}

// ParseLevel reads debug, info, warn or error.
func ParseLevel(level string) (slog.Level, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(strings.ToUpper(level))); err != nil {
		return 0, fmt.Errorf("unknown log level %q", level)
	}
	return l, nil
}
