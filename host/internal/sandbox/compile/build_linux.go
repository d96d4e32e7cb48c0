package compile

import (
	"crypto/rand"
	"debug/elf"
	"fmt"
	"runtime"
	"runtime/debug"
)

// compilerBuild names the compiler that is linked in: code from another one
// must not be loaded. Where the version says too little, the program's build
// does; where nothing is known, no other process has the same name.
func compilerBuild() string {
	const wazero = "github.com/tetratelabs/wazero"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if dep.Path == wazero && dep.Replace == nil && dep.Sum != "" {
				return fmt.Sprintf("%s %s %s", dep.Version, dep.Sum, runtime.Version())
			}
		}
	}
	if id := buildID(); id != "" {
		return id
	}
	return rand.Text()
}

// buildID returns the note that the linker leaves in the program, "" if there
// is none.
func buildID() string {
	f, err := elf.Open("/proc/self/exe")
	if err != nil {
		return ""
	}
	defer f.Close()
	section := f.Section(".note.go.buildid")
	if section == nil || section.Size < 24 || section.Size > 4096 { // name and type take 16 bytes
		return ""
	}
	note, err := section.Data()
	if err != nil {
		return ""
	}
	return fmt.Sprintf("%x", note)
}
