package tenant

import "idlehost/host/internal/policy"

// Remote is a Guest that lives in another process: its answers come later.
// Decide, which has to answer inside the call, says FaultNotLoaded.
type Remote interface {
	Guest
	// Ask puts a question. It copies what it needs of ask, Gaps included, and
	// does not block. to is told exactly once, never inside the call; questions
	// are answered in the order in which they were put.
	Ask(ask *policy.Ask, to Answerer)
}

// Answerer takes the answer of a Remote, on any goroutine that holds no lock.
// ask is the question as it was put, Gaps included, but for State and Leases,
// which are as the guest has left them; where it has a fault, as they were. It
// is the caller's again afterwards.
type Answerer interface {
	Answered(ask *policy.Ask, v policy.Verdict, fault policy.Fault)
}
