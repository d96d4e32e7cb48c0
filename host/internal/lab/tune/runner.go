package tune

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"idlehost/host/internal/lab"
)

// runner runs replays, several at once.
type runner struct {
	cfg  *Config
	span lab.Span // that is fitted to

	mu   sync.Mutex // guards the following fields, and is held while Progress is told
	done int
	most int
}

// run plays all policies and returns what they did, in their order. The first
// error ends it.
func (r *runner) run(ctx context.Context, policies []lab.Policy, s lab.Span) ([]*lab.Played, error) {
	played := make([]*lab.Played, len(policies))
	return played, lab.Each(ctx, r.cfg.workers(), len(policies), func(ctx context.Context, i int) (err error) {
		if played[i], err = r.cfg.Play(ctx, policies[i], s); err != nil {
			return fmt.Errorf("%s%w", told(policies[i].Params), err)
		}
		r.tell()
		return nil
	})
}

func (r *runner) tell() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done++
	if r.cfg.Progress != nil {
		r.cfg.Progress(r.done, max(r.most, r.done))
	}
}

// told says with which parameters something happened.
func told(params map[string]string) string {
	if len(params) == 0 {
		return ""
	}
	return "with " + strings.Join(pairs(params), " ") + ": "
}

// pairs writes parameters as key=value, sorted.
func pairs(params map[string]string) []string {
	list := make([]string, 0, len(params))
	for _, key := range slices.Sorted(maps.Keys(params)) {
		list = append(list, key+"="+params[key])
	}
	return list
}
