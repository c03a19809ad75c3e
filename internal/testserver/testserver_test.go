package testserver_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/taskgen/taskgen/internal/testserver"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAServerThatRunsAlreadyIsNobodysToKill(t *testing.T) {
	for variable, start := range map[string]func() (*testserver.Server, error){
		"TASKGEN_TEST_REDIS_URL":    func() (*testserver.Server, error) { return testserver.Redis() },
		"TASKGEN_TEST_RABBITMQ_URL": func() (*testserver.Server, error) { return testserver.RabbitMQ() },
		"TASKGEN_TEST_NATS_URL":     func() (*testserver.Server, error) { return testserver.NATS() },
		"TASKGEN_TEST_SQS_ENDPOINT": testserver.SQS,
	} {
		t.Setenv(variable, "x://elsewhere:1")
		s, err := start()
		require.NoError(t, err)
		assert.Equal(t, "x://elsewhere:1", s.URL)
		assert.ErrorContains(t, s.Kill(), variable)
		assert.ErrorContains(t, s.Restart(), variable)
		assert.NoError(t, s.Stop())
	}
}

func TestAMissingServerIsAnErrorThatSaysHowToGetIt(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := testserver.Redis()
	require.ErrorContains(t, err, "apt-get install redis-server")
	require.ErrorContains(t, err, "TASKGEN_TEST_REDIS_URL")
}

func TestMissingNodeIsAnErrorThatSaysHowToGetIt(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := testserver.SQS()
	require.ErrorContains(t, err, "apt-get install nodejs npm")
	require.ErrorContains(t, err, "TASKGEN_TEST_SQS_ENDPOINT")
}
