package confine

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
	"unsafe"

	"github.com/tetratelabs/wazero"
	"golang.org/x/sys/unix"
)

// attempt is something that a child tries. before happens ahead of Enter.
type attempt struct {
	before func(args []string)
	do     func(args []string) (string, error)
}

// fails is an attempt that returns nothing but an error.
func fails(do func(args []string) error) attempt {
	return attempt{do: func(args []string) (string, error) { return "", do(args) }}
}

var attempts = map[string]attempt{
	"exec": fails(func([]string) error { return unix.Exec("/proc/self/exe", []string{"t", execEntry}, nil) }),
	"fork": fails(func([]string) error {
		pid, _, errno := unix.RawSyscall6(unix.SYS_CLONE, uintptr(unix.SIGCHLD), 0, 0, 0, 0, 0)
		return reap(pid, errno)
	}),
	"fork by clone3": fails(func([]string) error {
		args := [8]uint64{4: uint64(unix.SIGCHLD)}
		pid, _, errno := unix.RawSyscall(unix.SYS_CLONE3, uintptr(unsafe.Pointer(&args)), unsafe.Sizeof(args), 0)
		return reap(pid, errno)
	}),
	"socket": fails(func([]string) error { _, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM, 0); return err }),
	"connect": fails(func(args []string) error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		port, _ := strconv.Atoi(args[0])
		return unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}})
	}),
	"bind": fails(func([]string) error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		return unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}})
	}),
	"abstract socket": fails(func(args []string) error {
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		return unix.Connect(fd, &unix.SockaddrUnix{Name: args[0]})
	}),
	"signal to the parent": fails(func([]string) error { return unix.Kill(unix.Getppid(), 0) }),
	"signal to a thread":   fails(func([]string) error { return unix.Tgkill(unix.Getppid(), unix.Getppid(), 0) }),
	"signal to itself":     fails(func([]string) error { return unix.Kill(unix.Getpid(), 0) }),
	"ptrace":               fails(func([]string) error { return unix.PtraceSeize(unix.Getppid()) }),
	"memory of the parent": fails(func([]string) error { return readMemory(unix.Getppid()) }),
	"read":                 {do: func(args []string) (string, error) { b, err := os.ReadFile(args[0]); return string(b), err }},
	"open for writing":     fails(func(args []string) error { return open(args[0], unix.O_WRONLY) }),
	"open for both":        fails(func(args []string) error { return open(args[0], unix.O_RDWR) }),
	"truncate":             fails(func(args []string) error { return open(args[0], unix.O_RDONLY|unix.O_TRUNC) }),
	"create":               fails(func(args []string) error { return os.WriteFile(args[0], []byte("new"), 0o600) }),
	"remove":               fails(func(args []string) error { return unix.Unlinkat(unix.AT_FDCWD, args[0], 0) }),
	"rename":               fails(func(args []string) error { return os.Rename(args[0], args[0]+".new") }),
	"shared memory":        fails(func([]string) error { return mapMemory(unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANON) }),
	"file in memory":       fails(func([]string) error { _, err := unix.MemfdCreate("m", 0); return err }),
	"raise a limit":        fails(func([]string) error { return unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 32, Max: 32}) }),
	"signals about a file": fails(func([]string) error { _, err := unix.FcntlInt(0, unix.F_SETOWN, unix.Getppid()); return err }),
	"dumpable": {do: func([]string) (string, error) {
		n, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
		return strconv.Itoa(n), err
	}},
	"status of threads":     {before: startThreads, do: func([]string) (string, error) { return statusOfThreads() }},
	"read on all threads":   {before: startThreads, do: onThreads(func(args []string) error { _, err := os.ReadFile(args[0]); return err })},
	"create on all threads": {before: startThreads, do: onThreads(func(args []string) error { return open(args[0], unix.O_WRONLY|unix.O_CREAT) })},
	"memory":                fails(func(args []string) error { return touch(args[0]) }),
	"processor": fails(func([]string) error {
		for n := 0; ; n++ {
		}
	}),
	"descriptors": {do: func([]string) (string, error) { return openMany() }},
	"file size":   fails(func(args []string) error { return os.WriteFile(args[0], make([]byte, 1<<20), 0o600) }),
	"stack":       fails(func([]string) error { deeper(1 << 30); return nil }),
	"panic":       fails(func([]string) error { panic("as expected") }),
	"work":        {do: work},
	"wazero":      {do: call},
}

