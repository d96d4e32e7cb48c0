package recorder

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
)

// key is what pseudonyms are made with. There is one for every file; it is
// random, and gone with the Recorder: nobody can link a file's pseudonyms to
// those of another, to what policies see, or to addresses.
type key [32]byte

func newKey() (k key) {
	rand.Read(k[:]) // never fails
	return k
}

// of returns the pseudonym of a client as the idle layer knows it; 0 stays 0:
// nobody in particular.
func (k *key) of(client uint64) uint64 {
	if client == 0 {
		return 0
	}
	return max(k.sum(client), 1)
}

// sum is a keyed hash of fixed length, for which a prefix will do.
func (k *key) sum(client uint64) uint64 {
	var b [40]byte
	copy(b[:], k[:])
	binary.LittleEndian.PutUint64(b[32:], client)
	h := sha256.Sum256(b[:])
	return binary.LittleEndian.Uint64(h[:])
}
