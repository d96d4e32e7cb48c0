package meter

import "idlehost/host/internal/sandbox/gate"

// A function is divided into regions: pieces of code that run at most once each time
// their first instruction runs. The charge for a region is there, in full and before
// any of it runs. So a function never pays less than what it runs; it pays more where
// a branch leaves a region early.
//
// What follows a block belongs to the region in which the block begins, if
// nothing inside branches further out. A region that only sometimes follows
// another is charged for with it, if it is small: one charge costs as much as
// a handful of instructions. Where the alternative is to leave a loop or the
// function, which happens once, it may be larger.
const (
	slackBranch = 4 // fuel
	slackLeave  = 24

	// alwaysWithParent marks a region that runs whenever its parent does.
	alwaysWithParent = -1
)

// unreachable is the region of code that never runs.
const unreachable = -1

// region is a piece of code with one charge.
type region struct {
	at     int // offset in the module where it is charged for
	cost   int64
	ahead  int64 // charged for others
	calls  int64 // of functions, of which every one reloads globals
	parent int   // the region that may charge for it; unreachable: none may
	slack  int64 // up to which the parent may charge for it; alwaysWithParent: without a bound
}

// scope is a block that is open while the code is read.
type scope struct {
	op        gate.Op
	entry     int // the region in which it begins
	body      int // of a loop: the region of its first instructions
	loop      int // index of the innermost loop around or at it; -1
	outermost int // the outermost frame that a branch inside goes to
	targeted  bool
	arm       bool // of an if: its first arm ends
	changes
	passed int // how many operands are passed where branches to it meet
}

// insertion is a place where code is added: the charge of a region, or of an
// instruction by its size; or a return, which a branch may replace.
type insertion struct {
	at       int
	region   int // unreachable: the charge is by size
	rate     rate
	isReturn bool
	label    uint32 // of the function itself, where it is left
}

// plan divides one function into regions. It is reused for the next.
type plan struct {
	module   *gate.Module
	price    *price
	imported uint32 // functions below are the host's
	hosts    []bool // by type: a function of the host's may be called through a table
	exact    bool   // every instruction a region of its own

	regions    []region
	frames     []scope
	insertions []insertion
	current    int // region
	sized      bool
	loads      loadDepths
	variables
}

func (p *plan) begin(b gate.Body, params int, frameCost int64) {
	p.regions, p.frames, p.insertions = p.regions[:0], p.frames[:0], p.insertions[:0]
	p.sized = false
	p.loads.begin(p.module, b, params)
	p.variables.begin(b.Locals, p.module.Globals())
	p.start(b.Code, unreachable, 0)
	p.regions[0].cost = frameCost
	p.frames = append(p.frames, scope{op: gate.OpBlock, entry: 0, loop: -1})
}

// start begins a region.
func (p *plan) start(at, parent int, slack int64) {
	if p.exact {
		parent = unreachable
	}
	p.current = len(p.regions)
	p.regions = append(p.regions, region{at: at, parent: parent, slack: slack})
	p.insertions = append(p.insertions, insertion{at: at, region: p.current})
}

// add takes the next instruction.
func (p *plan) add(in *gate.Instr) {
	if p.current != unreachable {
		p.charge(in)
	}
	if in.Op == gate.OpReturn {
		p.insertions = append(p.insertions, insertion{at: in.At, region: unreachable, isReturn: true, label: uint32(len(p.frames) - 1)})
	}
	switch in.Op {
	case gate.OpBlock, gate.OpLoop, gate.OpIf:
		p.open(in)
	case gate.OpElse:
		p.otherwise(in)
	case gate.OpEnd:
		p.close(in)
	case gate.OpBr, gate.OpBrIf, gate.OpBrTable, gate.OpReturn, gate.OpUnreachable:
		p.branch(in)
	default:
		if p.exact && p.current != unreachable {
			p.start(in.Next, unreachable, 0)
		}
	}
}

// charge adds what an instruction costs to the region that it is in.
func (p *plan) charge(in *gate.Instr) {
	r := &p.regions[p.current]
	switch in.Op {
	case gate.OpCall, gate.OpCallIndirect:
		r.calls++
		r.cost += p.called(in)
		p.loads.restart()
		return
	case gate.OpLocalSet, gate.OpLocalTee:
		p.assign(p.frames, in.X)
	case gate.OpGlobalGet:
		p.read(in.X)
	case gate.OpBrTable:
		r.cost += int64(in.Count) >> 6 // its part of the jump table in the cache
	}
	if s, ok := p.price.shapeOf(in.Op); ok {
		r.cost += p.loads.step(in, s)
		if s.access {
			return
		}
	} else if in.Op != gate.OpBlock {
		p.loads.restart()
	}
	r.cost += p.price.of(in.Op)
	if rate, ok := sized(in.Op); ok {
		p.sized = true
		p.insertions = append(p.insertions, insertion{at: in.At, region: unreachable, rate: rate})
	}
}

