package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestTables(t *testing.T) {
	var all []record
	for round := 1; round <= 3; round++ {
		f := float64(round)
		for i, proxy := range []string{"nginx", "host-unparked", "host"} {
			cost := f * float64(10*(i+1))
			all = append(all,
				record{rowMemory, "tls", 2000, proxy, round, []value{{10240 + f, perConn}, {0, failed}}},
				record{rowMemory, "tls", 8000, proxy, round, []value{{5120 + f, perConn}, {0, failed}}},
				record{rowBurst, "tls", 8000, proxy, round, []value{{100 * f, lastMs}, {0, failed}}},
				record{rowRequest, "h1,keep-alive", 50, proxy, round, []value{{cost, cpuReq}, {f, p50}, {2 * f, p99}, {0, failed}}},
				record{rowAccept, "h1", 50, proxy, round, []value{{1e5 / cost, accepts}, {0, failed}}})
		}
	}
	all = append(all, record{rowHold, "h1", 10000, "host", 1, []value{{321, cpuMinute}, {120000, asks}, {2, failed}}})
	got := tables(all)
	for _, want := range []string{
		"| KB per idle connection | host | host, never parking | nginx |\n|---|---:|---:|---:|\n",
		"| TLS, HTTP/1.1 | 5.0 (3.3) | 5.0 (3.3) | 5.0 (3.3) |\n", // (5120*8 - 10240*2)/6 = 3413
		"with 8,000 idle connections; in brackets for each one more than 2,000.",
		"| ms until the last answer, 8,000 at once |",
		"| TLS, HTTP/1.1 | 200 | 200 | 200 |\n",
		"| 10,000 idle, ms a minute | 321 | - | - |\n",
		"| questions to a policy meanwhile | 120,000 | - | - |\n",
		"| request, keep-alive, us | 60.0 | 40.0 | 20.0 |\n",
		"| its latency, p50 / p99, us | 2 / 4 | 2 / 4 | 2 / 4 |\n",
		"| connections, accepted per second of processor time | 1667 | 2500 | 5000 |\n",
		"median of the ratios within a round: request, keep-alive 1.500; connection 0.667.",
		"Failed: host 2.\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "WebSocket |") {
		t.Errorf("a row without results:\n%s", got)
	}
}

func TestShow(t *testing.T) {
	dir := t.TempDir()
	results, doc := filepath.Join(dir, "r"), filepath.Join(dir, "d")
	put := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	p := &plan{table: results, doc: doc}
	put(doc, "before\n"+begin+"old\n"+end+"after\n")
	if err := p.show(); err == nil {
		t.Error("no file: no error")
	}
	put(results, "nothing\n")
	if err := p.show(); err == nil {
		t.Error("no results: no error")
	}
	put(results, record{rowHold, "h1", 1000, "caddy", 1, []value{{7, cpuMinute}}}.String()+"\n")
	if err := p.show(); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(doc)
	if err != nil {
		t.Fatal(err)
	}
	if s := string(got); !strings.HasPrefix(s, "before\n"+begin+"| processor time | Caddy |") ||
		!strings.HasSuffix(s, end+"after\n") || strings.Contains(s, "old") {
		t.Errorf("document:\n%s", s)
	}
	for _, bad := range []string{"", begin, end, end + begin} {
		put(doc, bad)
		if err := p.show(); err == nil {
			t.Errorf("document %q: no error", bad)
		}
	}
}
