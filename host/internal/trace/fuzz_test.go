package trace

import (
	"bytes"
	"errors"
	"io"
	"os"
	"reflect"
	"testing"

	"idlehost/host/internal/policy"
)

// FuzzReader reads anything: it ends, and what it yields is in range.
func FuzzReader(f *testing.F) {
	_, file, at := lives(f, 3)
	f.Add(file)
	f.Add(file[:at[1]+30])
	f.Add(append(bytes.Clone(file[:at[1]]), file[at[2]-9:]...))
	f.Add(written(f, header, every()))
	for _, name := range []string{"v1", "live-1", "v2", "live-2"} {
		file, err := os.ReadFile("testdata/" + name + ".trace")
		check(f, err)
		f.Add(file)
	}
	f.Add([]byte("\x1f\x8b\x08\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, file []byte) {
		r, err := NewReader(bytes.NewReader(file))
		if err != nil {
			return
		}
		var x Record
		for err = r.Next(&x); err == nil; err = r.Next(&x) {
			if why := x.check(); why != nil {
				t.Fatal(why)
			}
			_ = x.String()
		}
		if !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
		if places, lost := r.Skipped(); lost > int64(len(file)) && places == 0 {
			t.Fatalf("skipped %d places, %d bytes of %d", places, lost, len(file))
		}
	})
}

// FuzzRecords reads any bytes as a frame's records of either version. Whatever
// it yields can be written, and is read back as it was.
func FuzzRecords(f *testing.F) {
	for _, step := range []int64{0, 1, 10e6} {
		h := header
		h.Granularity = step
		file := written(f, h, every())
		f.Add(file[len(h.append(nil))+frameHead:], step, uint16(Version))
	}
	f.Add(append(version1Question(0), version1Question(policy.RoleShadow)...), int64(0), uint16(1))
	f.Fuzz(func(t *testing.T, records []byte, step int64, version uint16) {
		d := decoder{state: newState(&Header{Start: header.Start, Granularity: max(min(step, MaxTime), 0)}), version: version}
		d.begin(records)
		var all []Record
		for d.more() {
			var x Record
			if ok, err := d.record(&x); err != nil {
				break
			} else if ok {
				all = append(all, owned(x))
			}
			if d.owed {
				d.takeAnswer(&x)
				all = append(all, owned(x))
			}
		}
		h := header
		h.Granularity = max(min(step, MaxTime), 0)
		r, got := read(t, written(t, h, all, len(all)/2))
		if _, why := r.Torn(); why != nil || len(got)+len(all) > 0 && !reflect.DeepEqual(got, all) {
			t.Fatalf("torn: %v; got\n%+v, want\n%+v", why, got, all)
		}
	})
}
