package sqs

import (
	"log/slog"
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/config"
	"github.com/taskgen/taskgen/runtime/sqs"
)

// settings are the options that a provider was opened with. Opening one sends nothing.
func settings(t *testing.T, url string, opts ...config.OpenOption) func(name string) reflect.Value {
	t.Helper()
	p, err := config.OpenProvider(t.Context(), url, opts...)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, p.Close()) })
	return reflect.ValueOf(p).Elem().FieldByName("options").FieldByName
}

func TestEachOptionReachesTheProvider(t *testing.T) {
	set := settings(t, "sqs://eu-central-1?prefix=prod-&create=false&wait=2s&polls=3&close_wait=0s&retry=visibility&fair=5&queues.mail.levels=http://h/1/a,http://h/1/b&queues.mail.dlq=http://h/1/c&queues.mail.max_retries=2&endpoint=http://localhost:1")
	assert.Equal(t, "prod-", set("prefix").String())
	assert.True(t, set("forbidCreate").Bool())
	assert.EqualValues(t, 2*time.Second, set("wait").Int())
	assert.EqualValues(t, 3, set("polls").Int())
	assert.Zero(t, set("closeWait").Int())
	assert.True(t, set("byVisibility").Bool())
	assert.EqualValues(t, 5, set("fairEvery").Int())
	mail := set("existing").MapIndex(reflect.ValueOf("mail"))
	assert.Equal(t, 2, mail.FieldByName("Levels").Len())
	assert.Equal(t, "http://h/1/c", mail.FieldByName("DLQ").String())
	assert.EqualValues(t, 2, mail.FieldByName("MaxRetries").Int())

	unset := settings(t, "sqs://eu-central-1?create=true&retry=send")
	assert.False(t, unset("forbidCreate").Bool())
	assert.False(t, unset("byVisibility").Bool())
	assert.Negative(t, unset("closeWait").Int(), "0s is not the default")
}

func TestTheLoggerReachesTheProvider(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	set := settings(t, "sqs://eu-central-1", config.WithLogger(log))
	assert.Equal(t, reflect.ValueOf(log).Pointer(), set("log").Pointer())
}

func TestWhatIsNoSQSIsRefused(t *testing.T) {
	for url, want := range map[string]string{
		"sqs://key:secret@eu-central-1":                      "credentials come from",
		"sqs://localhost:4566":                               "give another server as endpoint",
		"sqs://eu-central-1/mail":                            "give another server as endpoint",
		"sqs://eu-central-1?endpoint=localhost:4566":         "option endpoint: write a URL like",
		"sqs://eu-central-1?endpoint=http://u:p%40localhost": "option endpoint: write a URL like",
		"sqs://eu-central-1?wait=1m":                         "a poll waits for 1s to 20s",
		"sqs://eu-central-1?queues.mail.codec=yaml":          "option queues.mail.codec: write envelope, json:TYPE",
		"sqs://eu-central-1?queues.mail.codec=json:mail":     "give URL",
		"sqs://eu-central-1?retry=never":                     "option retry: write send or visibility",
		"sqs://eu-central-1?queue.mail.url=http://h/1/mail":  `did you mean queues.NAME.url?`,
	} {
		_, err := config.OpenProvider(t.Context(), url)
		require.ErrorContains(t, err, want, url)
	}
}

func TestCodecs(t *testing.T) {
	for text, want := range map[string]sqs.Codec{
		"": nil, "envelope": nil, "json:mail": sqs.JSON("mail"), "attribute:Type": sqs.JSONByAttribute("Type"), "s3:image": sqs.S3Event("image"),
		"sns+envelope": sqs.SNS(nil), "sns+json:mail": sqs.SNS(sqs.JSON("mail")),
	} {
		got, err := codecOf(text)
		require.NoError(t, err, text)
		assert.Equal(t, want, got, text)
	}
	for _, text := range []string{"json", "json:", "envelope:x", "sns+sns+json:x", "sns+yaml", "sns", "xml:mail"} {
		_, err := codecOf(text)
		assert.Error(t, err, text)
	}
}
