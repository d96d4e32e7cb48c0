package cli

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"
	"unicode"

	"idlehost/host/internal/api"
	"idlehost/host/internal/tenant/spec"
)

func TestWords(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{age(-1), "0s"}, {age(59*time.Second + 999*time.Millisecond), "59s"}, {age(time.Minute), "1m"}, {age(119 * time.Minute), "119m"},
		{age(2 * time.Hour), "2h"}, {age(47 * time.Hour), "47h"}, {age(48 * time.Hour), "2d"}, {age(math.MaxInt64), "106751d"},
		{ago(time.Time{}), "-"}, {ago(time.Now().Add(-3*time.Minute - time.Second)), "3m"},
		{lasting(0), "0s"}, {lasting(830 * time.Millisecond), "830ms"}, {lasting(1499 * time.Millisecond), "1.5s"}, {lasting(30 * time.Second), "30s"},
		{lasting(10 * time.Second), "10s"}, {lasting(time.Minute), "1m"}, {lasting(125 * time.Second), "2m5s"}, {lasting(time.Hour), "1h"},
		{lasting(10 * time.Minute), "10m"}, {lasting(90 * time.Minute), "1h30m"}, {lasting(time.Hour + 10*time.Second), "1h0m10s"},
		{lasting(20 * time.Hour), "20h"}, {lasting(-500 * time.Millisecond), "-500ms"},
		{size(0), "0 B"}, {size(1023), "1023 B"}, {size(1024), "1.0 KiB"}, {size(1024*1024 - 1), "1.0 MiB"}, {size(1_900_000), "1.8 MiB"},
		{size(uint64(math.MaxUint64)), "16777216.0 TiB"}, {size(-5), "-5 B"},
		{count(0), "0"}, {count(999), "999"}, {count(1000), "1,000"}, {count(12400), "12,400"}, {count(1234567), "1,234,567"},
		{count(math.MaxUint64), "18,446,744,073,709,551,615"},
		{rate(0, 0), "-"}, {rate(0, 5), "0 %"}, {rate(972, 1000), "97.2 %"}, {rate(1, 1), "100 %"},
		{brisk(999), "999"}, {brisk(1000), "1.0K"}, {brisk(5120), "5.0K"}, {brisk(12 << 10), "12K"}, {brisk(999 << 10), "999K"},
		{brisk(1000 << 10), "1.0M"}, {brisk(math.MaxUint64), "16E"},
		{due(-1), "-"}, {due(0), "0s"}, {short("0123456789abcdef"), "0123456789ab"}, {short("abc"), "abc"}, {short(""), "-"},
		{cut("abcdef", 6), "abcdef"}, {cut("abcdefg", 6), "abc..."}, {cut("ääääääää", 6), "äää..."}, {cut("\x1b", 6), `\u001b`},
		{params(map[string]string{"b": "2", "a": "1"}), "a=1 b=2"}, {limit(0), "-"}, {limit(12400), "12,400"},
		{publicKey("untrusted comment: x\nRWabc\n"), "RWabc"}, {publicKey("RWabc"), "RWabc"}, {publicKey(""), ""},
		{until(time.Time{}), "never"}, {until(time.Now().Add(-1)), "expired"}, {until(time.Now().Add(90*time.Minute + time.Second)), "in 90m"},
	} {
		if tt.got != tt.want {
			t.Errorf("%q, want %q", tt.got, tt.want)
		}
	}
	for text, want := range map[string]time.Duration{"": 0, "12h": 12 * time.Hour, "90d": 90 * 24 * time.Hour, "1d": 24 * time.Hour} {
		if d, err := days(text); err != nil || d != want {
			t.Errorf("%s: %v, %v", text, d, err)
		}
	}
	for _, text := range []string{"0d", "-1d", "1.5d", "40000d", "99999999999999999999d", "soon", "-1h", "0s", "d"} {
		if d, err := days(text); err == nil {
			t.Errorf("%s is %v", text, d)
		}
	}
}

func TestComparisonsInWords(t *testing.T) {
	for _, tt := range []struct {
		c    api.Comparison
		want string
	}{
		{api.Comparison{}, "has not been asked yet"},
		{api.Comparison{Asks: 12400, Same: 12053, WouldClose: 136}, "agrees on 97.2 % of 12,400 answers; would have closed 1.1 % more"},
		{api.Comparison{Asks: 4, Same: 4, DeadlineRatio: 1.004}, "agrees on 100 % of 4 answers"},
		{api.Comparison{Asks: 10, WouldKeep: 1, Shorter: 2, Longer: 3, Faults: 4, DeadlineRatio: 0.5},
			"agrees on 0 % of 10 answers; would have kept 10 % more; keeps 20 % for less long; keeps 30 % for longer; fails at 40 %; its deadlines are 0.50 times as long"},
	} {
		if got := compared(&tt.c); got != tt.want {
			t.Errorf("%s, want %s", got, tt.want)
		}
	}
}

func TestVerdictsInWords(t *testing.T) {
	v := &spec.Rollback{Digest: strings.Repeat("9", 64), Automatic: true, Reason: "faults: 12.0 % of 1,240 answers against 0.1 % of 11,204", At: time.Now().Add(-3 * time.Minute)}
	if got := verdict(v); got != "999999999999, by the guard, 3m ago: faults: 12.0 % of 1,240 answers against 0.1 % of 11,204" {
		t.Error(got)
	}
}

func FuzzPlain(f *testing.F) {
	f.Add(evil)
	f.Add("plain")
	f.Fuzz(func(t *testing.T, text string) {
		got := plain(text)
		for _, c := range got {
			if !unicode.IsPrint(c) || c == unicode.ReplacementChar {
				t.Fatalf("%q in %q", c, got)
			}
		}
		if again := plain(got); again != got {
			t.Errorf("%q becomes %q", got, again)
		}
		var b bytes.Buffer
		if err := writeLine(&b, text); err != nil {
			t.Fatal(err)
		}
		for _, c := range b.Bytes()[:b.Len()-1] {
			if c < ' ' || c >= 0x7f {
				t.Fatalf("%q in %q", c, b.String())
			}
		}
		var back string
		if err := json.Unmarshal(b.Bytes(), &back); err != nil || back != strings.ToValidUTF8(text, "\ufffd") && !strings.Contains(back, "\ufffd") {
			t.Errorf("%q comes back as %q, %v", text, back, err)
		}
	})
}
