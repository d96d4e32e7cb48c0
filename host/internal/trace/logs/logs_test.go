package logs

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"idlehost/host/internal/trace"
)

// packed is a text as gzip has it.
func packed(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// folder writes files and returns where.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const (
	oldLine = `192.0.2.1 - - [10/Oct/2000:13:55:36 -0700] "GET / HTTP/1.0" 200 1` + "\n"
	newLine = `192.0.2.1 - - [10/Oct/2000:13:55:46 -0700] "GET / HTTP/1.0" 200 2` + "\r\n"
	newest  = `192.0.2.2 - - [10/Oct/2000:13:56:00 -0700] "GET / HTTP/1.0" 200 4`
)

func TestPartsOfALogAreReadInOrder(t *testing.T) {
	dir := folder(t, map[string]string{"log.2.gz": string(packed(t, oldLine)) + string(packed(t, newLine)), "log.1": "\n", "log": newest, "fresh": ""})
	paths := func(names ...string) (all []string) {
		for _, name := range names {
			all = append(all, filepath.Join(dir, name))
		}
		return all
	}
	s, err := OpenAll(paths("log.2.gz", "log.1", "log", "fresh"), Config{Host: "host v1"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	h := s.Header()
	if h.Start != at(t, "2000-10-10T20:55:36Z") || h.Host != "host v1" || h.Origin != "log.2.gz and 3 more (Common; a client is one connection)" {
		t.Errorf("header %+v, want the first time, the program and the files", h)
	}
	same(t, told(t, s), `
0 open1
0 begin1
0 end1:1
10 begin1
10 end1:3
24 open2
24 begin2
24 end2:4
`)
	st := s.Stats()
	if st.Clock != time.Second || !st.Dated || st.Last.Sub(st.First) != 24*time.Second {
		t.Errorf("statistics %+v, want dates, a clock of 1s, and 24s from the first to the last", st)
	}
	var r trace.Record
	if err := s.Next(&r); err != io.EOF {
		t.Errorf("after the end: %v", err)
	}
	if read, total := s.Progress(); read != total || total == 0 {
		t.Errorf("%d of %d bytes read", read, total)
	}
}

func TestWhatIsNoLog(t *testing.T) {
	whole := packed(t, strings.Repeat(oldLine, 50))
	flipped := bytes.Clone(whole)
	flipped[len(flipped)-6] ^= 1
	dir := folder(t, map[string]string{
		"empty": "", "blank": "\n \n# nothing\n", "head": "time_ms\tclient\tbytes\n",
		"packed.empty": string(packed(t, "")),
		"cut.gz":       string(whole[:len(whole)-12]), "flipped.gz": string(flipped), "stub.gz": "\x1f\x8b",
		"zst": "\x28\xb5\x2f\xfd....", "zip": "PK\x03\x04....", "bz2": "BZh91AY",
		"binary": "\x00\x01\x02\x03\n", "text": "Dear Sir,\nyours\n", "csv": "time_ms,client\n1,2\n",
		"table":  "name\tage\nx\t5\n",
		"half":   strings.Repeat(oldLine+"x\ny\n", 400),
		"zone":   `{"time":"2020-01-01T00:00:00","client":"a"}`,
		"fields": `{"when":"2020-01-01T00:00:00Z","client":"a"}`,
		"wide":   strings.Repeat("time_ms\t", mostColumns) + "client\n",
		"good":   oldLine, "tsv": "time_ms\tclient\n1\t2\n",
	})
	for _, c := range []struct {
		names string
		is    error
		want  string
	}{
		{"empty", ErrEmpty, "empty: no requests"},
		{"blank", ErrEmpty, "blank: no requests"},
		{"head", ErrEmpty, "head: no requests"},
		{"packed.empty", ErrEmpty, "packed.empty: no requests"},
		{"empty blank", ErrEmpty, "blank: no requests"},
		{"cut.gz", io.ErrUnexpectedEOF, "the compressed data is damaged or cut off"},
		{"flipped.gz", gzip.ErrChecksum, "flipped.gz:51: the compressed data is damaged"},
		{"stub.gz", io.ErrUnexpectedEOF, "stub.gz: the compressed data is damaged or cut off"},
		{"zst", ErrFormat, "it is Zstandard: unpack it first (zstd)"},
		{"zip", ErrFormat, "it is a ZIP archive: unpack it first"},
		{"bz2", ErrFormat, "it is bzip2"},
		{"binary", ErrFormat, "binary: does not look like a log: it is not text"},
		{"text", ErrFormat, `text: does not look like a log: the first line is "Dear Sir,"; what is read is Common, Combined`},
		{"csv", ErrFormat, `the first line is "time_ms,client"`},
		{"table", ErrFormat, `no column is the`},
		{"half", ErrFormat, "half: does not look like a log: 666 of the first 1000 lines are not Common: half:2: no time in brackets; half:3: "},
		{"zone", ErrFormat, `1 of the first 1 lines are not JSON: zone:1: time "2020-01-01T00:00:00": no time zone`},
		{"fields", ErrFormat, "fields:1: time: there is none"},
		{"wide", ErrFormat, "more than 256 columns"},
		{"good tsv", ErrFormat, "tsv: does not look like a log: it is TSV, and what comes before it is Common"},
		{"good missing", os.ErrNotExist, "missing"},
		{".", ErrFormat, "it is a directory"},
		{"", ErrConfig, "no log is named"},
	} {
		var paths []string
		for name := range strings.FieldsSeq(c.names) {
			paths = append(paths, filepath.Join(dir, name))
		}
		s, err := OpenAll(paths, Config{})
		if err == nil {
			for r := new(trace.Record); err == nil; {
				err = s.Next(r)
			}
			s.Close()
		}
		if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.names, err, c.want)
		}
	}
	if _, err := Open("-", Config{}); !errors.Is(err, ErrConfig) {
		t.Errorf("without a standard input: %v", err)
	}
	if _, err := OpenAll([]string{dir + "/good", "-"}, Config{Stdin: strings.NewReader(oldLine)}); !errors.Is(err, ErrConfig) {
		t.Errorf("standard input beside files: %v", err)
	}
}

