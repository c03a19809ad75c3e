package server

import (
	"context"
	"slices"
	"strconv"
	"sync"

	"google.golang.org/protobuf/types/known/durationpb"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
)

// An auditStore keeps audit records: an AuditLog, or memory.
type auditStore interface {
	add(r AuditRecord) error
	// page returns up to limit records that match, the newest first, behind the cursor of the
	// last page. It may be shorter though there is a next one.
	page(match func(*AuditRecord) bool, cursor string, limit int) (page []AuditRecord, next string, err error)
}

// auditKept is how many records a server without an AuditLog keeps.
const auditKept = 10_000

// A memoryAudit keeps the last records.
type memoryAudit struct {
	mu    sync.Mutex
	first int64         // number of the oldest record that is kept
	kept  []AuditRecord // in a ring
}

func (m *memoryAudit) add(r AuditRecord) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.kept) < auditKept {
		m.kept = append(m.kept, r)
		return nil
	}
	m.kept[m.first%auditKept] = r
	m.first++
	return nil
}

// page implements auditStore. A cursor is the number of the record before it.
func (m *memoryAudit) page(match func(*AuditRecord) bool, cursor string, limit int) (page []AuditRecord, next string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	end := m.first + int64(len(m.kept))
	if cursor != "" {
		at, err := strconv.ParseInt(cursor, 10, 64)
		if err != nil || at < 0 || at > end {
			return nil, "", errCursor
		}
		end = at
	}
	for n := end - 1; n >= m.first; n-- {
		if r := &m.kept[n%auditKept]; match(r) {
			page = append(page, *r)
		}
		if len(page) == limit && n > m.first {
			return page, strconv.FormatInt(n, 10), nil
		}
	}
	return page, "", nil
}

// ListAuditRecords implements the method of QueueAdminService.
func (a *adminService) ListAuditRecords(_ context.Context, req *v1.ListAuditRecordsRequest) (*v1.ListAuditRecordsResponse, error) {
	limit := int(req.GetLimit())
	if limit == 0 {
		limit = defaultPage
	}
	match := func(r *AuditRecord) bool {
		return (req.GetCaller() == "" || r.Caller == req.GetCaller()) && (req.GetProcedure() == "" || r.Procedure == req.GetProcedure()) &&
			(req.GetSubject() == "" || slices.Contains(r.Subjects, req.GetSubject()))
	}
	page, next, err := a.s.records.page(match, req.GetCursor(), limit)
	if err != nil {
		return nil, err
	}
	res := &v1.ListAuditRecordsResponse{NextCursor: next}
	for _, r := range page {
		res.Records = append(res.Records, &v1.AuditRecord{
			At: timestamp(r.At), Took: durationpb.New(r.Took), Caller: r.Caller, Role: string(r.Role), Remote: r.Remote,
			Procedure: r.Procedure, Subjects: r.Subjects, Count: int32(r.Count), Reason: r.Reason, Code: r.Code,
		})
	}
	return res, nil
}
