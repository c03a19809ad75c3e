// Package sqs keeps queues in Amazon SQS.
package sqs
