package policy

import "slices"

// Fault is why a policy did not answer. One enumeration serves metrics, logs,
// the API and the command line.
type Fault uint8

// The faults.
const (
	FaultNone      Fault = iota
	FaultNotLoaded       // no module is loaded (yet)
	FaultRefused         // the module is not a policy: malformed, a missing export, a foreign import or ABI version
	FaultCompile         // the module could not be compiled
	FaultInit            // instantiation or _initialize failed
	FaultConfigure       // the policy refused its parameters
	FaultTrap            // the guest trapped or called proc_exit
	FaultFuel            // the guest used up its budget of instructions or time
	FaultMemory          // the guest wanted more memory than it may have
	FaultOutput          // the answer makes no sense
	FaultBusy            // the instance was busy for longer than an ask may wait, or the host lacked the means to load: try again
	FaultRate            // the tenant used up its fuel rate, or its time for loading
	FaultBreaker         // the breaker is open after repeated faults
	FaultTime            // the guest took more of the processor than a question may

	// Faults is the number of faults, FaultNone included.
	Faults = iota
)

var faultNames = [Faults]string{
	"none", "not_loaded", "refused", "compile", "init", "configure", "trap",
	"out_of_fuel", "memory", "bad_output", "busy", "rate", "breaker", "out_of_time",
}

// String returns the name used in logs and metrics.
func (f Fault) String() string { return faultNames[f] }

// Passes reports whether the fault says nothing against the policy, and may be
// over by itself.
func (f Fault) Passes() bool { return f == FaultBusy || f == FaultRate || f == FaultNotLoaded }

// ParseFault is the inverse of String for everything but FaultNone.
func ParseFault(name string) (Fault, bool) {
	i := slices.Index(faultNames[:], name)
	return Fault(max(i, 0)), i > 0
}

// FaultNames lists the causes, without none.
func FaultNames() []string { return slices.Clone(faultNames[1:]) }
