package observe

import (
	"fmt"
	"io"
	"log/slog"
	"strings"
)

// NewLogger returns a logger that writes text or json to w, and the level
// that it keeps to, which may be changed while it is used.
func NewLogger(w io.Writer, format, level string) (*slog.Logger, *slog.LevelVar, error) {
	v := new(slog.LevelVar)
	l, err := ParseLevel(level)
	if err != nil {
		return nil, nil, err
	}
	v.Set(l)
	options := &slog.HandlerOptions{Level: v}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, options)), v, nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, options)), v, nil
	}
	return nil, nil, fmt.Errorf("unknown log format %q", format)
}

// ParseLevel reads debug, info, warn or error.
func ParseLevel(level string) (slog.Level, error) {
	var l slog.Level
	if err := l.UnmarshalText([]byte(strings.ToUpper(level))); err != nil {
		return 0, fmt.Errorf("unknown log level %q", level)
	}
	return l, nil
}
