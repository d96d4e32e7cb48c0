package cli

import (
	"strings"
	"time"

	"github.com/spf13/cobra"

	"idlehost/host/internal/trace/logs"
)

// logFlags say how logs are read.
type logFlags struct {
	client string
	fields []string
	unit   string
	stamp  string
	zone   string
	window time.Duration
}

func (f *logFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.client, "client", "address", "who a client is: `address`, address+agent, or the name of a field")
	flags.StringArrayVar(&f.fields, "field", nil,
		"`what=name` of a field or column; what is one of "+strings.Join(logs.Fields(), ", ")+"; repeatable")
	flags.StringVar(&f.unit, "unit", "", "`unit` of durations, where it is not known: s, ms, us or ns")
	flags.StringVar(&f.stamp, "stamp", "", "what a request's time is: its `start` or its end (default: as the server is known to have it)")
	flags.StringVar(&f.zone, "zone", "", "`zone` of times that do not tell theirs, such as UTC or Europe/Berlin")
	flags.DurationVar(&f.window, "window", 2*time.Minute, "how long after a line one that is older may come")
	completeWord(cmd, "client", "address", "address+agent")
	completeWord(cmd, "unit", "s", "ms", "us", "ns")
	completeWord(cmd, "stamp", "start", "end")
}

// config returns what the flags say.
func (f *logFlags) config(cmd *cobra.Command) (logs.Config, error) {
	cfg := logs.Config{
		Client: f.client, Stamp: f.stamp, Window: f.window,
		Host: "host " + version(), Stdin: cmd.InOrStdin(), Fields: map[string]string{},
	}
	for _, pair := range f.fields {
		what, name, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return cfg, usagef("such as --field time=ts", "--field: %q is not what=name", pair)
		}
		if _, twice := cfg.Fields[what]; twice {
			return cfg, usagef("once is enough", "--field: %s is given twice", what)
		}
		cfg.Fields[what] = name
	}
	units := map[string]time.Duration{"": 0, "s": time.Second, "ms": time.Millisecond, "us": time.Microsecond, "ns": time.Nanosecond}
	unit, ok := units[f.unit]
	if !ok {
		return cfg, usagef("s, ms, us or ns", "--unit: %q is none", f.unit)
	}
	cfg.Unit = unit
	if f.window <= 0 {
		return cfg, usagef("such as --window 2m", "--window: %v is no span of time", f.window)
	}
	if f.zone != "" {
		zone, err := time.LoadLocation(f.zone)
		if err != nil {
			return cfg, usagef("such as UTC or Europe/Berlin", "--zone: %v", err)
		}
		cfg.Zone = zone
	}
	return cfg, nil
}
