package chunklog

import "encoding/hex"

// dashes are where a UUID has them.
var dashes = [...]int{8, 13, 18, 23}

// packUUID returns the bytes of a UUID in the form that this module gives to IDs.
func packUUID(s string) (id [16]byte, ok bool) {
	if len(s) != 36 {
		return id, false
	}
	for _, i := range dashes {
		if s[i] != '-' {
			return id, false
		}
	}
	var digits [32]byte
	n := copy(digits[:], s[:8])
	n += copy(digits[n:], s[9:13])
	n += copy(digits[n:], s[14:18])
	n += copy(digits[n:], s[19:23])
	copy(digits[n:], s[24:])
	return pack(&digits)
}

// unpackUUID undoes packUUID.
func unpackUUID(id []byte) string {
	var s [36]byte
	hex.Encode(s[:8], id[:4])
	hex.Encode(s[9:13], id[4:6])
	hex.Encode(s[14:18], id[6:8])
	hex.Encode(s[19:23], id[8:10])
	hex.Encode(s[24:], id[10:16])
	for _, i := range dashes {
		s[i] = '-'
	}
	return string(s[:])
}

// packHex returns the bytes of 32 hexadecimal digits.
func packHex(s string) (id [16]byte, ok bool) {
	if len(s) != 32 {
		return id, false
	}
	var digits [32]byte
	copy(digits[:], s)
	return pack(&digits)
}

// pack refuses capital letters: they would come back as small ones.
func pack(digits *[32]byte) (id [16]byte, ok bool) {
	for _, c := range digits {
		if c >= 'A' && c <= 'F' {
			return id, false
		}
	}
	_, err := hex.Decode(id[:], digits[:])
	return id, err == nil
}

// mark is what an index has of a task's ID: the hash FNV-1a, folded. Of the other tasks one
// in 65,536 has the same.
func mark(id string) uint16 {
	h := uint32(2166136261)
	for i := range len(id) {
		h = (h ^ uint32(id[i])) * 16777619
	}
	return uint16(h>>16) ^ uint16(h)
}
