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
		taken := func() (n int) {
			for b.take(time.Now()) {
				n++
			}
			return n
		}
		if n := taken(); n != 2 {
			t.Errorf("burst of %d, want 2", n)
		}
		time.Sleep(100*time.Millisecond - 1)
		if taken() != 0 {
			t.Error("token before its time")
		}
		time.Sleep(1)
		if n := taken(); n != 1 {
			t.Errorf("%d tokens after the time of one", n)
		}
		time.Sleep(time.Hour)
		if n := taken(); n != 2 {
			t.Errorf("an hour of rest gives %d, want the burst of 2", n)
		}
	})
}
