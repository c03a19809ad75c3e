package nearest_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/internal/nearest"
)

func TestNameFindsWhatWasMeant(t *testing.T) {
	known := []string{"timeout", "queue", "name", "Text", "retry"}
	for wrong, want := range map[string]string{
		"timeut": "timeout", "tiemout": "timeout", "quue": "queue", "nam": "name", "text": "Text", "rerty": "retry",
		"frobnicate": "", "": "", "x": "",
	} {
		got, ok := nearest.Name(wrong, known)
		assert.Equal(t, want, got, wrong)
		assert.Equal(t, want != "", ok, wrong)
	}
}
