package server

import (
	"connectrpc.com/grpchealth"
	"connectrpc.com/grpcreflect"

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

	"/" + grpchealth.HealthV1ServiceName + "/Check":                       {Viewer, false},
	"/" + grpchealth.HealthV1ServiceName + "/Watch":                       {Viewer, false},
	"/" + grpcreflect.ReflectV1ServiceName + "/ServerReflectionInfo":      {Viewer, false},
	"/" + grpcreflect.ReflectV1AlphaServiceName + "/ServerReflectionInfo": {Viewer, false},
}
