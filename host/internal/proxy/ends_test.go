package proxy_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"idlehost/host/internal/idle"
	"idlehost/host/internal/policy"
)

// ends remembers how connections ended.
type ends struct {
	silence
	mu   sync.Mutex
	list []idle.End
}

func (e *ends) Ended(end *idle.End) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, *end)
}

func (e *ends) all() []idle.End {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]idle.End(nil), e.list...)
}

// want waits for n ends and checks their reason.
func (e *ends) want(t *testing.T, n int, reason policy.Reason) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d ends", n), func() bool { return len(e.all()) >= n })
	for _, end := range e.all() {
		if end.Reason != reason {
			t.Errorf("ended for %v, want %v", end.Reason, reason)
		}
	}
}

type silence struct{}

func (silence) Asked(*idle.Account, *policy.Ask, policy.Verdict, time.Duration) {}
func (silence) Reused(*idle.Account, time.Duration)                             {}
func (silence) Late(*idle.Account, uint64, time.Duration, bool)                 {}
func (silence) Returned(*idle.Account, uint64, time.Duration)                   {}
func (silence) Ended(*idle.End)                                                 {}
