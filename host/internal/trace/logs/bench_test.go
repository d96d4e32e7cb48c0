package logs

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"idlehost/host/internal/trace"
)

// rows of a benchmark; clients of them.
const (
	benchRows    = 100_000
	benchClients = 4_000
)

// BenchmarkRows reads logs as a whole: what it counts are rows, each of which
// makes two records and more.
func BenchmarkRows(b *testing.B) {
	for name, line := range map[string]func(w io.Writer, i int){
		"tsv": func(w io.Writer, i int) {
			fmt.Fprintf(w, "%d\t%d\t%d\n", i*37, i*i%benchClients, i%9000)
		},
		"tsv-durations": func(w io.Writer, i int) {
			fmt.Fprintf(w, "%d\t%d\t%d\t%d\n", i*37, i*i%benchClients, i%9000, i%700)
		},
		"combined": func(w io.Writer, i int) {
			c := i * i % benchClients
			fmt.Fprintf(w, `10.1.%d.%d - - [10/Oct/2020:13:%02d:%02d +0200] "GET /assets/page/%d.html HTTP/1.1" 200 %d "https://www.example.org/from" "Mozilla/5.0 (X11; Linux x86_64; rv:109.0) Gecko/20100101 Firefox/115.0"`+"\n",
				c>>8, c&255, i/3000%60, i/50%60, i, i%9000)
		},
		"json": func(w io.Writer, i int) {
			c := i * i % benchClients
			fmt.Fprintf(w, `{"time":"2020-10-10T13:%02d:%02d+02:00","remote_addr":"10.1.%d.%d","request":"GET /assets/page/%d.html HTTP/1.1","status":200,"body_bytes_sent":%d,"request_time":0.%03d,"http_user_agent":"Mozilla/5.0 (X11; Linux x86_64)"}`+"\n",
				i/3000%60, i/50%60, c>>8, c&255, i, i%9000, i%700)
		},
	} {
		b.Run(name, func(b *testing.B) {
			var log bytes.Buffer
			switch name {
			case "tsv":
				log.WriteString("time_ms\tclient\tbytes\n")
			case "tsv-durations":
				log.WriteString("time_ms\tclient\tbytes\tdur_ms\n")
			}
			for i := range benchRows {
				line(&log, i)
			}
			b.SetBytes(int64(log.Len()))
			b.ReportAllocs()
			for b.Loop() {
				s, err := Open("-", Config{Stdin: bytes.NewReader(log.Bytes())})
				if err != nil {
					b.Fatal(err)
				}
				var r trace.Record
				for err == nil {
					err = s.Next(&r)
				}
				if st := s.Stats(); err != io.EOF || st.Rows != benchRows || st.Bad+st.Dropped > 0 {
					b.Fatal(err, st)
				}
			}
			b.ReportMetric(float64(b.N)*benchRows/b.Elapsed().Seconds(), "rows/s")
		})
	}
}
