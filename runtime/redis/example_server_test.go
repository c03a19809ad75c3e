package redis_test

import (
	"log"

	"github.com/taskgen/taskgen/internal/testserver"
	"github.com/taskgen/taskgen/runtime/redis"
)

// server is the URL of a server, such as redis://localhost:6379/0.
func server() string { return must(redis.SharedURL()) }

// cluster is the URL of a cluster, such as
// redis+cluster://redis-1:7000?addr=redis-2:7000&addr=redis-3:7000.
func cluster() string { return must(redis.ClusterURL()) }

// cache starts a server that deletes keys when its memory is full.
func cache() (url string, stop func()) {
	s, err := testserver.Redis("--maxmemory-policy", "allkeys-lru")
	if err != nil {
		log.Fatal(err)
	}
	return s.URL, func() {
		if err := s.Stop(); err != nil {
			log.Fatal(err)
		}
	}
}

func must(url string, err error) string {
	if err != nil {
		log.Fatal(err)
	}
	return url
}
