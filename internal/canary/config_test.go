package canary

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/config"
	_ "github.com/taskgen/taskgen/config/all"
	"github.com/taskgen/taskgen/runtime"
)

// hiddenInConfig is the canary of a Config: as it is, in a URL, and as what fmt makes of its
// bytes.
const hiddenInConfig = "canary-7Qx9-config"

// configs have the canary in each place where a Config may have a secret. Nobody listens at
// the addresses.
var configs = map[string]string{
	"URL":                   `url: "redis://app:%s@127.0.0.1:1/0?prefix=shop"`,
	"URL without a user":    `url: "rediss://:%s@127.0.0.1:1"`,
	"URL of a cluster":      `url: "redis+cluster://app:%s@127.0.0.1:1?addr=127.0.0.1:2"`,
	"URL of Sentinels":      `url: "redis+sentinel://app:%[1]s@127.0.0.1:1?master_name=m&password=%[1]s"`,
	"URL of RabbitMQ":       `url: "amqp://app:%s@127.0.0.1:1/"`,
	"list of URLs":          `url: "nats://127.0.0.1:1,nats://app:%s@127.0.0.1:2"`,
	"token":                 `url: "nats://%s@127.0.0.1:1"`,
	"password":              `{url: "amqp://app@127.0.0.1:1/", password: "%s"}`,
	"password of Redis":     `{url: "redis://app@127.0.0.1:1", password: "%s", options: {prefix: shop}}`,
	"password in a file":    `{url: "nats://app@127.0.0.1:1", password_file: "$FILE"}`,
	"URL in a file":         `{url_file: "$URLFILE"}`,
	"variable":              `{url: "redis://app@127.0.0.1:1", password: "${CANARY}"}`,
	"default of one":        `{url: "redis://app:${GONE:-%s}@127.0.0.1:1"}`,
	"endpoint of SQS":       `{url: "sqs://us-east-1?endpoint=http://app:%s%%40127.0.0.1:1"}`,
	"endpoint as option":    `{url: "sqs://us-east-1", options: {endpoint: "http://app:%s@127.0.0.1:1"}}`,
	"queue of SQS":          `{url: "sqs://us-east-1", options: {queues: {mail: {url: "http://app:%[1]s@127.0.0.1:1/1/mail", dlq: "http://app:%[1]s@127.0.0.1:1/1/dead"}}}}`,
	"levels of SQS":         `{url: "sqs://us-east-1", options: {queues: {mail: {levels: ["http://app:%s@127.0.0.1:1/1/low"]}}}}`,
	"both, a contradiction": `{url: "redis://app:%[1]s@127.0.0.1:1", password: "%[1]s"}`,
}

// secretFiles are files with the canary; it returns text with their paths in it.
func secretFiles(t *testing.T, text string) string {
	dir := t.TempDir()
	for name, content := range map[string]string{"$FILE": hiddenInConfig + "\n", "$URLFILE": "amqp://app:" + hiddenInConfig + "@127.0.0.1:1/"} {
		path := filepath.Join(dir, name[1:])
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		text = strings.ReplaceAll(text, name, path)
	}
	return text
}

func TestNoConfigIsPrintedWithASecret(t *testing.T) {
	withoutAWS(t)
	t.Setenv("CANARY", hiddenInConfig)
	for name, provider := range configs {
		t.Run(name, func(t *testing.T) {
			if strings.Contains(provider, "%") {
				provider = fmt.Sprintf(provider, hiddenInConfig)
			}
			if !strings.HasPrefix(provider, "{") {
				provider = "{" + provider + "}"
			}
			c, err := config.Parse("tasks.yaml", []byte(secretFiles(t, "providers: {main: "+provider+"}\nlog: {level: debug}\n")))
			judgeConfig(t, c, err)
		})
	}
}

