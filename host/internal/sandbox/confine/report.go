package confine

import (
	"fmt"
	"slices"
	"strings"
)

// Measure is one way in which a process is confined.
type Measure string

const (
	Rlimits      Measure = "rlimits"      // of memory, time, files; priority
	Capabilities Measure = "capabilities" // none, also if the user is root
	NoNewPrivs   Measure = "no_new_privs" // exec raises no privileges
	NotDumpable  Measure = "not dumpable" // processes of the same user cannot look into it
	Landlock     Measure = "landlock"     // files in the named directories alone
	LandlockTCP  Measure = "landlock tcp" // neither bind nor connect
	LandlockIPC  Measure = "landlock ipc" // no signals and abstract sockets to others
	Seccomp      Measure = "seccomp"      // system calls of an allow list
)

// measures lists all of them, in the order in which Enter takes them.
var measures = []Measure{Rlimits, Capabilities, NoNewPrivs, Landlock, LandlockTCP, LandlockIPC, NotDumpable, Seccomp}

// Report says which measures are in force for a process.
type Report struct {
	InForce []Measure
	Missing []Missing `json:",omitempty"`
}

// Missing is a measure that could not be taken.
type Missing struct {
	Measure Measure
	Reason  string
}

// Has reports whether a measure is in force.
func (r Report) Has(m Measure) bool { return slices.Contains(r.InForce, m) }

// gaps lists what a process can do if measures are missing.
var gaps = []struct {
	lacks  []Measure // all of them
	effect string
}{
	{[]Measure{Rlimits}, "memory and time are not bounded"},
	{[]Measure{Capabilities}, "it keeps the capabilities of the host"},
	{[]Measure{NotDumpable}, "other processes of the same user can look into it"},
	{[]Measure{Landlock}, "it can read every file that the user can read"},
	{[]Measure{Landlock, Seccomp}, "it can write them, too"},
	{[]Measure{Seccomp}, "it can open network connections and reach most of the kernel"},
	{[]Measure{Seccomp, NoNewPrivs}, "it can run set-user-ID programs"},
	{[]Measure{Seccomp, LandlockIPC}, "it can signal processes of the same user"},
}

// Warning says in one line what is missing and what an attacker who has taken
// over the process could therefore do; "" if that is nothing.
func (r Report) Warning() string {
	var effects []string
	for _, g := range gaps {
		if !slices.ContainsFunc(g.lacks, r.Has) {
			effects = append(effects, g.effect)
		}
	}
	if len(effects) == 0 {
		return ""
	}
	var missing []string
	for _, m := range r.Missing {
		missing = append(missing, fmt.Sprintf("%s (%s)", m.Measure, m.Reason))
	}
	return fmt.Sprintf("not in force: %s; if the child process is taken over, %s",
		strings.Join(missing, ", "), strings.Join(effects, "; "))
}
