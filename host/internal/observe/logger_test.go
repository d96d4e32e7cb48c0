package observe

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestNewLogger(t *testing.T) {
	var out bytes.Buffer
	logger, level, err := NewLogger(&out, "json", "warn")
	if err != nil {
		t.Fatal(err)
	}
	logger.Info("hidden")
	level.Set(slog.LevelInfo)
	logger.Info("shown", "a", 1)
	if s := out.String(); strings.Contains(s, "hidden") || !strings.Contains(s, `"msg":"shown","a":1}`) {
		t.Errorf("out = %s", s)
	}
	for _, bad := range [][2]string{{"xml", "info"}, {"text", "loud"}} {
		if _, _, err := NewLogger(&out, bad[0], bad[1]); err == nil {
			t.Errorf("%v is accepted", bad)
		}
	}
}

func TestBucket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := bucket{rate: 10, burst: 2}
		if !b.take(time.Now()) || !b.take(time.Now()) || b.take(time.Now()) {
			t.Error("burst is not 2")
		}
		time.Sleep(100*time.Millisecond - 1)
		if b.take(time.Now()) {
			t.Error("token before its time")
		}
		time.Sleep(1)
		if !b.take(time.Now()) {
			t.Error("no token after its time")
		}
		time.Sleep(time.Hour)
		if !b.take(time.Now()) || !b.take(time.Now()) || b.take(time.Now()) {
			t.Error("an hour's rest gives more than the burst")
		}
	})
}
