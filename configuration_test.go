package taskgen_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/config"
	_ "github.com/taskgen/taskgen/config/all"
)

// TestTheConfigurationPageIsWhatCanBeConfigured keeps the tables of docs/configuration.md
// equal to those that the code reads. Run with -update to rewrite them.
func TestTheConfigurationPageIsWhatCanBeConfigured(t *testing.T) {
	keep(t, "docs/configuration.md", map[string]string{"reference": config.Reference()})
}

const schemaFile = "docs/configuration.schema.json"

// TestTheConfigurationSchemaIsWhatCanBeConfigured does the same for what editors read.
func TestTheConfigurationSchemaIsWhatCanBeConfigured(t *testing.T) {
	if *update {
		require.NoError(t, os.WriteFile(schemaFile, config.Schema(), 0o644))
		return
	}
	text, err := os.ReadFile(schemaFile)
	require.NoError(t, err)
	require.Equal(t, string(config.Schema()), string(text), "out of date: go test . -run Configuration -update")
}

// TestYAMLInTheDocsParses holds each file of a page against the parser and the schema.
func TestYAMLInTheDocsParses(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("p@ss"), 0o600))
	t.Setenv("REDIS_PASSWORD_FILE", secret)
	token := filepath.Join(t.TempDir(), "token")
	require.NoError(t, os.WriteFile(token, []byte("5b1f6a0c9d3e4872"), 0o600))
	t.Setenv("SHOP_TOKEN_FILE", token)
	schema := compileSchema(t)
	found := 0
	for _, doc := range documents(t) {
		for _, b := range blocks(t, doc) {
			if b.lang != "yaml" {
				continue
			}
			if b.name != "" { // a file of another program
				_, err := yaml.YAMLToJSON([]byte(b.text))
				assert.NoError(t, err, b)
				continue
			}
			found++
			c, err := config.Parse(b.String(), []byte(b.text))
			if assert.NoError(t, err) {
				assert.NotEmpty(t, c.Providers, b)
			}
			assert.NoError(t, schema(b.text), b)
		}
	}
	assert.NotZero(t, found)
}

func TestTheConfigurationSchemaFindsMistakes(t *testing.T) {
	schema := compileSchema(t)
	for text, ok := range map[string]bool{
		"pool: {workers: 5}": true, "pool: {workers: \"${N}\"}": true, "pool: {workerz: 5}": false, "pool: {workers: many}": false, "pool: {strict: sometimes}": false, "pool: {grace: 0}": true, "pool: {grace: 5}": false,
		"providers: {a: {url: x, options: {prefix: p, replicas: 3}}}": true, "providers: {a: {url: x, options: {prefx: p}}}": false, "providers: {a: {url_file: x}}": true,
		"queues: {any-name: {rate: 5/s}}": true, "queues: {any-name: {rates: 5/s}}": false, "log: {level: loud}": false, "traces: {ratio: 0.01, endpoint_file: x}": true, "traces: {ratio: 0}": true, "traces: {ratio: 2}": false, "traces: {ratio: \"${N}\"}": true, "metrics: {listen: \":9464\"}": true, "metrics: {listen: 9464}": false, "server: {tokens: {shop: {role: viewer, secret_file: x}}, max_request: 1MiB}": true, "server: {tokens: {shop: {role: boss}}}": false, "fleet: {provider: a}": true, "fleet: {store: a}": false, "log: {level: warn}": true, "colour: blue": false,
	} {
		assert.Equal(t, ok, schema(text) == nil, text)
	}
}

// compileSchema returns what validates a YAML text by the schema.
func compileSchema(t *testing.T) func(text string) error {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(config.Schema()))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("configuration.json", doc))
	s, err := c.Compile("configuration.json")
	require.NoError(t, err)
	return func(text string) error {
		data, err := yaml.YAMLToJSON([]byte(text))
		require.NoError(t, err)
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(string(data)))
		require.NoError(t, err)
		return s.Validate(value)
	}
}
