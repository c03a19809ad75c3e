package driver

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestRecoveredHasTheStackOfThePanic(t *testing.T) {
	err := func() (err error) {
		defer func() { err = Recovered(recover()) }()
		var none []int
		_ = none[len(none)]
		return nil
	}()
	assert.ErrorContains(t, err, "index out of range")
	assert.NotContains(t, err.Error(), "TestRecoveredHasTheStackOfThePanic", "the stack is no part of the text")
	assert.Contains(t, PanicStack(fmt.Errorf("wrapped: %w", err)), "TestRecoveredHasTheStackOfThePanic")
	assert.Empty(t, PanicStack(ErrPanic))
	assert.ErrorIs(t, err, ErrPanic)
}

func TestStackIsShownWithoutArguments(t *testing.T) {
	assert.Equal(t, "a.(*B).c(...)\n\t/d(1).go:5 +0x1\ncreated by e in goroutine 7\n\t/f.go:1", withoutArguments("a.(*B).c({0x1, 0x2}, 0x3?)\n\t/d(1).go:5 +0x1\ncreated by e in goroutine 7\n\t/f.go:1"))
}
