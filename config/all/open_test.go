package all_test

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	natsclient "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	amqp "github.com/rabbitmq/amqp091-go"
	goredis "github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/config"
	redisconfig "github.com/taskgen/taskgen/config/redis"
	"github.com/taskgen/taskgen/internal/testserver"
	"github.com/taskgen/taskgen/runtime"
)

func TestMemoryAndSQLiteAreOpenedByURL(t *testing.T) {
	work(t, "memory:", nil)
	work(t, "memory://", nil)

	dir := t.TempDir()
	work(t, "sqlite://"+dir+"/a%40b%3Fc.db?synchronous=normal", func(p runtime.Provider) { assert.Equal(t, "NORMAL", setting(p, "sync").String()) })
	assert.FileExists(t, filepath.Join(dir, "a@b?c.db"))
	t.Chdir(dir)
	work(t, "sqlite:relative.db", nil)
	assert.FileExists(t, filepath.Join(dir, "relative.db"))
	work(t, "sqlite://meant.db", nil)
	assert.FileExists(t, filepath.Join(dir, "meant.db"))
	for url, want := range map[string]string{
		"sqlite:a.db?synchronous=off": "option synchronous: write full or normal",
		"sqlite://host:1/a.db":        "a file has no user and no port",
		"sqlite:":                     "sqlite needs a file",
		"sqlite:%zz":                  "write % as %25",
		"sqlite:gone/a.db":            "make its folder first",
	} {
		_, err := config.OpenProvider(within(t), url)
		require.ErrorContains(t, err, want, url)
	}
}

// setting is a field of a provider that an option sets, where nothing else shows it.
func setting(p runtime.Provider, name string) reflect.Value {
	return reflect.ValueOf(p).Elem().FieldByName(name)
}

func TestRedisIsOpenedByURL(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	port := freePort(t)
	s, err := testserver.Redis("--tls-port", port, "--tls-cert-file", cert, "--tls-key-file", key, "--tls-ca-cert-file", cert, "--tls-auth-clients", "no")
	serve(t, s, err)
	o, err := goredis.ParseURL(s.URL)
	require.NoError(t, err)
	client := goredis.NewClient(o)
	t.Cleanup(func() { assert.NoError(t, client.Close()) })
	keys := func(prefix string) func(runtime.Provider) {
		return func(runtime.Provider) {
			found, err := client.Exists(within(t), "{"+prefix+":mail}:meta").Result()
			require.NoError(t, err)
			require.EqualValues(t, 1, found, prefix)
		}
	}
	work(t, s.URL+"?prefix=shop&client_name=mine&pool_size=5", keys("shop"))
	work(t, s.URL+"?prefix=shop", keys("office"), config.WithOptions(redisconfig.Options{Prefix: "office"}))
	work(t, s.URL+"?compact_tasks=true", func(p runtime.Provider) { assert.True(t, setting(p, "compact").Bool()) })
	work(t, "rediss://127.0.0.1:"+port+"?prefix=secure&skip_verify=true", keys("secure"))

	require.NoError(t, client.ConfigSet(within(t), "maxmemory-policy", "allkeys-lru").Err())
	_, err = config.OpenProvider(within(t), s.URL)
	require.ErrorContains(t, err, "allkeys-lru")
	work(t, s.URL+"?prefix=evicted&eviction=true", keys("evicted"))
	require.NoError(t, client.ConfigSet(within(t), "maxmemory-policy", "noeviction").Err())

	sentinel, err := testserver.RedisSentinel(strings.TrimPrefix(s.URL, "redis://"))
	serve(t, sentinel, err)
	work(t, sentinel.URL+"&prefix=watched", keys("watched"))
}

func TestARedisClusterIsOpenedByURL(t *testing.T) {
	t.Parallel()
	s, err := testserver.RedisCluster()
	serve(t, s, err)
	work(t, s.URL+"&prefix=shop", nil)
}

// sharedSQS is the emulator that the tests of this package share.
func sharedSQS(t *testing.T) string {
	t.Helper()
	emulator.once.Do(func() { emulator.server, emulator.err = testserver.SQS() })
	require.NoError(t, emulator.err)
	return emulator.server.URL
}

