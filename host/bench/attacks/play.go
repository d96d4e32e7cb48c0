// Package attacks keeps what a tenant was measured to see of another's attacks,
// and turns it into tables.
package attacks

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// What a neighbour may see of an attack. A play that is over either is repeated
// before it counts, Tries times altogether: what an attack does it does again,
// what the machine does may not be.
const (
	MaxRatio = 1.1
	MaxLate  = 30 * time.Millisecond
	Tries    = 3
)

// Control is the class of plays without an attack: what they show is the noise
// of the measurement.
const Control = "control"

// Play is one measurement of an attack.
type Play struct {
	Name, Class string
	Outcome     string // what the host made of the attack
	Refused     bool   // so that there was nothing to be asked

	// The p99 of the neighbour's requests, before and after the attack together,
	// and beside it.
	Quiet, Beside time.Duration
	// How late the latest close of the neighbour's idle connections was; beside
	// the attack or while it was uploaded.
	QuietLate, Late time.Duration

	Requests int     // beside the attack
	CPU      float64 // processors that the host and its workers used
}

// Ratio is the p99 beside the attack over the quiet one.
func (p *Play) Ratio() float64 { return float64(p.Beside) / float64(max(p.Quiet, time.Microsecond)) }

// Held reports whether the neighbour has seen no more than it may.
func (p *Play) Held() bool { return (p.Refused || p.Ratio() <= MaxRatio) && p.Late <= MaxLate }

const columns = 10

// String returns the line of a file of results.
func (p *Play) String() string {
	how := "in force"
	if p.Refused {
		how = "refused"
	}
	outcome := strings.Join(strings.Fields(p.Outcome), " ")
	return strings.Join([]string{p.Name, p.Class, how, outcome,
		micros(p.Quiet), micros(p.Beside), micros(p.QuietLate), micros(p.Late),
		strconv.Itoa(p.Requests), strconv.FormatFloat(p.CPU, 'f', 3, 64)}, "\t")
}

func micros(d time.Duration) string { return strconv.FormatInt(d.Microseconds(), 10) }

func parse(line string) (*Play, error) {
	f := strings.Split(line, "\t")
	if len(f) != columns {
		return nil, fmt.Errorf("%d columns, want %d: %q", len(f), columns, line)
	}
	p := &Play{Name: f[0], Class: f[1], Outcome: f[3], Refused: f[2] == "refused"}
	for i, to := range []*time.Duration{&p.Quiet, &p.Beside, &p.QuietLate, &p.Late} {
		us, err := strconv.ParseInt(f[4+i], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("time in %q: %w", line, err)
		}
		*to = time.Duration(us) * time.Microsecond
	}
	var err error
	if p.Requests, err = strconv.Atoi(f[8]); err != nil {
		return nil, fmt.Errorf("requests in %q: %w", line, err)
	}
	if p.CPU, err = strconv.ParseFloat(f[9], 64); err != nil {
		return nil, fmt.Errorf("processors in %q: %w", line, err)
	}
	return p, nil
}
