package logs

import (
	"crypto/sha256"
	"encoding/binary"
)

// SeedKey returns the key that a seed stands for.
func SeedKey(seed uint64) []byte {
	sum := sha256.Sum256(binary.LittleEndian.AppendUint64([]byte("clients of logs "), seed))
	return sum[:16]
}

// pseudonyms makes numbers of clients' names: the first 8 bytes of a SHA-256
// that begins with the key.
type pseudonyms struct {
	key int    // its length
	buf []byte // the key, and the name that was last asked for
}

func newPseudonyms(key []byte) pseudonyms {
	return pseudonyms{key: len(key), buf: append(make([]byte, 0, 256), key...)}
}

// of returns the pseudonym, which is not 0, of an address and an agent; agent
// may be nil.
func (p *pseudonyms) of(address, agent []byte) uint64 {
	p.buf = append(p.buf[:p.key], address...)
	if agent != nil {
		p.buf = append(append(p.buf, 0), agent...)
	}
	sum := sha256.Sum256(p.buf)
	return max(binary.LittleEndian.Uint64(sum[:]), 1)
}
