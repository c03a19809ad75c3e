package chunklog

import "encoding/hex"

// places are where the bytes of a UUID stand in its text, and dashes what is between them.
var (
	places = [16]int{0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34}
	dashes = [...]int{8, 13, 18, 23}
)

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
	bad := byte(0)
	for n, i := range places {
		high, low := values[s[i]], values[s[i+1]]
		bad |= high | low
		id[n] = high<<4 | low
	}
	return id, bad < 16
}

// values are those of the hexadecimal digits. Capital letters are none: they would come back
// as small ones.
var values = func() (v [256]byte) {
	for c := range v {
		v[c] = 0xFF
	}
	for i, c := range "0123456789abcdef" {
		v[c] = byte(i)
	}
	return v
}()

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
	bad := byte(0)
	for i := range id {
		high, low := values[s[2*i]], values[s[2*i+1]]
		bad |= high | low
		id[i] = high<<4 | low
	}
	return id, bad < 16
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
