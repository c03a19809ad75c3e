package realworld_test

import (
	"bufio"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// samplesOf are the files with payloads that the modules have, by package and struct
// of the task.
func samplesOf(t *testing.T) map[string]map[string][]string {
	t.Helper()
	return map[string]map[string][]string{"lambda": lambdaSamples(t), "kubernetes": kubernetesSamples(t)}
}

// module is the folder of a module in the cache.
func module(t *testing.T, path string) string {
	t.Helper()
	return strings.TrimSpace(command(t, "list", "-m", "-f", "{{.Dir}}", path))
}

func lambdaSamples(t *testing.T) map[string][]string {
	t.Helper()
	dir := filepath.Join(module(t, "github.com/aws/aws-lambda-go"), "events", "testdata")
	table, err := os.Open("lambda/samples.txt")
	require.NoError(t, err)
	defer table.Close()
	samples, listed := make(map[string][]string), make(map[string]bool)
	for lines := bufio.NewScanner(table); lines.Scan(); {
		file, name, ok := strings.Cut(lines.Text(), " ")
		if !ok || file == "#" {
			continue
		}
		listed[file] = true
		if name == "-" {
			data, err := os.ReadFile(filepath.Join(dir, file))
			require.NoError(t, err)
			assert.False(t, json.Valid(data), "%s is no JSON", file)
			continue
		}
		samples[name+"Task"] = append(samples[name+"Task"], filepath.Join(dir, file))
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		assert.True(t, listed[filepath.Base(file)], "lambda/samples.txt says which type %s is of", filepath.Base(file))
	}
	return samples
}

// groups are the names of the groups by which the samples of Kubernetes are called.
var groups = map[string]string{
	"Apps": "apps.v1", "Autoscaling": "autoscaling.v2", "Batch": "batch.v1", "Coordination": "coordination.k8s.io.v1", "Core": "core.v1",
	"Discovery": "discovery.k8s.io.v1", "Events": "events.k8s.io.v1", "Networking": "networking.k8s.io.v1", "Policy": "policy.v1",
	"RBAC": "rbac.authorization.k8s.io.v1", "Storage": "storage.k8s.io.v1",
}

func kubernetesSamples(t *testing.T) map[string][]string {
	t.Helper()
	dir := filepath.Join(module(t, "k8s.io/api"), "testdata", "HEAD")
	samples := make(map[string][]string)
	for prefix, group := range groups {
		files, err := filepath.Glob(filepath.Join(dir, group+".*.json"))
		require.NoError(t, err)
		require.NotEmpty(t, files, group)
		for _, file := range files {
			kind := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(file), group+"."), ".json")
			samples[prefix+kind+"Task"] = append(samples[prefix+kind+"Task"], file)
		}
	}
	return samples
}
