package trace

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"idlehost/host/internal/policy"
)

// TestBytesOfARequest: Begin, Phase and End on one of many connections, opens
// and frames included.
func TestBytesOfARequest(t *testing.T) {
	const requests, conns = 100_000, 10_000
	all := busy(3*requests, conns)
	file := written(t, header, all)
	if got := float64(len(file)) / requests; got > 20 {
		t.Errorf("%.1f bytes a request", got)
	}
	if got := float64(len(written(t, header, all[:conns]))) / conns; got > 20 {
		t.Errorf("%.1f bytes an open", got)
	}
	for _, late := range []int{0, 100} {
		if got := float64(len(written(t, header, asks(10_000, 1000, late)))) / 10_000; got > 120 {
			t.Errorf("%.1f bytes a question, answered after %d others", got, late)
		}
	}
}

func TestNothingIsAllocated(t *testing.T) {
	all := append(busy(3<<12, 100), asks(1<<12, 100, 0)...)
	all = append(all, every()[1]) // rules
	w, err := NewWriter(io.Discard, header, Config{})
	check(t, err)
	i := 0
	if n := testing.AllocsPerRun(2*len(all), func() {
		if err := w.Write(&all[i%len(all)]); err != nil {
			t.Fatal(err)
		}
		i++
	}); n != 0 {
		t.Errorf("%v allocations a record written", n)
	}
	r, err := NewReader(bytes.NewReader(written(t, header, all)))
	check(t, err)
	var x Record
	if n := testing.AllocsPerRun(len(all)-2, func() {
		if err := r.Next(&x); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations a record read", n)
	}
}

// TestReaderTakesLittle: whatever it is given.
func TestReaderTakesLittle(t *testing.T) {
	_, file, at := lives(t, 2)
	for name, in := range map[string]io.Reader{
		"a good file":     bytes.NewReader(written(t, header, busy(1<<16, 100))),
		"zeros":           io.MultiReader(bytes.NewReader(file[:at[1]]), io.LimitReader(zeros{}, 64<<20)),
		"syncs":           io.MultiReader(bytes.NewReader(file[:at[1]]), strings.NewReader(strings.Repeat(mark, 1<<20))),
		"claims of 4 GB":  io.MultiReader(bytes.NewReader(file[:at[1]]), strings.NewReader(strings.Repeat(mark+"\xff\xff\xff\xff", 1<<20))),
		"claims of 256 K": io.MultiReader(bytes.NewReader(file[:at[1]]), strings.NewReader(strings.Repeat(mark+"\x00\x00\x04\x00", 1<<20))),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r, err := NewReader(in)
		check(t, err)
		var x Record
		for err == nil {
			err = r.Next(&x)
		}
		runtime.ReadMemStats(&after)
		if got := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, io.EOF) || got > 400<<10 {
			t.Errorf("%s: %d bytes allocated, %v", name, got, err)
		}
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestGzip(t *testing.T) {
	all := busy(3<<14, 100)
	file := written(t, header, all)
	var b bytes.Buffer
	// Two members, as where two compressed parts were joined.
	for _, part := range [][]byte{file[:len(file)/2], file[len(file)/2:]} {
		z := gzip.NewWriter(&b)
		z.Write(part)
		z.Close()
	}
	r, got := read(t, b.Bytes())
	if _, why := r.Torn(); why != nil || !reflect.DeepEqual(got, all) {
		t.Errorf("%d records, want %d, torn: %v", len(got), len(all), why)
	}
	for _, n := range []int{b.Len() - 1, b.Len() - 9, b.Len() / 2} {
		r, got = read(t, b.Bytes()[:n])
		if len(got) == 0 || len(got) > len(all) || !reflect.DeepEqual(got, all[:len(got)]) {
			t.Errorf("cut at %d: %d records", n, len(got))
		}
		if _, why := r.Torn(); why == nil {
			t.Errorf("cut at %d: not torn", n)
		}
	}
}

func TestLongestRecords(t *testing.T) {
	all := []Record{
		{Kind: KindTenant, Tenant: 1<<32 - 1, Name: strings.Repeat("n", MaxName)},
		{Kind: KindPolicy, Name: strings.Repeat("n", MaxName), Params: strings.Repeat("p", MaxParams)},
		{Kind: KindOpen, Time: MaxTime, Conn: 1<<64 - 1, Age: -MaxTime, BytesIn: 1<<64 - 1, BytesOut: 1<<64 - 1},
		{Kind: KindHint, Time: -MaxTime, Conn: 1, Since: MaxTime},
		{Kind: KindLost, Count: MaxCount},
	}
	for _, step := range []int64{0, 3, 10e6, MaxTime} {
		h := header
		h.Granularity = step
		h.Host, h.Origin = strings.Repeat("h", MaxText), strings.Repeat("o", MaxText)
		if r, got := read(t, written(t, h, all)); !reflect.DeepEqual(got, all) || r.Header() != h {
			t.Errorf("step %d: got %d records", step, len(got))
		}
	}
}

func TestWriterRefuses(t *testing.T) {
	w, err := NewWriter(io.Discard, header, Config{})
	check(t, err)
	size := w.Size()
	law := policy.Verdict{Fault: policy.Faults}
	for _, r := range []Record{
		{}, {Kind: kindEnd}, {Kind: 255},
		{Kind: KindEnd}, {Kind: KindHint, Conn: 1, Time: MaxTime + 1}, {Kind: KindHint, Conn: 1, Since: -MaxTime - 1},
		{Kind: KindOpen, Conn: 1, Phase: 16}, {Kind: KindOpen, Conn: 1, Protocol: 16}, {Kind: KindOpen, Conn: 1, Side: 2},
		{Kind: KindOpen, Conn: 1, Age: 1 << 62}, {Kind: KindClose, Conn: 1, Reason: 9}, {Kind: KindClose, Conn: 1, Since: 1 << 62},
		{Kind: KindAsk, Conn: 1}, {Kind: KindAnswer, Conn: 1}, {Kind: KindAnswer, Answer: &Answer{}},
		{Kind: KindAnswer, Conn: 1, Answer: &Answer{Verdict: law}},
		{Kind: KindAnswer, Conn: 1, Answer: &Answer{Verdict: policy.Verdict{Action: 16}}},
		{Kind: KindAnswer, Conn: 1, Answer: &Answer{Verdict: policy.Verdict{Deadline: 1 << 62}}},
		{Kind: KindTenant, Name: strings.Repeat("n", MaxName+1)}, {Kind: KindPolicy, Params: strings.Repeat("p", MaxParams+1)},
		{Kind: KindPolicy, Role: 3}, {Kind: KindRules}, {Kind: KindRules, Side: 2, Rules: &Rules{}},
		{Kind: KindRules, Rules: &Rules{Timeouts: policy.Timeouts{15: {Max: -1}}}}, {Kind: KindRules, Rules: &Rules{Limits: policy.Limits{Worth: -1}}},
		{Kind: KindLost, Count: MaxCount + 1},
	} {
		if err := w.Write(&r); err == nil {
			t.Errorf("%+v is taken", r)
		}
	}
	if w.Size() != size || w.Records() != 0 {
		t.Errorf("size %d, %d records", w.Size(), w.Records())
	}
	check(t, w.Write(&Record{Kind: KindLost}))
	long := strings.Repeat("x", MaxText+1)
	for _, h := range []Header{{Host: long}, {Origin: long}, {Granularity: -1}, {Granularity: MaxTime + 1}, {Sample: 65537}} {
		if _, err := NewWriter(io.Discard, h, Config{}); err == nil {
			t.Errorf("%+v is taken", h)
		}
	}
	for _, n := range []int{-1, frameCut + 1} {
		if _, err := NewWriter(io.Discard, header, Config{Frame: n}); err == nil {
			t.Errorf("a frame of %d is taken", n)
		}
	}
}

// full takes so many bytes.
type full struct{ left int }

func (f *full) Write(p []byte) (int, error) {
	n := min(len(p), f.left)
	f.left -= n
	if n < len(p) {
		return n, errors.New("no space left")
	}
	return n, nil
}

func TestWriterEndsWithItsDisk(t *testing.T) {
	if _, err := NewWriter(&full{10}, header, Config{}); err == nil {
		t.Error("a header is written to a full disk")
	}
	f := &full{1000}
	w, err := NewWriter(f, header, Config{Frame: 500})
	check(t, err)
	all := busy(1000, 10)
	for i := 0; err == nil && i < len(all); i++ {
		err = w.Write(&all[i])
	}
	if fmt.Sprint(err) != "trace: write at 1000: no space left" {
		t.Fatal(err)
	}
	for _, again := range []error{w.Write(&all[0]), w.Flush()} {
		if again != err {
			t.Errorf("afterwards: %v", again)
		}
	}
}
