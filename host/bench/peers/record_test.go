package main

import (
	"reflect"
	"strings"
	"testing"
)

func TestRecordsSurviveTheFile(t *testing.T) {
	want := []record{
		{rowMemory, "tls-h2", 8000, "nginx", 1, []value{{-20.25, perConn}, {0, failed}}},
		{rowRequest, "h1,keep-alive", 20000, "host-unparked", 5, []value{{45.5, cpuReq}}},
	}
	raw := "cpu: some\n" + want[0].String() + "\nmissing: caddy: \"no\"\n" + want[1].String() + "\n"
	got, err := parseRecords(raw)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("parseRecords = %+v, %v; want %+v", got, err, want)
	}
}

func TestParseRecordsRefuses(t *testing.T) {
	good := record{rowHold, "h1", 10, "host", 1, []value{{1, asks}}}.String()
	for name, raw := range map[string]string{
		"no values":     "BenchmarkPeers/row=a/case=b/size=1/proxy=c/round=1 1\n",
		"a lone number": good + " 5\n",
		"no number":     strings.Replace(good, "1.00", "one", 1),
		"a huge size":   strings.Replace(good, "size=10", "size=99999999999999999999", 1),
		"a huge round":  strings.Replace(good, "round=1", "round=99999999999999999999", 1),
		"a foreign one": "BenchmarkPeers/proxy=a 1 5 ns/op\n",
	} {
		if got, err := parseRecords("goos: linux\n" + raw); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func FuzzParseRecords(f *testing.F) {
	f.Add(record{rowHold, "h1", 10, "host", 1, []value{{1, asks}, {2, failed}}}.String())
	f.Fuzz(func(t *testing.T, raw string) {
		all, err := parseRecords(raw)
		if err == nil {
			tables(all) // takes whatever is a record
		}
	})
}
