package gate

// Limits bounds what a module may need of the host. Zero means the default; the
// defaults accept what Go (GOOS=wasip1), clang, rustc and AssemblyScript emit for
// a policy. Beside ModuleBytes, they exist because compiling takes more than
// linear time in them, or because a few bytes can declare much.
type Limits struct {
	ModuleBytes  int // 4 MiB: a policy built by Go has 1.8 to 3.5
	Types        int // 4096; Go emits some hundred
	Params       int // 128 of one type
	Results      int // 16 of one type: two bytes of code push that many values
	Imports      int // 256
	Functions    int // 32768, imports included; a policy built by Go has some 4000
	Tables       int // 1
	TableEntries int // 16384 to begin with, by one declaration; 8 bytes each in the host, outside the memory limit
	MemoryPages  int // 128 (8 MiB) to begin with; one memory at most
	Globals      int // 1024
	Exports      int // 1024
	Elements     int // 1024 segments; their entries are bounded by the module's bytes
	Data         int // 65536 segments: Go emits one per run of data between zeros, some 30000
	Locals       int // 1024 of one function, parameters included: all may be live wherever branches meet; one in C, Rust or Go has 38 at most
	AllLocals    int // 1 Mi in all functions: a decoder spends 8 bytes on each
	BodyBytes    int // 256 KiB of one function: its code is held in memory, 500 times as large, while it is compiled
	Depth        int // 4096 nested blocks: Go nests one per call of a function
	Targets      int // 16384 of one br_table
	Operands     int // 32768 on the stack of one function
	// Effort is what compiling may cost, in units of Weight.Effort: 96 Mi, up to
	// 1.6 s of processor time. A small policy built by Go has 76 million, one in
	// C about one.
	Effort int
}

// withDefaults returns l with every zero replaced.
func (l Limits) withDefaults() Limits {
	for _, f := range []struct {
		v        *int
		standard int
	}{
		{&l.ModuleBytes, 4 << 20}, {&l.Types, 4096}, {&l.Params, 128}, {&l.Results, 16},
		{&l.Imports, 256}, {&l.Functions, 32768}, {&l.Tables, 1}, {&l.TableEntries, 16384},
		{&l.MemoryPages, 128}, {&l.Globals, 1024}, {&l.Exports, 1024}, {&l.Elements, 1024},
		{&l.Data, 65536}, {&l.Locals, 1024}, {&l.AllLocals, 1 << 20}, {&l.BodyBytes, 256 << 10},
		{&l.Depth, 4096}, {&l.Targets, 16384}, {&l.Operands, 32768}, {&l.Effort, 96 << 20},
	} {
		if *f.v <= 0 {
			*f.v = f.standard
		}
	}
	return l
}