// reap ends a forked child at once, and waits for it.
func reap(pid uintptr, errno syscall.Errno) error {
	if errno != 0 {
		return errno
	}
	if pid == 0 {
		unix.RawSyscall(unix.SYS_EXIT_GROUP, 0, 0, 0)
	}
	_, err := unix.Wait4(int(pid), nil, 0, nil)
	return err
}

func readMemory(pid int) error {
	b := make([]byte, 1)
	local := []unix.Iovec{{Base: &b[0], Len: 1}}
	// Every process of this program has the word at the same place, or none at it.
	remote := []unix.RemoteIovec{{Base: uintptr(unsafe.Pointer(&measures)), Len: 1}}
	_, err := unix.ProcessVMReadv(pid, local, remote, 0)
	if err == unix.EFAULT {
		err = nil // it could look
	}
	return err
}

func open(name string, flags int) error {
	fd, err := unix.Open(name, flags, 0o600)
	if err == nil {
		err = unix.Close(fd)
	}
	return err
}

func mapMemory(prot, flags int) error {
	b, err := unix.Mmap(-1, 0, 4096, prot, flags)
	if err == nil {
		err = unix.Munmap(b)
	}
	return err
}

// touch fills so many MiB.
func touch(mebibytes string) error {
	n, err := strconv.Atoi(mebibytes)
	if err != nil {
		return err
	}
	var kept [][]byte
	for range n / 16 {
		b := make([]byte, 16<<20)
		for i := 0; i < len(b); i += 4096 {
			b[i] = 1
		}
		kept = append(kept, b)
	}
	runtime.KeepAlive(kept)
	return nil
}

func openMany() (string, error) {
	for n := 0; ; n++ {
		if _, err := unix.Dup(0); err != nil {
			return "", err
		}
		if n == 1000 {
			return "1000", nil
		}
	}
}

func deeper(n int) byte {
	var frame [1 << 12]byte
	if n > 0 {
		frame[n%len(frame)] = deeper(n - 1)
	}
	return frame[n%len(frame)]
}

// threads have existed before Enter: each takes functions from tasks.
var (
	threads []int // their numbers
	tasks   []chan func()
)

func startThreads([]string) {
	for range 6 {
		task, tid := make(chan func()), make(chan int)
		go func() {
			runtime.LockOSThread()
			tid <- unix.Gettid()
			for f := range task {
				f()
			}
		}()
		threads, tasks = append(threads, <-tid), append(tasks, task)
	}
}

// onThreads makes an attempt on threads from before Enter, and on a new one. It
// returns an error if all do, the first thread's.
func onThreads(do func(args []string) error) func(args []string) (string, error) {
	return func(args []string) (string, error) {
		startThreads(nil)
		errs := make([]error, len(tasks))
		for i, task := range tasks {
			done := make(chan struct{})
			task <- func() { errs[i] = do(args); close(done) }
			<-done
		}
		for i, err := range errs {
			if err == nil {
				return fmt.Sprintf("thread %d may", i), nil
			}
		}
		return "", errs[0]
	}
}

// statusOfThreads counts what the kernel says of each thread's confinement.
func statusOfThreads() (string, error) {
	files, err := filepath.Glob("/proc/self/task/*/status")
	var privs, filters int
	for _, name := range files {
		status, err := os.ReadFile(name)
		if err != nil {
			return "", err
		}
		if strings.Contains(string(status), "NoNewPrivs:\t1\n") {
			privs++
		}
		if strings.Contains(string(status), "Seccomp:\t2\n") {
			filters++
		}
	}
	return fmt.Sprintf("%t %t", privs == len(files), filters == len(files)), err
}

