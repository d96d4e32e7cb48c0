package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// plan is what a run does.
type plan struct {
	contestants []contestant
	rows        []string
	cases       []scenario // of memory and burst
	sizes       []int      // idle connections at which memory is read, ascending
	rounds      int        // of requests and accepts
	memRounds   int        // of memory and burst
	settle      time.Duration
	holdConns   int
	holdTime    time.Duration
	requests    int // of a keep-alive load; loads that connect take a part of it
	conns       int // connections of a load at a time

	results, table, doc string // files
	json, quiet         bool   // quiet: without a word about progress
	host, caddy         string // programs; empty: built, found

	descriptors int
	dir         string // for the time of the run
	certificate certificate
	begun       time.Time
	missing     map[string]error // contestants left out, by name
	records     []record
	sink        *os.File // of -o; nil: none
}

// Rows of the comparison.
var allRows = []string{rowMemory, rowBurst, rowHold, rowRequest, rowAccept}

func parsePlan(args []string) (*plan, error) {
	p := &plan{missing: map[string]error{}}
	f := flag.NewFlagSet("peers", flag.ContinueOnError)
	only := f.String("only", "", "contestants, with commas between (all: "+strings.Join(names(contestants), ",")+")")
	rows := f.String("rows", strings.Join(allRows, ","), "what is measured")
	cases := f.String("cases", "", "kinds of idle connections (all: "+strings.Join(names(scenarios), ",")+")")
	sizes := f.String("sizes", "2000,8000", "idle `connections` at which memory is read")
	f.IntVar(&p.rounds, "rounds", 5, "rounds of requests and accepts")
	f.IntVar(&p.memRounds, "memory-rounds", 1, "rounds of memory and burst")
	f.DurationVar(&p.settle, "settle", 15*time.Second, "wait before memory is read")
	f.IntVar(&p.holdConns, "hold", 10000, "idle connections of hold")
	f.DurationVar(&p.holdTime, "hold-time", time.Minute, "how long they are held")
	f.IntVar(&p.requests, "requests", 20000, "requests of a round, over keep-alive connections")
	f.IntVar(&p.conns, "conns", 16, "connections of requests and accepts at a time")
	short := f.Bool("short", false, "everything smaller: within three minutes, rough")
	f.StringVar(&p.results, "o", "", "`file` for the raw results")
	f.StringVar(&p.table, "table", "", "show the tables of a `file` of raw results, run nothing")
	f.StringVar(&p.doc, "w", "", "`file` to put the tables into, between its markers")
	f.BoolVar(&p.json, "json", false, "print the results as JSON instead of tables")
	f.StringVar(&p.host, "host", "", "host `program` (else it is built)")
	f.StringVar(&p.caddy, "caddy", "", "caddy `program` (else as found)")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	if f.NArg() > 0 {
		return nil, fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	if *short {
		p.shorten(f, sizes)
	}
	return p, errors.Join(p.choose(*only, *rows, *cases, *sizes), p.check())
}

// shorten lowers what was not said.
func (p *plan) shorten(f *flag.FlagSet, sizes *string) {
	said := map[string]bool{}
	f.Visit(func(f *flag.Flag) { said[f.Name] = true })
	for name, lower := range map[string]func(){
		"sizes":     func() { *sizes = "200,800" },
		"rounds":    func() { p.rounds = 1 },
		"settle":    func() { p.settle = 2 * time.Second },
		"hold":      func() { p.holdConns = 1000 },
		"hold-time": func() { p.holdTime = 10 * time.Second },
		"requests":  func() { p.requests = 4000 },
	} {
		if !said[name] {
			lower()
		}
	}
}

func (p *plan) choose(only, rows, cases, sizes string) (err error) {
	if p.contestants, err = pick(contestants, only); err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	if p.cases, err = pick(scenarios, cases); err != nil {
		return fmt.Errorf("-cases: %w", err)
	}
	for r := range strings.SplitSeq(rows, ",") {
		if !slices.Contains(allRows, r) {
			return fmt.Errorf("-rows: no %q; there are %s", r, strings.Join(allRows, ", "))
		}
		p.rows = append(p.rows, r)
	}
	for s := range strings.SplitSeq(sizes, ",") {
		n, err := strconv.Atoi(s)
		if err != nil || n < 1 || len(p.sizes) > 0 && n <= p.sizes[len(p.sizes)-1] {
			return fmt.Errorf("-sizes: %q: want numbers that grow, with commas between", sizes)
		}
		p.sizes = append(p.sizes, n)
	}
	return nil
}

func (p *plan) check() error {
	for name, n := range map[string]int{
		"rounds": p.rounds, "memory-rounds": p.memRounds, "hold": p.holdConns, "requests": p.requests, "conns": p.conns,
	} {
		if n < 1 {
			return fmt.Errorf("-%s: %d is not positive", name, n)
		}
	}
	if p.settle < 0 || p.holdTime <= 0 {
		return errors.New("-settle, -hold-time: a time is not positive")
	}
	return nil
}

// afford refuses what the limit of descriptors does not allow.
func (p *plan) afford() (err error) {
	if p.descriptors, err = descriptors(); err != nil {
		return err
	}
	const spare = 300 // listeners, logs, pools
	if need := 2*slices.Max(p.sizes) + spare; p.does(rowMemory, rowBurst) && need > p.descriptors {
		return fmt.Errorf("-sizes: a proxy needs %d descriptors for its largest, and may have %d (ulimit -n)", need, p.descriptors)
	}
	if need := p.holdConns + spare; p.does(rowHold) && need > p.descriptors {
		return fmt.Errorf("-hold: a proxy needs %d descriptors, and may have %d (ulimit -n)", need, p.descriptors)
	}
	return nil
}

func (p *plan) does(rows ...string) bool {
	return slices.ContainsFunc(rows, func(r string) bool { return slices.Contains(p.rows, r) })
}

// named is what can be picked on the command line.
type named interface{ id() string }

func (c contestant) id() string { return c.name }
func (s scenario) id() string   { return s.name }

func names[T named](all []T) (list []string) {
	for _, x := range all {
		list = append(list, x.id())
	}
	return list
}

// pick returns those that a list names, in the order of all; none named: all.
func pick[T named](all []T, list string) ([]T, error) {
	if list == "" {
		return all, nil
	}
	want := strings.Split(list, ",")
	for _, w := range want {
		if !slices.Contains(names(all), w) {
			return nil, fmt.Errorf("no %q; there are %s", w, strings.Join(names(all), ", "))
		}
	}
	return slices.DeleteFunc(slices.Clone(all), func(x T) bool { return !slices.Contains(want, x.id()) }), nil
}
