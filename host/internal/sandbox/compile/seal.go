package compile

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// A sealed entry is one file, so that it is there whole or not at all:
//
//	"idlhost\x01"  magic and version, 8 bytes
//	key            64 bytes: which order it is the answer to
//	name           64 bytes: the file's name by wazero's rules
//	size           u64, little-endian: bytes of code
//	code
//	mac            32 bytes: HMAC-SHA-256 of all the above
//
// The key of the MAC lies in the cache folder, readable by its owner only:
// who could only write to the folder for a while, through a wrong mode, leaves
// nothing that is believed. wazero's own checksum guards against accidents.
const (
	sealMagic  = "idlhost\x01"
	headerSize = 8 + 64 + 64 + 8
	macSize    = sha256.Size
)

var errSeal = errors.New("is not authentic")

// seal copies size bytes of code from r to w, sealed.
func seal(w io.Writer, secret []byte, key, name string, code io.Reader, size int64) error {
	mac := hmac.New(sha256.New, secret)
	both := io.MultiWriter(w, mac)
	header := append([]byte(sealMagic+key+name), binary.LittleEndian.AppendUint64(nil, uint64(size))...)
	if _, err := both.Write(header); err != nil {
		return err
	}
	if err := copyExactly(both, code, size); err != nil {
		return err
	}
	_, err := w.Write(mac.Sum(nil))
	return err
}

// unseal copies the code in r, which has total bytes, to w. What was written
// may be used only if there is no error.
func unseal(w io.Writer, secret []byte, key string, r io.Reader, total int64) (name string, size int64, err error) {
	var header [headerSize]byte
	if total < headerSize+macSize {
		return "", 0, fmt.Errorf("%w: %d bytes", errSeal, total)
	}
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return "", 0, err
	}
	name, size = string(header[72:136]), int64(binary.LittleEndian.Uint64(header[136:]))
	if !bytes.Equal(header[:72], []byte(sealMagic+key)) || !validName(name) || size != total-headerSize-macSize {
		return "", 0, fmt.Errorf("%w: header", errSeal)
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write(header[:])
	if err := copyExactly(io.MultiWriter(w, mac), r, size); err != nil {
		return "", 0, err
	}
	var sum [macSize]byte
	if _, err := io.ReadFull(r, sum[:]); err != nil {
		return "", 0, err
	}
	if !hmac.Equal(sum[:], mac.Sum(nil)) {
		return "", 0, errSeal
	}
	return name, size, nil
}

// copyExactly copies n bytes in pieces large enough for a disk.
func copyExactly(w io.Writer, r io.Reader, n int64) error {
	buf := make([]byte, max(min(n, 256<<10), 1))
	// Only Reader, so that the pieces are as large as buf.
	copied, err := io.CopyBuffer(w, struct{ io.Reader }{io.LimitReader(r, n)}, buf)
	if err == nil && copied != n {
		err = io.ErrUnexpectedEOF
	}
	return err
}
