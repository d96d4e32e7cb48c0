package logs

import (
	"errors"
	"testing"
	"time"
)

func TestDecimals(t *testing.T) {
	for _, c := range []struct {
		text string
		unit int64
		want int64
		err  error
	}{
		{"0", 1e6, 0, nil},
		{"1500", 1e6, 1_500_000_000, nil},
		{"0.002", 1e9, 2_000_000, nil},
		{"1.0000000019", 1e9, 1_000_000_001, nil},
		{"0.5", 1, 0, nil},
		{"7.", 1e9, 7_000_000_000, nil},
		{"2.5e-3", 1e9, 2_500_000, nil},
		{"2E2", 1e6, 200_000_000, nil},
		{"", 1, 0, errNumber},
		{".5", 1, 0, errNumber},
		{"-1", 1, 0, errNumber},
		{"1x", 1, 0, errNumber},
		{"1.x", 1, 0, errNumber},
		{"1e400", 1, 0, errNumber},
		{"-1e3", 1, 0, errRange},
		{"1e300", 1, 0, errRange},
		{"9999999999999999999", 1e9, 0, errRange},
		{"99999999999999999999", 1, 0, errNumber},
	} {
		if got, err := decimal([]byte(c.text), c.unit); got != c.want && c.err == nil || !errors.Is(err, c.err) {
			t.Errorf("%q of %d: %d, %v; want %d, %v", c.text, c.unit, got, err, c.want, c.err)
		}
	}
}

func TestLengths(t *testing.T) {
	for _, c := range []struct {
		text string
		unit int64
		want time.Duration
		err  bool
	}{
		{"0.25", 1e9, 250 * time.Millisecond, false},
		{"12", 1e6, 12 * time.Millisecond, false},
		{"12", 0, 0, false}, // of what?
		{"1.5ms", 1e9, 1500 * time.Microsecond, false},
		{"2m0s", 0, 2 * time.Minute, false},
		{"-", 1e9, 0, false},
		{"", 1e9, 0, false},
		{"-1", 1e9, 0, true},
		{"-1s", 1e9, 0, true},
		{"9000h", 1e9, 0, true},
		{"soon as", 1e9, 0, true},
		{"999999999999", 1e9, 0, true},
	} {
		if got, err := length([]byte(c.text), c.unit); err == nil && time.Duration(got) != c.want || (err != nil) != c.err {
			t.Errorf("%q of %d: %v, %v", c.text, c.unit, time.Duration(got), err)
		}
	}
}

func FuzzNumbers(f *testing.F) {
	f.Add("12.5", int64(1e9))
	f.Add("1e3", int64(1))
	f.Add("1.5ms", int64(1e6))
	f.Fuzz(func(t *testing.T, text string, unit int64) {
		unit = []int64{1, 1e3, 1e6, 1e9}[uint64(unit)%4]
		if ns, err := decimal([]byte(text), unit); err == nil && ns < 0 {
			t.Errorf("decimal %q is %d", text, ns)
		}
		if ns, err := length([]byte(text), unit); err == nil && (ns < 0 || ns > longest) {
			t.Errorf("length %q is %d", text, ns)
		}
		if n, err := octets([]byte(text)); err == nil && n > 1<<40 {
			t.Errorf("%q are %d bytes", text, n)
		}
	})
}
