package chunklog

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/history/historystore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func records(n int) []Record {
	rs := make([]Record, n)
	for i := range rs {
		end := time.Date(2026, 1, 2, 3, 4, 5, i*1000, time.UTC)
		rs[i] = Record{
			TaskID: fmt.Sprintf("01890a5d-ac96-774b-bcce-%012x", i), Type: "welcome", Queue: "mail", Worker: "mailer-1", Outcome: driver.Completed,
			EnqueuedAt: end.Add(-time.Second), DueAt: end.Add(-time.Second), StartedAt: end.Add(-time.Millisecond), EndedAt: end, Attempt: 1,
		}
	}
	return rs
}

func TestARecordTakesAboutThirtyBytes(t *testing.T) {
	pieces := Encode(records(1000))
	require.Len(t, pieces, 1)
	assert.Less(t, pieces[0].Len(), 34*1000)
}

func TestABatchIsCutIntoPiecesThatReadAsOne(t *testing.T) {
	rs := records(300)
	for i := range rs {
		rs[i].Error = fmt.Sprint(i, strings.Repeat("x", 1000))
	}
	pieces := Encode(rs)
	assert.Greater(t, len(pieces), 3)
	var body, index []byte
	for _, p := range pieces {
		assert.Less(t, len(p.Body), 2*mostPiece)
		body, index = append(body, p.Body...), append(index, p.Index...)
	}
	got, err := Decode(body)
	require.NoError(t, err)
	assert.Equal(t, rs, got)
	x, err := readIndex(index, mark(rs[299].TaskID))
	require.NoError(t, err)
	assert.Equal(t, extent{rs[0].EndedAt.UnixMicro(), rs[299].EndedAt.UnixMicro(), true}, x)
	none, err := readIndex(nil, 0)
	require.NoError(t, err)
	assert.Equal(t, extent{}, none)
	assert.Empty(t, Encode(nil))
}

// What cannot be read is an error, and never a panic or a huge allocation.
func FuzzWhatIsReadIsRecordsOrAnError(f *testing.F) {
	odd := records(3)
	odd[0].TaskID, odd[1].TraceID, odd[2].Error = "x", "4bf92f3577b34da6a3ce929d0e0e4736", "no answer"
	odd[1].StartedAt, odd[2].DueAt = time.Time{}, time.Time{}
	for _, p := range append(Encode(odd), Encode(records(2))...) {
		f.Add(p.Body)
		f.Add(p.Index)
		for i := range p.Body {
			f.Add(p.Body[:i])
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if rs, err := Decode(data); err == nil && len(rs) > 0 {
			again, err := Decode(Encode(rs)[0].Body)
			require.NoError(t, err)
			require.NotEmpty(t, again)
		}
		_, _ = readIndex(data, 7)
	})
}

func TestWhatCannotBeReadIsAnError(t *testing.T) {
	p := Encode(records(2))[0]
	for i := range p.Body {
		if i == 0 {
			continue // nothing at all is no record
		}
		_, err := Decode(p.Body[:i])
		require.ErrorIs(t, err, errBroken, "the first %d bytes", i)
	}
	_, err := readIndex(p.Index[:len(p.Index)-1], 0)
	require.ErrorIs(t, err, errBroken)
	newer := Encode(records(1))[0].Body
	newer[8] = version + 1
	_, err = Decode(append(newer, p.Body...))
	require.ErrorIs(t, err, historystore.ErrNewer)
	for i := range 8 { // the head says that there is more than there is
		broken := slices.Clone(p.Body)
		broken[i] ^= 0x80
		_, err = Decode(broken)
		require.Error(t, err, "byte %d", i)
	}
}

func TestOnlyWhatIsWrittenAsAUUIDIsPackedAsOne(t *testing.T) {
	const id = "0190a5c5-7f4e-7abc-9def-00000000beef"
	packed, ok := packUUID(id)
	require.True(t, ok)
	assert.Equal(t, id, unpackUUID(packed[:]))
	for _, other := range []string{"", strings.ToUpper(id), id[1:], strings.Replace(id, "-", "_", 1), strings.Replace(id, "f", "g", 1), strings.ReplaceAll(id, "-", ""), strings.Repeat("-", 36), id[:35] + "-"} {
		_, ok := packUUID(other)
		assert.False(t, ok, other)
	}
}

