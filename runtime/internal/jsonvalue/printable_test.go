package jsonvalue

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestOnlyNamesOfFieldsAreShown(t *testing.T) {
	fields := map[string]bool{"a": true, "api.key": true}
	for path, want := range map[string]string{
		"": "", "a": "a", "a.hunter2.a": "a.*.a", "api.key.a": "api.key.a", "api.a": "*.a", "x.y": "*.*",
	} {
		assert.Equal(t, want, fieldPath(path, fields), path)
	}
	assert.Equal(t, "a value", jsonKind("hunter2 x"))
}
