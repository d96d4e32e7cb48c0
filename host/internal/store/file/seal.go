package file

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

// sealSize is how many bytes a seal takes in front of a record.
const sealSize = 4

var errSeal = errors.New("the record does not match its checksum")

// seal puts a checksum in front of a record. It covers the bucket and the key
// too, so that a record is not taken for another one's.
func seal(bucket string, key, record []byte) []byte {
	out := make([]byte, sealSize, sealSize+len(record))
	binary.LittleEndian.PutUint32(out, checksum(bucket, key, record))
	return append(out, record...)
}

// unseal returns the record within a value, which it is a part of.
func unseal(bucket string, key, value []byte) ([]byte, error) {
	if len(value) < sealSize {
		return nil, errSeal
	}
	record := value[sealSize:]
	if binary.LittleEndian.Uint32(value) != checksum(bucket, key, record) {
		return nil, errSeal
	}
	return record, nil
}

func checksum(bucket string, key, record []byte) uint32 {
	table := crc32.MakeTable(crc32.Castagnoli) // one table, made once, inside crc32
	var length [4]byte
	binary.LittleEndian.PutUint32(length[:], uint32(len(key)))
	sum := crc32.Update(0, table, []byte(bucket))
	sum = crc32.Update(sum, table, length[:])
	sum = crc32.Update(sum, table, key)
	return crc32.Update(sum, table, record)
}