func TestPackedStandardInput(t *testing.T) {
	s, err := Open("-", Config{Stdin: bytes.NewReader(packed(t, oldLine+newLine))})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if n := counts(t, s); n[trace.KindBegin] != 2 || s.Header().Origin != "standard input (Common; a client is one connection)" {
		t.Errorf("records %v, header %+v; want 2 begun, from standard input", n, s.Header())
	}
	if _, total := s.Progress(); total != 0 {
		t.Errorf("standard input has %d bytes", total)
	}
}

func TestALongNameFitsTheHeader(t *testing.T) {
	for _, name := range []string{strings.Repeat("é", 120) + ".log", strings.Repeat("x", 250), "bad\xffname"} {
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(oldLine), 0o644); err != nil {
			t.Skip("such files cannot be here: ", err)
		}
		s, err := Open(path, Config{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if _, err := trace.NewWriter(io.Discard, s.Header(), trace.Config{}); err != nil || !strings.HasSuffix(s.Header().Origin, "(Common; a client is one connection)") {
			t.Errorf("%q: %v", s.Header().Origin, err)
		}
	}
}

// TestBareDurations: a number of what?
func TestBareDurations(t *testing.T) {
	const log = `{"time":"2020-01-01T00:00:00Z","client":"a","duration":7}`
	s := opened(t, log, Config{})
	counts(t, s)
	if st := s.Stats(); !st.Unitless || !strings.Contains(strings.Join(st.Notes(), "\n"), "no unit that is known") {
		t.Errorf("statistics %+v, want a duration without a unit, and a note on it", st)
	}
	s = opened(t, log, Config{Unit: time.Second})
	same(t, told(t, s), "0 open1\n0 begin1\n7 end1:0")
	if s.Stats().Unitless {
		t.Error("the unit is given")
	}
}

// FuzzLog reads anything as a log: it is refused, or what it tells keeps the
// promises of a recording, and a Writer takes it.
func FuzzLog(f *testing.F) {
	f.Add([]byte("time_ms\tclient\tbytes\tdur_ms\tkind\n5\ta\t7\t1.5\twebsocket\n6\tb\t1\t0\t\n1\ta\t1\t9\t\n"))
	f.Add([]byte(oldLine + newLine + newest))
	f.Add([]byte(caddyLine + "\n" + caddyLine))
	f.Add([]byte(nginxLine + "\nx\n" + nginxLine))
	f.Add(packed(f, oldLine))
	f.Fuzz(func(t *testing.T, log []byte) {
		s, err := Open("-", Config{Stdin: bytes.NewReader(log), Window: time.Second, Reorder: 4, Clients: 2})
		if err != nil {
			return
		}
		defer s.Close()
		to, err := trace.NewWriter(io.Discard, s.Header(), trace.Config{})
		if err != nil {
			t.Fatal(err)
		}
		n := counts(t, writing{s, to, t})
		if st := s.Stats(); n[trace.KindBegin] != st.Rows-st.Dropped || n[trace.KindOpen] != st.Clients+st.Tunnels {
			t.Fatalf("statistics %+v, but records %v", st, n)
		}
	})
}

// writing writes what it reads, until something goes wrong with the log.
type writing struct {
	*Source
	to *trace.Writer
	t  *testing.T
}

func (w writing) Next(r *trace.Record) error {
	if err := w.Source.Next(r); err != nil {
		if err != io.EOF {
			w.t.Skip(err)
		}
		return err
	}
	return w.to.Write(r)
}
