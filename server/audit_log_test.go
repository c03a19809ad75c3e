package server

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func anyRecord(*AuditRecord) bool { return true }

// recordNumber is a record with a subject of its own.
func recordNumber(n int) AuditRecord {
	return AuditRecord{At: time.Unix(int64(n), 0).UTC(), Took: time.Millisecond, Caller: "ops", Role: Admin, Procedure: "/p", Subjects: []string{fmt.Sprint("s", n)}, Count: 1, Reason: strings.Repeat("why ", n%500), Code: "ok"}
}

// pagesOf reads all pages of a store.
func pagesOf(t *testing.T, s auditStore, match func(*AuditRecord) bool, limit int) (subjects []string) {
	t.Helper()
	for cursor := ""; ; {
		page, next, err := s.page(match, cursor, limit)
		require.NoError(t, err)
		require.LessOrEqual(t, len(page), limit)
		for _, r := range page {
			subjects = append(subjects, r.Subjects[0])
		}
		if cursor = next; cursor == "" {
			return subjects
		}
	}
}

func opened(t *testing.T, path string) *AuditLog {
	t.Helper()
	l, err := OpenAuditLog(path)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, l.Close()) })
	return l
}

func TestRecordsAreReadFromTheNewestOn(t *testing.T) {
	for name, s := range map[string]auditStore{"memory": new(memoryAudit), "file": opened(t, filepath.Join(t.TempDir(), "audit.jsonl"))} {
		assert.Empty(t, pagesOf(t, s, anyRecord, 10), name)
		const n = 700 // in more than one block of a file
		var want []string
		for i := range n {
			require.NoError(t, s.add(recordNumber(i)))
			want = append([]string{fmt.Sprint("s", i)}, want...)
		}
		for _, limit := range []int{1, 7, 100, n, 2 * n} {
			assert.Equal(t, want, pagesOf(t, s, anyRecord, limit), "%s by %d", name, limit)
		}
		few := func(r *AuditRecord) bool { return r.At.Unix()%100 == 0 }
		assert.Equal(t, []string{"s600", "s500", "s400", "s300", "s200", "s100", "s0"}, pagesOf(t, s, few, 2), name)
		first, cursor, err := s.page(anyRecord, "", 2)
		require.NoError(t, err)
		assert.Equal(t, []AuditRecord{recordNumber(699), recordNumber(698)}, first, name)
		require.NoError(t, s.add(recordNumber(n)))
		second, _, err := s.page(anyRecord, cursor, 1)
		require.NoError(t, err)
		assert.Equal(t, []AuditRecord{recordNumber(697)}, second, "%s: what came meanwhile moves no page", name)
		for _, cursor := range []string{"x", "-1", "99999999999"} {
			_, _, err := s.page(anyRecord, cursor, 1)
			require.ErrorIs(t, err, errCursor, name)
		}
	}
}

func TestMemoryKeepsTheLastTenThousand(t *testing.T) {
	var m memoryAudit
	for i := range auditKept + 10 {
		require.NoError(t, m.add(AuditRecord{Subjects: []string{fmt.Sprint("s", i)}}))
	}
	all := pagesOf(t, &m, anyRecord, 999)
	require.Len(t, all, auditKept)
	assert.Equal(t, []string{"s10009", "s10"}, []string{all[0], all[len(all)-1]})
}

func TestALineThatWasCutOffIsSkipped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	l := opened(t, path)
	require.NoError(t, l.add(recordNumber(1)))
	require.NoError(t, l.add(recordNumber(2)))
	require.NoError(t, l.Close())
	require.ErrorContains(t, l.add(recordNumber(3)), "closed")
	whole, err := os.ReadFile(path)
	require.NoError(t, err)
	for cut := 1; cut < 40; cut += 13 { // the process was killed within its last write
		require.NoError(t, os.WriteFile(path, whole[:len(whole)-cut], 0o600))
		l := opened(t, path)
		want := []string{"s1"}
		if cut == 1 { // only its end is missing
			want = []string{"s2", "s1"}
		}
		assert.Equal(t, want, pagesOf(t, l, anyRecord, 10), "cut by %d", cut)
		require.NoError(t, l.add(recordNumber(4)))
		assert.Equal(t, append([]string{"s4"}, want...), pagesOf(t, l, anyRecord, 1), "cut by %d", cut)
		require.NoError(t, l.Close())
		assert.Equal(t, append([]string{"s4"}, want...), pagesOf(t, opened(t, path), anyRecord, 10))
	}
}

func TestTheFileIsForItsOwnerAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.jsonl")
	opened(t, path)
	info, err := os.Stat(path)
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	_, err = OpenAuditLog(filepath.Join(path, "below-a-file"))
	require.Error(t, err)
	assert.False(t, errors.Is(err, os.ErrNotExist))
}

func TestWhatARecordSaysIsBounded(t *testing.T) {
	s := &Server{records: new(memoryAudit)}
	s.cfg.Audit = func(AuditRecord) {}
	s.record(t.Context(), AuditRecord{Subjects: []string{strings.Repeat("é", 1000)}, Reason: strings.Repeat("é", 5000)})
	page, _, err := s.records.page(anyRecord, "", 1)
	require.NoError(t, err)
	assert.Equal(t, []string{strings.Repeat("é", 100)}, page[0].Subjects)
	assert.Equal(t, strings.Repeat("é", 1000), page[0].Reason)
}

func TestManyRefusedCallsLeaveFewRecords(t *testing.T) {
	var log strings.Builder
	s := &Server{records: new(memoryAudit), refusals: newRefusals()}
	s.cfg.Audit = func(AuditRecord) {}
	s.cfg.Logger = slog.New(slog.NewTextHandler(&log, nil))
	for range 10_000 {
		s.unauthenticated(t.Context(), "/"+strings.Repeat("x", 9000), "10.0.0.1:1")
	}
	s.refused(t.Context(), AuditRecord{Caller: "wall", Code: "permission_denied", Subjects: []string{"known"}})
	page, _, err := s.records.page(anyRecord, "", 1000)
	require.NoError(t, err)
	assert.LessOrEqual(t, len(page), refusalBurst+2)
	assert.Equal(t, "wall", page[0].Caller, "strangers take nothing from callers with a token")
	assert.Equal(t, []string{"unknown", "unauthenticated"}, []string{page[1].Procedure, page[1].Code})
	assert.Contains(t, log.String(), "so many calls were refused")
}
