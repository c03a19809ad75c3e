// Package ledger keeps books on a queue from outside of it. Producers and workers run
// as processes of their own, through generated code, and write down what they do.
// Meanwhile faults happen to them and to the broker, drawn from a seed. In the end the
// books are compared: whether anything was lost, ran early, out of order or again after
// it was done, whether what died is on the dead letter queue and nothing else, and
// whether anything is left behind.
//
//	go test ./internal/ledger -run Chaos -v -args -provider redis -seed 7 -for 3m
package ledger
