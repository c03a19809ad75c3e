package topology

import (
	"fmt"
	"strings"

	"github.com/taskgen/taskgen/generator/internal/model"
)

// Terraform is the queues in SQS, with alarms, in Terraform's JSON syntax.
func Terraform(p *model.Package) string {
	queues, alarms := object{}, object{}
	actions, age := p.Name+"_alarm_actions", p.Name+"_max_age_seconds"
	for _, q := range sqsQueues(p) {
		r := object{
			"name": q.name, "delay_seconds": 0, "receive_wait_time_seconds": 0, "visibility_timeout_seconds": q.visibility,
			"message_retention_seconds": sqsRetention, "max_message_size": sqsMessageSize, "tags": q.tags(),
		}
		if q.fifo {
			r["fifo_queue"], r["deduplication_scope"], r["fifo_throughput_limit"] = true, "messageGroup", "perMessageGroupId"
		}
		if q.receives > 0 {
			r["redrive_policy"] = fmt.Sprintf("${jsonencode({deadLetterTargetArn = aws_sqs_queue.%s.arn, maxReceiveCount = %d})}", label(q.dlq), q.receives)
		}
		queues[label(q.name)] = r
		a := q.alarm()
		watched := object{
			"alarm_name": q.name + "-" + a.suffix, "alarm_description": a.what, "namespace": "AWS/SQS", "metric_name": a.metric,
			"dimensions": object{"QueueName": "${aws_sqs_queue." + label(q.name) + ".name}"}, "statistic": "Maximum", "period": 60,
			"evaluation_periods": 5, "comparison_operator": "GreaterThanThreshold", "threshold": "${var." + age + "}",
			"treat_missing_data": "notBreaching", "alarm_actions": "${var." + actions + "}", "ok_actions": "${var." + actions + "}",
		}
		if q.dead {
			watched["threshold"], watched["evaluation_periods"] = 0, 1
		}
		alarms[label(q.name)+"-"+a.suffix] = watched
	}
	doc := object{
		"//": model.Mark(p.Path),
		"variable": object{
			actions: object{"type": "list(string)", "default": []string{}, "description": "ARNs that hear of alarms about the queues of package " + p.Name + "."},
			age:     object{"type": "number", "default": maxAge, "description": "How long the oldest task may wait before an alarm goes off."},
		},
	}
	if len(queues) > 0 {
		doc["resource"] = object{"aws_sqs_queue": queues, "aws_cloudwatch_metric_alarm": alarms}
	}
	return encode(doc)
}

// label is the name of a resource: it begins with a letter, and no name of a queue holds --.
func label(name string) string { return "sqs_" + strings.ReplaceAll(name, ".", "--") }
