package nats

import (
	"os"
	"path/filepath"
	"testing"

	client "github.com/nats-io/nats.go"
	"github.com/nats-io/nkeys"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/config"
)

func connect(t *testing.T, o Options) client.Options {
	t.Helper()
	opts, err := o.connection()
	require.NoError(t, err)
	made := client.GetDefaultOptions()
	for _, opt := range opts {
		require.NoError(t, opt(&made))
	}
	return made
}

func TestOptionsOfTheConnectionReachTheClient(t *testing.T) {
	pair, err := nkeys.CreateUser()
	require.NoError(t, err)
	seed, err := pair.Seed()
	require.NoError(t, err)
	public, err := pair.PublicKey()
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "seed")
	require.NoError(t, os.WriteFile(file, seed, 0o600))
	assert.Equal(t, public, connect(t, Options{NKey: file}).Nkey)

	o := connect(t, Options{Credentials: file})
	assert.NotNil(t, o.UserJWT)
	assert.NotNil(t, o.SignatureCB)
}

func TestOptionsThatContradictEachOtherAreRefused(t *testing.T) {
	for want, o := range map[string]Options{
		"credentials and nkey are both set": {Credentials: "a", NKey: "b"},
		"cert and key only one is set":      {Key: "a"},
		"option nkey: ":                     {NKey: filepath.Join(t.TempDir(), "gone")},
	} {
		_, err := open(t.Context(), "nats://127.0.0.1:1", o, config.Deps{})
		require.ErrorContains(t, err, want)
	}
}