// The same from the environment, where a value may be in a file as well.
func TestNoConfigOfTheEnvironmentIsPrintedWithASecret(t *testing.T) {
	for name, variables := range map[string]map[string]string{
		"URL":                {"TASKGEN_PROVIDERS_MAIN_URL": "redis://app:" + hiddenInConfig + "@127.0.0.1:1"},
		"password":           {"TASKGEN_PROVIDERS_MAIN_URL": "amqp://app@127.0.0.1:1/", "TASKGEN_PROVIDERS_MAIN_PASSWORD": hiddenInConfig},
		"file":               {"TASKGEN_PROVIDERS_MAIN_URL_FILE": "$URLFILE"},
		"option":             {"TASKGEN_PROVIDERS_MAIN_URL": "sqs://us-east-1", "TASKGEN_PROVIDERS_MAIN_OPTIONS_ENDPOINT": "http://app:" + hiddenInConfig + "@127.0.0.1:1"},
		"misspelt":           {"TASKGEN_PROVIDERS_MAIN_URL": "amqp://127.0.0.1:1/", "TASKGEN_PROVIDERS_MAIN_PASWORD": hiddenInConfig},
		"bad value":          {"TASKGEN_PROVIDERS_MAIN_URL": "redis://127.0.0.1:1", "TASKGEN_POOL_WORKERS": hiddenInConfig},
		"classic":            {"SQS_QUEUE_URL": "http://127.0.0.1:1/1/mail", "SQS_DLQ_URL": "http://127.0.0.1:1/1/dead"},
		"classic, a bad URL": {"SQS_QUEUE_URL": "http://app:" + hiddenInConfig + "@127.0.0.1:1/1/mail", "SQS_DLQ_URL": "http://app:" + hiddenInConfig + "@127.0.0.1:1/1/dead"},
		"classic, a bad DLQ": {"SQS_QUEUE_URL": "http://127.0.0.1:1/1/mail", "SQS_DLQ_URL": "http://app:" + hiddenInConfig + "@127.0.0.1:1/1/dead"},
	} {
		t.Run(name, func(t *testing.T) {
			withoutAWS(t)
			for variable, value := range variables {
				t.Setenv(variable, secretFiles(t, value))
			}
			c, err := config.FromEnvironment()
			judgeConfig(t, c, err)
		})
	}
}

// withoutAWS keeps the SDK of AWS away from the settings and the services of the machine.
func withoutAWS(t *testing.T) {
	for name, value := range map[string]string{"AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": hiddenInConfig, "AWS_EC2_METADATA_DISABLED": "true"} {
		t.Setenv(name, value)
	}
}

// judgeConfig looks at a Config, at what becomes of it when a program is made of it, at
// what that logs, and at the errors.
func judgeConfig(t *testing.T, c *config.Config, err error) {
	t.Helper()
	var seen bytes.Buffer
	all := &slog.HandlerOptions{Level: slog.LevelDebug}
	log := slog.New(slog.NewMultiHandler(slog.NewTextHandler(&seen, all), slog.NewJSONHandler(&seen, all)))
	if err == nil {
		printAll(&seen, log, c)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second) // nobody answers
		defer cancel()
		var p *config.Program
		if p, err = c.Build(ctx, config.Code{Queues: []runtime.QueueConfig{{Name: "mail"}}, Handlers: func(*runtime.Router) {}, Logger: log}); err == nil {
			printAll(&seen, log, p)
			_, err = runtime.Enqueue(ctx, p.Manager, payments(), &payment{}, runtime.WithQueue("mail"))
			assert.NoError(t, p.Close())
		}
	}
	require.Error(t, err)
	for e := err; e != nil; e = errors.Unwrap(e) {
		printAll(&seen, log, e)
	}
	require.NotZero(t, seen.Len())
	for _, form := range forms(hiddenInConfig) {
		if i := strings.Index(seen.String(), form); i >= 0 {
			t.Errorf("a secret is in …%s…", seen.String()[max(0, i-120):min(seen.Len(), i+60)])
			return
		}
	}
}

// printAll prints a value in the ways in which programs do.
func printAll(to *bytes.Buffer, log *slog.Logger, v any) {
	values := []any{v, []any{v}, map[string]any{"v": v}, struct{ V any }{v}, struct{ v any }{v}}
	switch v := v.(type) {
	case *config.Config:
		values = append(values, *v, v.Providers)
		for _, p := range v.Providers {
			values = append(values, p, &p, p.URL, p.Password, p.Options)
		}
	case *config.Program:
		for _, p := range v.Providers {
			values = append(values, p, []any{p})
		}
	}
	for _, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(to, verb+"\n", v)
		}
		log.Info("printed", "v", v, slog.Group("g", "v", v))
		for _, encode := range []func(any) ([]byte, error){json.Marshal, yaml.Marshal, xml.Marshal} {
			if data, err := encode(v); err == nil { // not everything can be encoded
				to.Write(data)
			}
		}
	}
}
