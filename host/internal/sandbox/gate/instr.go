package gate

// Instr is one instruction with its immediates.
type Instr struct {
	Op       Op
	At, Next int    // offsets in the module: of the instruction, and of what follows
	X, Y     uint32 // index, label, offset, constant of 32 bits; second index, alignment
	Type     ValType
	Block    blockType
	Labels   []byte // of a br_table: the encoded labels, the default last
	Count    uint32 // of a br_table: its labels without the default; of select: its types
}

// blockType is how a block is typed: by a type's index, by one result, or not.
type blockType struct {
	indexed bool
	index   uint32
	result  ValType // unknown: none
}

// instr reads one instruction. It allocates nothing.
func (r *reader) instr(in *Instr) {
	at := r.pos
	*in = Instr{Op: Op(r.byte()), At: at}
	if in.Op == prefixMisc {
		sub := r.u32()
		if sub >= uint32(len(miscOps)) {
			r.refuse(at, RuleEncoding, "instruction 0xfc %d does not exist", sub)
			return
		}
		in.Op = prefixMisc<<8 | Op(sub)
	}
	info := in.Op.info()
	if info.name == "" && r.ok() {
		rule, text := refused(byte(in.Op))
		r.refuse(at, rule, "%s (opcode %#x)", text, byte(in.Op))
		return
	}
	r.immediates(in, info.imm)
	in.Next = r.pos
}

func (r *reader) immediates(in *Instr, imm immediate) {
	switch imm {
	case immBlock:
		in.Block = r.blockType()
	case immIndex:
		in.X = r.u32()
	case immPair:
		in.X, in.Y = r.u32(), r.u32()
	case immIndexZero:
		in.X = r.u32()
		r.zero()
	case immTable:
		r.labels(in)
	case immTypes:
		r.selectType(in)
	case immMemory:
		in.Y, in.X = r.u32(), r.u32()
	case immZero:
		r.zero()
	case immZeros:
		r.zero()
		r.zero()
	case immS32:
		in.X = uint32(r.signed(32))
	case immS64:
		r.signed(64)
	case immF32:
		r.bytes(4)
	case immF64:
		r.bytes(8)
	case immRef:
		in.Type = r.refType()
	}
}

// zero reads the index of the only memory, which is a byte of its own.
func (r *reader) zero() {
	at := r.pos
	if b := r.byte(); b != 0 {
		r.refuse(at, RuleFeature, "memory index %d: a policy has one memory, numbered 0 in one byte", b)
	}
}

// blockType reads one signed integer of 33 bits, of which the negative ones
// of one byte are value types.
func (r *reader) blockType() blockType {
	at := r.pos
	b := r.byte()
	if b == 0x40 || !r.ok() {
		return blockType{}
	}
	r.pos = at
	if b&0xc0 == 0x40 {
		return blockType{result: r.valType()}
	}
	i := r.signed(33)
	if i < 0 {
		r.refuse(at, RuleEncoding, "block type %d does not exist", i)
		return blockType{}
	}
	return blockType{indexed: true, index: uint32(i)}
}

func (r *reader) labels(in *Instr) {
	in.Count = r.count("labels")
	from := r.pos
	for i := uint32(0); i <= in.Count && r.ok(); i++ {
		r.u32()
	}
	in.Labels = r.wasm[from:r.pos]
}

func (r *reader) selectType(in *Instr) {
	at := r.pos
	in.Count = r.count("types")
	for i := uint32(0); i < in.Count && r.ok(); i++ {
		in.Type = r.valType()
	}
	if in.Count != 1 && r.ok() {
		r.refuse(at, RuleType, "select has %d types, should have one", in.Count)
	}
}

// EachLabel calls f with every label of a br_table, the default last.
func (in *Instr) EachLabel(f func(label uint32)) {
	for rest := in.Labels; len(rest) > 0; {
		var v uint32
		for shift := 0; len(rest) > 0; shift += 7 {
			b := rest[0]
			rest = rest[1:]
			v |= uint32(b&0x7f) << shift
			if b < 0x80 {
				break
			}
		}
		f(v)
	}
}
