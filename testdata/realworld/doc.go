// Package realworld puts the types of other people's modules on queues: the webhooks
// of GitHub, what AWS Lambda hands to functions, the objects of Kubernetes, the
// resources of Stripe. Its tests generate the code of the packages beside it,
// compile, vet and run it: what is sent has to arrive, and the schema has to accept
// it.
//
// It is a module of its own, outside the workspace of the repository, so that nobody
// else downloads those modules. Its generated code is several megabytes and is not
// kept.
package realworld

//go:generate go run ./internal/list
