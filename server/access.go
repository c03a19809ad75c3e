package server

import (
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"

	v1 "github.com/taskgen/taskgen/proto/taskgen/v1"
	connectv1 "github.com/taskgen/taskgen/proto/taskgen/v1/taskgenv1connect"
)

// A requirement says who may call a method, and whether the call is recorded.
type requirement struct {
	role   Role
	audits bool // the method changes something
}

// access has every method of the services. What it lacks is refused.
var access = map[string]requirement{
	connectv1.QueueServiceEnqueueProcedure:      {Operator, true},
	connectv1.QueueServiceEnqueueBatchProcedure: {Operator, true},
	connectv1.QueueServicePublishProcedure:      {Operator, true},
	connectv1.QueueServiceDequeueProcedure:      {Operator, true},
	connectv1.QueueServiceSubscribeProcedure:    {Operator, true},
	connectv1.QueueServiceCompleteProcedure:     {Operator, true},
	connectv1.QueueServiceFailProcedure:         {Operator, true},
	connectv1.QueueServiceExtendProcedure:       {Operator, true},
	connectv1.QueueServiceReleaseProcedure:      {Operator, true},
	connectv1.QueueServiceDeadLetterProcedure:   {Operator, true},
	connectv1.QueueServicePeekProcedure:         {Viewer, false},
	connectv1.QueueServiceGetQueueInfoProcedure: {Viewer, false},
	connectv1.QueueServiceGetTaskProcedure:      {Viewer, false},
	// A result may hold what its task was given as a secret.
	connectv1.QueueServiceAwaitResultProcedure: {Operator, false},

	connectv1.QueueMonitoringServiceGetQueueStatsProcedure:  {Viewer, false},
	connectv1.QueueMonitoringServiceGetQueueHealthProcedure: {Viewer, false},
	connectv1.QueueMonitoringServiceGetClusterInfoProcedure: {Viewer, false},
	connectv1.QueueMonitoringServiceListWorkersProcedure:    {Viewer, false},
	connectv1.QueueMonitoringServiceListTypesProcedure:      {Viewer, false},
	connectv1.QueueMonitoringServiceStreamMetricsProcedure:  {Viewer, false},

	connectv1.SchedulerServiceScheduleJobProcedure:  {Operator, true},
	connectv1.SchedulerServiceCancelJobProcedure:    {Operator, true},
	connectv1.SchedulerServiceModifyJobProcedure:    {Operator, true},
	connectv1.SchedulerServiceGetJobStatusProcedure: {Viewer, false},
	connectv1.SchedulerServiceListJobsProcedure:     {Viewer, false},
	connectv1.SchedulerServicePauseJobProcedure:     {Operator, true},
	connectv1.SchedulerServiceResumeJobProcedure:    {Operator, true},
	connectv1.SchedulerServiceRunNowProcedure:       {Operator, true},

	connectv1.QueueAdminServiceListQueuesProcedure:         {Viewer, false},
	connectv1.QueueAdminServiceListTasksProcedure:          {Viewer, false},
	connectv1.QueueAdminServiceListDeadLettersProcedure:    {Viewer, false},
	connectv1.QueueAdminServiceGroupDeadLettersProcedure:   {Viewer, false},
	connectv1.QueueAdminServiceGetDeadLetterProcedure:      {Viewer, false},
	connectv1.QueueAdminServiceGetBulkJobProcedure:         {Viewer, false},
	connectv1.QueueAdminServiceListBulkJobsProcedure:       {Viewer, false},
	connectv1.QueueAdminServiceWatchBulkJobProcedure:       {Viewer, false},
	connectv1.QueueAdminServicePauseQueueProcedure:         {Operator, true},
	connectv1.QueueAdminServiceResumeQueueProcedure:        {Operator, true},
	connectv1.QueueAdminServiceCancelTaskProcedure:         {Operator, true},
	connectv1.QueueAdminServiceRescheduleTaskProcedure:     {Operator, true},
	connectv1.QueueAdminServiceCancelTasksProcedure:        {Operator, true},
	connectv1.QueueAdminServiceEditDeadLetterProcedure:     {Operator, true},
	connectv1.QueueAdminServiceRedriveDeadLettersProcedure: {Operator, true},
	connectv1.QueueAdminServiceCancelBulkJobProcedure:      {Operator, true},
	connectv1.QueueAdminServiceResumeBulkJobProcedure:      {Operator, true},
	connectv1.QueueAdminServiceQuietWorkerProcedure:        {Operator, true},
	connectv1.QueueAdminServiceResumeWorkerProcedure:       {Operator, true},
	connectv1.QueueAdminServiceCreateQueueProcedure:        {Admin, true},
	connectv1.QueueAdminServiceDeleteQueueProcedure:        {Admin, true},
	connectv1.QueueAdminServicePurgeQueueProcedure:         {Admin, true},
	connectv1.QueueAdminServiceResetQueueStatsProcedure:    {Admin, true},
	connectv1.QueueAdminServiceDiscardDeadLettersProcedure: {Admin, true},
	// Records say what others do.
	connectv1.QueueAdminServiceListAuditRecordsProcedure: {Admin, false},

	"/" + grpchealth.HealthV1ServiceName + "/Check":                       {Viewer, false},
	"/" + grpchealth.HealthV1ServiceName + "/Watch":                       {Viewer, false},
	"/" + grpcreflect.ReflectV1ServiceName + "/ServerReflectionInfo":      {Viewer, false},
	"/" + grpcreflect.ReflectV1AlphaServiceName + "/ServerReflectionInfo": {Viewer, false},
}

// bulkProcedures are the methods that begin bulk jobs, by the kind of job.
var bulkProcedures = map[v1.BulkKind]string{
	v1.BulkKind_BULK_KIND_REDRIVE: connectv1.QueueAdminServiceRedriveDeadLettersProcedure,
	v1.BulkKind_BULK_KIND_DISCARD: connectv1.QueueAdminServiceDiscardDeadLettersProcedure,
	v1.BulkKind_BULK_KIND_CANCEL:  connectv1.QueueAdminServiceCancelTasksProcedure,
}
