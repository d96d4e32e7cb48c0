package compile

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"idlehost/host/internal/sandbox/confine"
)

// reply is what a child writes to its standard output. The parent checks what it
// can, and trusts the rest no more than it must trust the code itself.
type reply struct {
	// Sub and Name are the folder and the file of the code, by wazero's rules.
	Sub, Name string
	// Probe is the file's name for the probe: it shows that parent and child
	// have the same compiler and processor.
	Probe string
	// Refused is why the module is wrong, Failed why compiling it did not end
	// well, Limit what was exceeded then.
	Refused, Failed, Limit string
	MemoryBytes            int64
	// CompileTime is the processor time of compiling alone.
	CompileTime time.Duration
	// Confined says under which measures the child has worked. It is that of an
	// honest child: one that was taken over says what it wants.
	Confined confine.Report
}

// maxReply bounds what is read of a child, in bytes.
const maxReply = 16 << 10

func parseReply(data []byte) (reply, error) {
	var r reply
	if len(data) >= maxReply {
		return r, errors.New("too long")
	}
	if err := json.Unmarshal(data, &r); err != nil {
		return reply{}, err
	}
	if r.Refused != "" || r.Failed != "" {
		return r, nil
	}
	if !validName(r.Name) || !validName(r.Probe) {
		return reply{}, fmt.Errorf("file names %.80q and %.80q", r.Name, r.Probe)
	}
	if !strings.HasPrefix(r.Sub, "wazero-") || filepath.Base(r.Sub) != r.Sub {
		return reply{}, fmt.Errorf("folder %.80q", r.Sub)
	}
	return r, nil
}

// validName reports whether s is 64 lower-case hexadecimal digits.
func validName(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}
