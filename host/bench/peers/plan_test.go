package main

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestParsePlan(t *testing.T) {
	p, err := parsePlan([]string{"-short", "-sizes", "10,30", "-only", "nginx,host", "-rows", "burst,hold", "-cases", "ws"})
	if err != nil {
		t.Fatal(err)
	}
	if got := names(p.contestants); !reflect.DeepEqual(got, []string{"host", "nginx"}) {
		t.Errorf("contestants %v", got)
	}
	if got := names(p.cases); !reflect.DeepEqual(got, []string{"ws"}) {
		t.Errorf("cases %v", got)
	}
	if !reflect.DeepEqual(p.sizes, []int{10, 30}) || p.holdTime != 10*time.Second || p.rounds != 1 {
		t.Errorf("-short overrules, or does not shorten: %v, %v, %d", p.sizes, p.holdTime, p.rounds)
	}
	if !p.does(rowMemory, rowBurst) || p.does(rowAccept) {
		t.Errorf("rows %v", p.rows)
	}
	if p, err = parsePlan(nil); err != nil || len(p.contestants) != len(contestants) || len(p.rows) != len(allRows) {
		t.Errorf("without arguments: %+v, %v", p, err)
	}
}

func TestParsePlanRefuses(t *testing.T) {
	for _, args := range []string{
		"-only apache", "-rows lunch", "-cases h3", "-sizes 5,5", "-sizes 0", "-sizes x", "-rounds 0", "-settle -1s",
		"-hold-time 0s", "-requests -5", "-conns 0", "nginx", "-only ,",
	} {
		if p, err := parsePlan(strings.Fields(args)); err == nil {
			t.Errorf("%s: accepted: %+v", args, p)
		}
	}
}

func TestAfford(t *testing.T) {
	limit, err := descriptors()
	if err != nil {
		t.Skip(err)
	}
	for _, c := range []struct {
		rows        []string
		sizes, hold int
		fine        bool
	}{
		{[]string{rowMemory}, limit/2 - 150, limit, true},
		{[]string{rowMemory}, limit/2 - 149, 1, false},
		{[]string{rowHold}, limit, limit - 300, true},
		{[]string{rowHold}, 1, limit - 299, false},
		{[]string{rowAccept}, limit, limit, true},
	} {
		p := &plan{rows: c.rows, sizes: []int{c.sizes}, holdConns: c.hold}
		if err := p.afford(); (err == nil) != c.fine {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
