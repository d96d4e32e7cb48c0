//go:build amd64 || arm64

package confine

import (
	"encoding/binary"
	"slices"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

const testPid = 4711

// decider runs the program that the kernel gets, on a machine for packets: its
// loads are big-endian.
type decider struct{ vm *bpf.VM }

func newDecider(t *testing.T, writes bool) decider {
	t.Helper()
	vm, err := bpf.NewVM(filter(testPid, writes))
	if err != nil {
		t.Fatal(err)
	}
	return decider{vm}
}

// of returns what becomes of a call.
func (d decider) of(t *testing.T, arch, call uint32, args ...uint64) uint32 {
	t.Helper()
	data := binary.BigEndian.AppendUint32(nil, call)
	data = binary.BigEndian.AppendUint32(data, arch)
	data = append(data, make([]byte, 8)...) // instruction pointer
	for i := range 6 {
		var a uint64
		if i < len(args) {
			a = args[i]
		}
		data = binary.BigEndian.AppendUint32(data, uint32(a)) // the low half first
		data = binary.BigEndian.AppendUint32(data, uint32(a>>32))
	}
	n, err := d.vm.Run(data)
	if err != nil {
		t.Fatal(err)
	}
	return uint32(n)
}

// TestEveryCall: what is on no list is refused, whatever its arguments.
func TestEveryCall(t *testing.T) {
	byArguments := []uint32{
		unix.SYS_CLONE, unix.SYS_MMAP, unix.SYS_TGKILL, unix.SYS_KILL, unix.SYS_PRLIMIT64, unix.SYS_PRCTL, unix.SYS_FCNTL, unix.SYS_OPENAT,
	}
	for _, writes := range []bool{false, true} {
		d := newDecider(t, writes)
		for call := range uint32(1024) {
			want := uint32(refuse)
			switch {
			case slices.Contains(allowed, call), slices.Contains(allowedHere, call), writes && slices.Contains(writing, call):
				want = allow
			case slices.Contains(deadly, call), slices.Contains(deadlyHere, call):
				want = kill
			case slices.Contains(unknown, call):
				want = deny
			case slices.Contains(byArguments, call):
				continue
			}
			for _, arg := range []uint64{0, 1, testPid, uint64(call), 1<<64 - 1} {
				if got := d.of(t, arch, call, arg, arg, arg, arg, arg, arg); got != want {
					t.Errorf("writes %t: call %d(%d, ...): %x, want %x", writes, call, arg, got, want)
				}
			}
		}
		// By the table of another architecture, numbers mean other calls; those
		// of x32 have a bit more.
		if got := d.of(t, unix.AUDIT_ARCH_I386, unix.SYS_READ); got != refuse {
			t.Errorf("a call by i386's table: %x", got)
		}
		if got := d.of(t, arch, unix.SYS_READ|0x40000000); got != refuse {
			t.Errorf("a call by x32's table: %x", got)
		}
	}
}

// TestArgumentsAreNotNumbers: an argument that looks like an allowed call's
// number does not make another call one.
func TestArgumentsAreNotNumbers(t *testing.T) {
	d := newDecider(t, true)
	for number := range uint64(1024) {
		for _, c := range []struct {
			call uint32
			args []uint64
		}{
			{unix.SYS_CLONE, []uint64{number &^ unix.CLONE_THREAD}},
			{unix.SYS_MMAP, []uint64{0, 0, 0, number | unix.MAP_GROWSDOWN}},
			{unix.SYS_TGKILL, []uint64{number}},
			{unix.SYS_KILL, []uint64{number}},
			{unix.SYS_PRLIMIT64, []uint64{number | 1, number | 1, number | 1}},
			{unix.SYS_PRCTL, []uint64{number | 1024}},
			{unix.SYS_FCNTL, []uint64{number, number | 2048}},
		} {
			if got := d.of(t, arch, c.call, c.args...); got != refuse {
				t.Errorf("call %d%d: %x", c.call, c.args, got)
			}
		}
	}
}

func TestArguments(t *testing.T) {
	const high = 1 << 32
	threads := uint64(unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_SYSVSEM | unix.CLONE_THREAD)
	for _, tt := range []struct {
		call    uint32
		args    []uint64
		allowed bool
	}{
		{unix.SYS_CLONE, []uint64{threads}, true},
		{unix.SYS_CLONE, []uint64{threads | unix.CLONE_SETTLS | unix.CLONE_PARENT_SETTID | unix.CLONE_CHILD_CLEARTID}, true},
		{unix.SYS_CLONE, []uint64{threads &^ unix.CLONE_THREAD}, false},
		{unix.SYS_CLONE, []uint64{uint64(unix.SIGCHLD)}, false},
		{unix.SYS_CLONE, []uint64{threads | unix.CLONE_NEWNET}, false},
		{unix.SYS_CLONE, []uint64{threads | unix.CLONE_NEWUSER}, false},
		{unix.SYS_MMAP, []uint64{0, 1, unix.PROT_EXEC | unix.PROT_WRITE, unix.MAP_PRIVATE | unix.MAP_ANONYMOUS | unix.MAP_FIXED}, true},
		{unix.SYS_MMAP, []uint64{0, 1, unix.PROT_READ, unix.MAP_SHARED}, true},
		{unix.SYS_MMAP, []uint64{0, 1, 0, unix.MAP_SHARED | unix.MAP_ANONYMOUS}, false},
		{unix.SYS_MMAP, []uint64{0, 1, 0, unix.MAP_SHARED_VALIDATE | unix.MAP_ANONYMOUS}, false},
		{unix.SYS_MMAP, []uint64{0, 1, 0, unix.MAP_PRIVATE | unix.MAP_ANONYMOUS | unix.MAP_GROWSDOWN}, false},
		{unix.SYS_MMAP, []uint64{0, 1, 0, unix.MAP_PRIVATE | unix.MAP_GROWSDOWN}, false},
		{unix.SYS_TGKILL, []uint64{testPid, 1}, true},
		{unix.SYS_TGKILL, []uint64{testPid + 1, 1}, false},
		{unix.SYS_TGKILL, []uint64{testPid | high, 1}, false},
		{unix.SYS_KILL, []uint64{testPid}, true},
		{unix.SYS_KILL, []uint64{1<<64 - testPid}, false}, // the group
		{unix.SYS_KILL, []uint64{1<<64 - 1}, false},
		{unix.SYS_KILL, []uint64{0}, false},
		{unix.SYS_PRLIMIT64, []uint64{0, unix.RLIMIT_DATA, 0, 1}, true},
		{unix.SYS_PRLIMIT64, []uint64{0, unix.RLIMIT_DATA, 1, 0}, false},
		{unix.SYS_PRLIMIT64, []uint64{0, unix.RLIMIT_DATA, high, 0}, false},
		{unix.SYS_PRLIMIT64, []uint64{1, unix.RLIMIT_DATA, 0, 1}, false},
		{unix.SYS_PRCTL, []uint64{unix.PR_SET_NAME}, true},
		{unix.SYS_PRCTL, []uint64{unix.PR_SET_VMA}, true},
		{unix.SYS_PRCTL, []uint64{unix.PR_SET_DUMPABLE, 1}, false},
		{unix.SYS_PRCTL, []uint64{unix.PR_SET_PDEATHSIG, 0}, false},
		{unix.SYS_FCNTL, []uint64{0, unix.F_DUPFD_CLOEXEC}, true},
		{unix.SYS_FCNTL, []uint64{0, unix.F_ADD_SEALS}, true},
		{unix.SYS_FCNTL, []uint64{0, unix.F_SETOWN}, false},
		{unix.SYS_FCNTL, []uint64{0, unix.F_SETLK}, false},
		{unix.SYS_OPENAT, []uint64{0, 0, unix.O_RDONLY | unix.O_CLOEXEC | unix.O_DIRECTORY | unix.O_NOFOLLOW}, true},
		{unix.SYS_OPENAT, []uint64{0, 0, unix.O_WRONLY}, false},
		{unix.SYS_OPENAT, []uint64{0, 0, unix.O_RDWR}, false},
		{unix.SYS_OPENAT, []uint64{0, 0, 3}, false},
		{unix.SYS_OPENAT, []uint64{0, 0, unix.O_CREAT}, false},
		{unix.SYS_OPENAT, []uint64{0, 0, unix.O_TRUNC | high}, false},
		{unix.SYS_OPENAT, []uint64{0, 0, unix.O_TMPFILE | unix.O_RDWR}, false},
	} {
		for _, writes := range []bool{false, true} {
			want := uint32(refuse)
			if tt.allowed || writes && tt.call == unix.SYS_OPENAT {
				want = allow
			}
			if got := newDecider(t, writes).of(t, arch, tt.call, tt.args...); got != want {
				t.Errorf("writes %t: call %d%x: %x, want %x", writes, tt.call, tt.args, got, want)
			}
		}
	}
}

// withhold stands for an old kernel, or a container, that has neither Landlock
// nor filters.
func withhold([]string) {
	program := append([]bpf.Instruction{bpf.LoadAbsolute{Off: callOffset, Size: 4}},
		callRule{[]uint32{unix.SYS_LANDLOCK_CREATE_RULESET}, deny}.program()...)
	program = append(program, callRule{[]uint32{unix.SYS_SECCOMP}, refuse}.program()...)
	if err := load(append(program, bpf.RetConstant{Val: allow})); err != nil {
		panic(err)
	}
}

func init() {
	attempts["withheld"] = attempt{before: withhold, do: func([]string) (string, error) { return openMany() }}
}

// TestWhatIsMissingIsReported, and the rest is in force.
func TestWhatIsMissingIsReported(t *testing.T) {
	t.Parallel()
	if o, _, _ := try(t, Limits{}, "signal to itself", nil); !o.Report.Has(Seccomp) {
		t.Skip("this machine has no seccomp to withhold anything with")
	}
	o, e, stderr := try(t, Limits{Descriptors: 32}, "withheld", nil)
	if o.Errno != unix.EMFILE { // rlimits hold
		t.Fatalf("%+v, %+v, %s", o, e, stderr)
	}
	if got, want := o.Report.InForce, []Measure{Rlimits, Capabilities, NoNewPrivs, NotDumpable}; !slices.Equal(got, want) {
		t.Errorf("in force: %v, not %v", got, want)
	}
	if got, want := missing(o.Report), []Measure{Landlock, LandlockTCP, LandlockIPC, Seccomp}; !slices.Equal(got, want) {
		t.Errorf("missing: %v, not %v", got, want)
	}
	const want = "not in force: landlock (function not implemented), landlock tcp (function not implemented), " +
		"landlock ipc (function not implemented), seccomp (operation not permitted); if the child process is taken over, " +
		"it can read every file that the user can read; it can write them, too; " +
		"it can open network connections and reach most of the kernel; it can signal processes of the same user"
	if got := o.Report.Warning(); got != want {
		t.Errorf("%s\nnot\n%s", got, want)
	}
}
