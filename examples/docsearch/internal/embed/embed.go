// Package embed turns text into vectors without a model or a network: by
// feature hashing, the hashing trick of Weinberger, Dasgupta, Langford, Smola
// and Attenberg, "Feature Hashing for Large Scale Multitask Learning" (ICML
// 2009). Every feature of a text (its words and pairs of neighbouring words)
// adds its weight to one of [Dims] places, chosen by a hash, with a sign chosen
// by another bit of the hash. The sign makes collisions cancel out on average,
// so that the inner product of two vectors is an unbiased estimate of that of
// the two bags of features.
package embed

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"slices"
)

// Model names this embedding. Vectors of different models must not be compared:
// change the name whenever a change of the code changes vectors.
const Model = "hash-1024-v1"

// Dims is the length of a vector. A chunk of 120 words has some 100 features,
// which 1024 places hold with few collisions, in 4 KiB.
const Dims = 1024

// A Vector has length 1, or is all zeros for a text that has no features.
type Vector [Dims]float32

// Text embeds a text.
func Text(text string) Vector {
	return Weighted(text, func(string) float64 { return 1 })
}

// Weighted is Text with each feature's weight multiplied: a query gives rare
// features, which tell documents apart, more weight than common ones.
func Weighted(text string, weight func(feature string) float64) Vector {
	var sums [Dims]float64
	features := Features(text)
	// In sorted order, for sums of floats depend on it, and a task that runs
	// twice must give the same vector twice.
	for _, f := range slices.Sorted(maps.Keys(features)) {
		place, sign := hash(f)
		sums[place] += sign * features[f] * weight(f)
	}
	var norm float64
	for _, x := range sums {
		norm += x * x
	}
	var v Vector
	if norm == 0 {
		return v
	}
	for i, x := range sums {
		v[i] = float32(x / math.Sqrt(norm))
	}
	return v
}

func hash(feature string) (place int, sign float64) {
	h := fnv.New64a()
	h.Write([]byte(feature))
	// FNV's high bits mix slowly on short input: fold them in.
	sum := h.Sum64()
	sum ^= sum >> 32
	sum *= 0x9e3779b97f4a7c15 // 2^64 / the golden ratio: Knuth's multiplicative hashing
	if sum>>63 == 1 {
		return int(sum>>32) % Dims, -1
	}
	return int(sum>>32) % Dims, 1
}

// Cosine is the similarity of two vectors, from -1 to 1.
func Cosine(a, b *Vector) float64 {
	var sum float64
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

// Bytes is the vector in little-endian order, for storage.
func (v *Vector) Bytes() []byte {
	data := make([]byte, 0, 4*Dims)
	for _, x := range v {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(x))
	}
	return data
}

// FromBytes reads what Bytes wrote.
func FromBytes(data []byte) (v Vector, err error) {
	if len(data) != 4*Dims {
		return v, fmt.Errorf("a vector of %d bytes: %s has %d", len(data), Model, 4*Dims)
	}
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	return v, nil
}