// called returns what a call costs beside what the function charges.
func (p *plan) called(in *gate.Instr) int64 {
	switch {
	case in.Op == gate.OpCallIndirect && p.hosts[in.X]:
		return p.price.of(in.Op) + costImported
	case in.Op == gate.OpCall && in.X < p.imported:
		return costImported
	}
	return p.price.of(in.Op)
}

func (p *plan) open(in *gate.Instr) {
	index := len(p.frames)
	f := scope{op: in.Op, entry: p.current, body: unreachable, loop: p.frames[index-1].loop, outermost: index}
	f.since = p.tick()
	t := p.module.BlockType(in)
	f.passed = len(t.Results)
	if in.Op == gate.OpLoop {
		f.loop, f.passed = index, len(t.Params)
	}
	if p.current != unreachable {
		switch {
		case in.Op == gate.OpLoop:
			p.start(in.Next, unreachable, 0)
			f.body = p.current
		case in.Op == gate.OpIf:
			p.start(in.Next, p.current, slackBranch)
		case p.exact:
			p.start(in.Next, unreachable, 0)
		}
	}
	p.frames = append(p.frames, f)
}

func (p *plan) otherwise(in *gate.Instr) {
	f := &p.frames[len(p.frames)-1]
	f.op, f.arm = gate.OpElse, p.current != unreachable
	p.loads.restart()
	if f.entry != unreachable {
		p.start(in.Next, f.entry, slackBranch)
	}
}

func (p *plan) close(in *gate.Instr) {
	index := len(p.frames) - 1
	f := p.frames[index]
	p.frames = p.frames[:index]
	if index == 0 || f.entry == unreachable {
		return
	}
	up := &p.frames[index-1]
	up.outermost = min(up.outermost, f.outermost)
	up.changed += f.changed
	if f.op == gate.OpLoop && f.targeted {
		p.regions[f.body].cost += carried(f.changed + f.passed)
	} else if f.op == gate.OpLoop && !p.exact {
		// It is no loop: it begins once, right where it is entered.
		p.regions[f.body].parent, p.regions[f.body].slack = f.entry, alwaysWithParent
	}
	reached := p.current != unreachable || f.arm || f.op != gate.OpLoop && (f.targeted || f.op == gate.OpIf)
	switch {
	case !reached:
		p.current = unreachable
	case p.exact:
		p.start(in.Next, unreachable, 0)
	case f.outermost >= index: // nothing leaves it but by its end
		p.current = f.entry
	case f.op == gate.OpBlock && !f.targeted:
		// The only way here is past what came last.
	default:
		p.start(in.Next, f.entry, p.slack(f.outermost, up.loop))
	}
	if p.current != unreachable && f.op != gate.OpLoop && (f.targeted || f.op != gate.OpBlock) {
		p.regions[p.current].cost += carried(f.changed + f.passed)
		p.loads.restart()
	}
}

// slack returns how much may be charged early for code that is not reached if
// a branch goes to a frame, from inside a loop.
func (p *plan) slack(target, loop int) int64 {
	if target > 0 && target < loop {
		return slackLeave
	}
	return slackBranch
}

// branch records where the instruction goes, and begins what follows it.
func (p *plan) branch(in *gate.Instr) {
	if p.current == unreachable {
		return
	}
	here := &p.frames[len(p.frames)-1]
	target := len(p.frames)
	to := func(label uint32) {
		i := len(p.frames) - 1 - int(label)
		p.frames[i].targeted = true
		target = min(target, i)
	}
	switch in.Op {
	case gate.OpBr, gate.OpBrIf:
		to(in.X)
	case gate.OpBrTable:
		in.EachLabel(to)
	case gate.OpReturn:
		target = 0
	}
	here.outermost = min(here.outermost, target)
	switch {
	case in.Op != gate.OpBrIf:
		p.current = unreachable
	case p.exact:
		p.start(in.Next, unreachable, 0)
	default:
		p.start(in.Next, p.current, p.slack(target, here.loop))
	}
}

// mergeCharges prices the calls, and lets a region charge for small regions that
// follow it. It goes backwards, so that what a region already charges for is known.
func (p *plan) mergeCharges() {
	if each := carried(p.used); each > 0 {
		for i := range p.regions {
			p.regions[i].cost += p.regions[i].calls * each
		}
	}
	for i := len(p.regions) - 1; i > 0; i-- {
		r := &p.regions[i]
		if r.parent == unreachable {
			continue
		}
		up := &p.regions[r.parent]
		all := r.cost + r.ahead
		if r.slack == alwaysWithParent {
			up.cost, up.ahead = up.cost+r.cost, up.ahead+r.ahead
		} else if up.ahead+all <= r.slack {
			up.ahead += all
		} else {
			continue
		}
		r.cost, r.ahead = 0, 0
	}
}
