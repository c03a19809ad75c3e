// Package ledger keeps books on a queue from outside of it. Producers and workers run
// as processes of their own, through generated code, and write down what they do.
// Meanwhile faults happen, drawn from a seed:
//
//   - to a process: it is killed, frozen for longer than its leases last, or stopped and
//     started again
//   - to its way to the broker: cut, severed in a request, made slow or narrow; replies or
//     everything swallowed
//   - to the broker: restarted, killed, frozen, filled up; alarms of memory and disk on
//     RabbitMQ; failovers, and the end or the freezing of one primary on a Redis Cluster;
//     throttling and lost answers on the server that stands in for SQS
//
// While a broker is full it must hand out what is there. In the end the books are
// compared: whether anything was lost, ran early, out of order, again after it was done
// or although it was refused, and whether what died is on the dead letter queue and
// nothing else. Nothing may be left behind then: no goroutine in a process, no lease and
// no unique key, and on the broker only what the provider says that it keeps for queues
// without tasks.
//
//	go test ./internal/ledger -run Chaos -v -args -provider redis -seed 7 -for 3m
package ledger
