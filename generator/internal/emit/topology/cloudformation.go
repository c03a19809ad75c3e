package topology

import (
	"fmt"
	"maps"
	"slices"

	"github.com/taskgen/taskgen/generator/internal/model"
)

// CloudFormation is the queues in SQS, with alarms, as a template in JSON.
func CloudFormation(p *model.Package) string {
	resources := object{}
	for i, q := range sqsQueues(p) {
		id := func(name string) string { // letters and digits alone, in the order of the queues
			at := slices.IndexFunc(sqsQueues(p), func(other sqsQueue) bool { return other.name == name })
			return fmt.Sprintf("Queue%d%s", at, alphanumeric(name))
		}
		r := object{
			"QueueName": q.name, "DelaySeconds": 0, "ReceiveMessageWaitTimeSeconds": 0, "VisibilityTimeout": q.visibility,
			"MessageRetentionPeriod": sqsRetention, "MaximumMessageSize": sqsMessageSize, "Tags": tagList(q.tags()),
		}
		if q.fifo {
			r["FifoQueue"], r["DeduplicationScope"], r["FifoThroughputLimit"] = true, "messageGroup", "perMessageGroupId"
		}
		if q.receives > 0 {
			r["RedrivePolicy"] = object{"deadLetterTargetArn": object{"Fn::GetAtt": []string{id(q.dlq), "Arn"}}, "maxReceiveCount": q.receives}
		}
		resources[id(q.name)] = object{"Type": "AWS::SQS::Queue", "Properties": r}
		a := q.alarm()
		action := object{"Fn::If": []any{"HasAlarmTopic", []any{object{"Ref": "AlarmTopic"}}, object{"Ref": "AWS::NoValue"}}}
		watched := object{
			"AlarmName": q.name + "-" + a.suffix, "AlarmDescription": a.what, "Namespace": "AWS/SQS", "MetricName": a.metric,
			"Dimensions": []any{object{"Name": "QueueName", "Value": object{"Fn::GetAtt": []string{id(q.name), "QueueName"}}}},
			"Statistic":  "Maximum", "Period": 60, "EvaluationPeriods": 5, "ComparisonOperator": "GreaterThanThreshold",
			"Threshold": object{"Ref": "MaxAgeSeconds"}, "TreatMissingData": "notBreaching", "AlarmActions": action, "OKActions": action,
		}
		if q.dead {
			watched["Threshold"], watched["EvaluationPeriods"] = 0, 1
		}
		resources[fmt.Sprintf("Alarm%d%s", i, alphanumeric(q.name))] = object{"Type": "AWS::CloudWatch::Alarm", "Properties": watched}
	}
	return encode(object{
		"AWSTemplateFormatVersion": "2010-09-09",
		"Description":              "The queues of package " + p.Name + " in SQS.",
		"Metadata":                 object{"GeneratedBy": model.Mark(p.Path)},
		"Parameters": object{
			"AlarmTopic":    object{"Type": "String", "Default": "", "Description": "ARN of the topic that hears of alarms; empty: none."},
			"MaxAgeSeconds": object{"Type": "Number", "Default": maxAge, "Description": "How long the oldest task may wait before an alarm goes off."},
		},
		"Conditions": object{"HasAlarmTopic": object{"Fn::Not": []any{object{"Fn::Equals": []any{object{"Ref": "AlarmTopic"}, ""}}}}},
		"Resources":  resources,
	})
}

func tagList(tags map[string]string) []any {
	var all []any
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		all = append(all, object{"Key": key, "Value": tags[key]})
	}
	return all
}

// alphanumeric are the letters and digits of a name.
func alphanumeric(name string) string {
	var b []byte
	for i := range len(name) {
		if c := name[i]; c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
			b = append(b, c)
		}
	}
	return string(b)
}