func TestMarksTellTasksApart(t *testing.T) {
	same := 0
	for i := range 100_000 {
		if mark(fmt.Sprintf("01890a5d-ac96-774b-bcce-%012x", i)) == mark("01890a5d-ac96-774b-bcce-b302099a8057") {
			same++
		}
	}
	assert.Less(t, same, 20, "of 65,536 one has the same")
}

// A chunks is a Reader of so many chunks, that counts what is read.
type chunks struct {
	n      int64
	piece  Piece
	bodies int
}

func (c *chunks) Heads(_ context.Context, before int64, limit int) (heads []Head, err error) {
	if before == 0 {
		before = c.n + 1
	}
	for seq := before - 1; seq > 0 && len(heads) < limit; seq-- {
		heads = append(heads, Head{seq, c.piece.Index})
	}
	return heads, nil
}

func (c *chunks) Bodies(_ context.Context, seqs []int64) ([][]byte, error) {
	c.bodies += len(seqs)
	bodies := make([][]byte, len(seqs))
	for i := range bodies {
		bodies[i] = c.piece.Body
	}
	return bodies, nil
}

func TestAPageOfALongHistoryEndsThoughNothingIsFound(t *testing.T) {
	c := &chunks{n: 3*pageChunks + 5, piece: Encode(records(1))[0]}
	l := Log{c}
	pages, next := 0, ""
	for {
		page, cursor, err := l.List(t.Context(), historystore.Filter{Type: "nothing"}, next, 10)
		require.NoError(t, err)
		require.Empty(t, page)
		pages++
		if next = cursor; next == "" {
			break
		}
	}
	assert.Equal(t, 4, pages)
	assert.LessOrEqual(t, c.bodies, 3*pageChunks+5+4*BodiesAtOnce)
}

func TestATaskIsLookedForOnlyWhereItMayBe(t *testing.T) {
	c := &chunks{n: 1000, piece: Encode(records(2))[0]}
	got, err := Log{c}.Task(t.Context(), "nobody")
	require.NoError(t, err)
	assert.Empty(t, got)
	assert.Zero(t, c.bodies)
	_, err = Log{c}.Stats(t.Context(), historystore.Filter{Until: records(1)[0].EndedAt.Add(-time.Second)})
	require.NoError(t, err)
	assert.Zero(t, c.bodies, "nor what ended at another time")
}

func TestABucketIsAtMostTwoPercentWide(t *testing.T) {
	last := -1
	for _, v := range []uint64{0, 1, 2, 63, 64, 127, 128, 130, 1000, 12_345, 1 << 20, 1<<20 + 1<<14, 1 << 40, math.MaxInt64 / 1000} {
		b := bucketOf(v)
		assert.Greater(t, b, last, "buckets are in the order of values")
		last = b
		assert.InEpsilon(t, float64(v)+1, float64(valueOf(b))+1, 0.02, "the value of the bucket of %d", v)
	}
}

func TestDurationsThatAreNegativeCountAsNone(t *testing.T) {
	var h histogram
	h.add(-time.Second)
	assert.Equal(t, historystore.Percentiles{}, h.percentiles())
	assert.EqualValues(t, 1, h.n)
	h.add(time.Second)
	assert.Equal(t, time.Second, h.percentiles().P99)
	assert.Zero(t, h.percentiles().P50)
}

func BenchmarkEncode(b *testing.B) {
	rs := records(512)
	b.ReportAllocs()
	for b.Loop() {
		Encode(rs)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/512, "ns/record")
}

func BenchmarkDecode(b *testing.B) {
	body := Encode(records(512))[0].Body
	for b.Loop() {
		_, _ = Decode(body)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/512, "ns/record")
}