func TestSQSIsOpenedByURL(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "test") // an emulator takes any
	t.Setenv("AWS_SECRET_ACCESS_KEY", "test")
	endpoint := sharedSQS(t)
	at := "sqs://us-east-1?wait=1s&endpoint=" + endpoint
	work(t, at+"&prefix=shop-&polls=2&close_wait=0s&retry=visibility&fair=4", nil)

	cfg, err := awsconfig.LoadDefaultConfig(within(t), awsconfig.WithRegion("us-east-1"))
	require.NoError(t, err)
	client := sqs.NewFromConfig(cfg, func(o *sqs.Options) { o.BaseEndpoint = &endpoint })
	queues, err := client.ListQueues(within(t), &sqs.ListQueuesInput{})
	require.NoError(t, err)
	all := strings.Join(queues.QueueUrls, " ")
	require.Contains(t, all, "/shop-mail")

	_, err = open(t, at+"&prefix=office-&create=false").Open(within(t), runtime.QueueConfig{Name: "mail"})
	require.ErrorContains(t, err, "office-mail", "a missing queue is not created")

	var live, dead string
	for _, u := range queues.QueueUrls {
		if strings.HasSuffix(u, "/shop-mail") {
			live = u
		} else {
			dead = u
		}
	}
	work(t, at+"&queues.mail.url="+live+"&queues.mail.dlq="+dead+"&queues.mail.codec=json:mail", nil)
	queues, err = client.ListQueues(within(t), &sqs.ListQueuesInput{})
	require.NoError(t, err)
	require.Equal(t, all, strings.Join(queues.QueueUrls, " "), "no queue was created")
}

// open opens a provider that ends with the test.
func open(t *testing.T, url string) runtime.Provider {
	t.Helper()
	p, err := config.OpenProvider(within(t), url)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, p.Close()) })
	return p
}

func TestRabbitMQIsOpenedByURL(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	port := freePort(t)
	s, err := testserver.RabbitMQ(
		"listeners.ssl.1 = 127.0.0.1:"+port, "ssl_options.cacertfile = "+cert, "ssl_options.certfile = "+cert, "ssl_options.keyfile = "+key, "ssl_options.verify = verify_none",
	)
	serve(t, s, err)
	conn, err := amqp.Dial(s.URL)
	require.NoError(t, err)
	t.Cleanup(func() { assert.NoError(t, conn.Close()) })
	declared := func(name string) func(runtime.Provider) {
		return func(runtime.Provider) {
			ch, err := conn.Channel()
			require.NoError(t, err)
			defer ch.Close()
			_, err = ch.QueueDeclarePassive(name, true, false, false, false, nil)
			require.NoError(t, err)
		}
	}
	work(t, s.URL+"?prefix=shop&heartbeat=20", declared("shop.mail"))
	work(t, "amqps://guest:guest@127.0.0.1:"+port+"/?prefix=secure&cacertfile="+cert, declared("secure.mail"))

	_, err = open(t, s.URL+"?consumer_timeout=10s").Open(within(t), runtime.QueueConfig{Name: "mail"})
	require.ErrorContains(t, err, "consumer_timeout, which leaves 5s here")
}

func TestNATSIsOpenedByURL(t *testing.T) {
	t.Parallel()
	cert, key := certificate(t)
	s, err := testserver.NATS("tls: {cert_file: \"" + cert + "\", key_file: \"" + key + "\", ca_file: \"" + cert + "\", verify: true}\nallow_non_tls: true")
	serve(t, s, err)
	nc, err := natsclient.Connect(s.URL)
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	streams := func(prefix string, maxBytes int64) func(runtime.Provider) {
		return func(runtime.Provider) {
			var found int
			all := js.ListStreams(within(t))
			for info := range all.Info() {
				if strings.HasPrefix(info.Config.Name, prefix) {
					assert.Equal(t, maxBytes, info.Config.MaxBytes, info.Config.Name)
					found++
				}
			}
			require.NoError(t, all.Err())
			require.Positive(t, found)
		}
	}
	work(t, s.URL+"?prefix=shop,"+s.URL, streams("shop", -1))
	work(t, s.URL+"?replicas=1", func(p runtime.Provider) { assert.EqualValues(t, 1, setting(p, "replicas").Int()) })
	work(t, strings.Replace(s.URL, "nats://", "tls://", 1)+"?prefix=secure&max_bytes=1MiB&replicas=1&ca="+cert+"&cert="+cert+"&key="+key, streams("secure", 1<<20))
	_, err = config.OpenProvider(within(t), strings.Replace(s.URL, "nats://", "tls://", 1))
	require.ErrorContains(t, err, "certificate", "the option ca is what makes it trusted")
}