// work does what Go programs do: threads, garbage collection, signals between
// threads, timers, a poller, and code that is made at run time.
func work([]string) (string, error) {
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			runtime.LockOSThread() // and die with the thread
			b := make([][]byte, 0, 100)
			for range 100 {
				b = append(b, make([]byte, 10<<10))
			}
			runtime.KeepAlive(b)
			runtime.GC()
		})
	}
	spin := make(chan struct{})
	go func() { // has to be preempted
		for n := 0; ; n++ {
			select {
			case <-spin:
				return
			default:
			}
		}
	}()
	wg.Wait()
	close(spin)
	debug.FreeOSMemory()
	r, w, err := os.Pipe()
	if err != nil {
		return "", err
	}
	if err := r.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
		return "", err
	}
	if _, err := r.Read(make([]byte, 1)); !os.IsTimeout(err) {
		return "", err
	}
	code, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return "", err
	}
	if err := unix.Mprotect(code, unix.PROT_READ|unix.PROT_EXEC); err != nil {
		return "", err
	}
	if err := processorTimer(); err != nil {
		return "", fmt.Errorf("timer: %w", err)
	}
	<-time.After(time.Millisecond)
	return "done", w.Close()
}

// processorTimer makes a timer on this thread's processor clock, and sets it.
func processorTimer() error {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	event := [8]uint64{1: uint64(unix.SIGURG) | 4<<32, 2: uint64(unix.Gettid())} // SIGEV_THREAD_ID
	var timer int32
	if _, _, e := unix.Syscall(unix.SYS_TIMER_CREATE, unix.CLOCK_THREAD_CPUTIME_ID, uintptr(unsafe.Pointer(&event)), uintptr(unsafe.Pointer(&timer))); e != 0 {
		return e
	}
	value := [4]int64{2: 0, 3: 1e6}
	if _, _, e := unix.Syscall6(unix.SYS_TIMER_SETTIME, uintptr(timer), 0, uintptr(unsafe.Pointer(&value)), 0, 0, 0); e != 0 {
		return e
	}
	if _, _, e := unix.Syscall(unix.SYS_TIMER_DELETE, uintptr(timer), 0, 0); e != 0 {
		return e
	}
	return nil
}

// call loads a module by way of a cache, and calls it.
func call(args []string) (string, error) {
	ctx := context.Background()
	cache, err := wazero.NewCompilationCacheWithDir(args[0])
	if err != nil {
		return "", err
	}
	runtime := wazero.NewRuntimeWithConfig(ctx, wazero.NewRuntimeConfigCompiler().WithCompilationCache(cache))
	compiled, err := runtime.CompileModule(ctx, module(args[1]))
	if err != nil {
		return "", err
	}
	instance, err := runtime.InstantiateModule(ctx, compiled, wazero.NewModuleConfig())
	if err != nil {
		return "", err
	}
	out, err := instance.ExportedFunction("answer").Call(ctx)
	if err != nil {
		return "", err
	}
	return fmt.Sprint(out[0]), runtime.Close(ctx)
}

// module returns one that answers with a number below 64.
func module(answer string) []byte {
	n, err := strconv.Atoi(answer)
	if err != nil {
		panic(err)
	}
	return append([]byte("\x00asm\x01\x00\x00\x00"+
		"\x01\x05\x01\x60\x00\x01\x7f"+ // a type: nothing to i32
		"\x03\x02\x01\x00"+ // a function of it
		"\x05\x03\x01\x00\x01"+ // a page of memory
		"\x07\x0a\x01\x06answer\x00\x00"), // its name
		0x0a, 0x06, 0x01, 0x04, 0x00, 0x41, byte(n), 0x0b) // its code
}

// listeners are what a child could reach.
func listeners() (tcp net.Listener, abstract net.Listener, err error) {
	if tcp, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		return nil, nil, err
	}
	abstract, err = net.Listen("unix", fmt.Sprintf("@confine-test-%d", tcp.Addr().(*net.TCPAddr).Port))
	return tcp, abstract, err
}
