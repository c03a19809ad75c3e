package redis

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestKeysOfDifferentQueuesAndPrefixesDiffer(t *testing.T) {
	texts := []string{"a", "a:", ":a", "a:b", "b", "b:a", "a%", "a%3Ab", "%", ":", "a{b}", "}", "jobs", "letters", "fleet", "history", "s", "a:result", "dead", "a:dead", "ready", "a:ready:0"}
	owner := make(map[string]string)
	add := func(key, of string) {
		was, taken := owner[key]
		assert.False(t, taken && was != of, "%s is a key of %s and of %s", key, was, of)
		owner[key] = of
	}
	for _, prefix := range texts {
		if strings.ContainsAny(prefix, "{}") {
			continue // refused by New
		}
		for _, key := range jobKeys(prefix) {
			add(key, "the jobs of "+prefix)
		}
		for _, key := range letterKeys(prefix) {
			add(key, "the letters of "+prefix)
		}
		for _, key := range historyKeys(prefix) {
			add(key, "the history of "+prefix)
		}
		for _, name := range texts {
			for id, key := range fleetKeys(prefix, name) {
				of := "the workers of " + prefix
				if id == int(fleetWorker) || id == int(fleetOrders) {
					of = "worker " + name + " of " + prefix
				}
				add(key, of)
			}
			queue := "the queue " + name + " of " + prefix
			for _, dead := range []bool{false, true} {
				for _, key := range queueKeys(prefix, name, dead) {
					add(key, queue)
				}
			}
			add(listKey(prefix, name, "0"), queue)
			add(resultKey(prefix, name), "the result "+name+" of "+prefix)
		}
	}
}
