//go:build !linux

package meter

import (
	"testing"
	"time"
)

var started = time.Now()

// threadTime is the time that passes, where the system tells no better.
func threadTime(testing.TB) time.Duration { return time.Since(started) }
