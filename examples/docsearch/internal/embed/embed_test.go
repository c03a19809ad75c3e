package embed

import (
	"fmt"
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFeaturesAreWordsAndPairsThatSaySomething(t *testing.T) {
	assert.Equal(t, map[string]float64{
		"lease": 1 + math.Log(2), "retry": 1, "queue": 1,
		"retry lease": 0.5, "lease queue": 0.5,
	}, Features("The retries' LEASE: queues of leases"))
}

func TestVectorsHaveLengthOne(t *testing.T) {
	for _, text := range []string{"lease", "one two three", "Zwölf Boxkämpfer 12"} {
		v := Text(text)
		assert.InDelta(t, 1, Cosine(&v, &v), 1e-6, text)
	}
}

func TestTextThatSaysNothingHasTheZeroVector(t *testing.T) {
	assert.Equal(t, Vector{}, Text(" — … !"))
	assert.Equal(t, Vector{}, Text("it is what it is"))
}

func TestTheSameTextHasTheSameVectorToTheBit(t *testing.T) {
	text := ""
	for i := range 300 {
		text += fmt.Sprintf("word%d ", i%71)
	}
	first := Text(text)
	for range 20 {
		require.Equal(t, first, Text(text))
	}
}

func TestSimilarTextsAreNearerThanOthers(t *testing.T) {
	lease := Text("A lease ends when its worker has died, and the task is handed out again.")
	query := Text("what happens to a task when its worker died")
	other := Text("The generator writes one file for each package of annotated structs.")
	assert.Greater(t, Cosine(&query, &lease), Cosine(&query, &other)+0.1)
}

func TestHashedSimilarityIsThatOfTheFeatures(t *testing.T) {
	// Two texts that share 50 of 100 features: the estimate's error is about
	// 1/√Dims, so 4 of those are a bound that holds.
	var a, b string
	for i := range 100 {
		a += fmt.Sprintf("w%d, ", i)
		b += fmt.Sprintf("w%d, ", i+50)
	}
	va, vb := Text(a), Text(b)
	assert.InDelta(t, 0.5, Cosine(&va, &vb), 4/math.Sqrt(Dims))
}

func TestPlacesAndSignsAreSpreadEvenly(t *testing.T) {
	const n = 100 * Dims
	places, signs := make([]int, Dims), 0.0
	for i := range n {
		place, sign := hash(fmt.Sprintf("feature %d", i))
		places[place]++
		signs += sign
	}
	for place, count := range places {
		require.InDelta(t, n/Dims, count, 60, "place %d: six standard deviations", place)
	}
	assert.Less(t, math.Abs(signs), 6*math.Sqrt(n))
}

func TestWeightsRaiseRareFeatures(t *testing.T) {
	rare := Text("sqlite")
	even := Text("file sqlite")
	weighted := Weighted("file sqlite", func(f string) float64 {
		if f == "sqlite" {
			return 5
		}
		return 1
	})
	assert.Greater(t, Cosine(&weighted, &rare), Cosine(&even, &rare))
}

func TestBytesRoundTrip(t *testing.T) {
	v := Text("there and back")
	got, err := FromBytes(v.Bytes())
	require.NoError(t, err)
	assert.Equal(t, v, got)
	_, err = FromBytes([]byte("short"))
	assert.ErrorContains(t, err, "a vector of 5 bytes")
}
