package drivertest

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime/driver"
	"github.com/taskgen/taskgen/runtime/internal/recorder"
)

func TestAProviderThatDoesNotSayWhatItKeepsIsNotTested(t *testing.T) {
	for field, forget := range map[string]func(c *driver.Capabilities){
		"MaxLease":    func(c *driver.Capabilities) { c.MaxLease = 0 },
		"MaxPayload":  func(c *driver.Capabilities) { c.MaxPayload = 0 },
		"Granularity": func(c *driver.Capabilities) { c.Granularity = 0 },
		"Lateness":    func(c *driver.Capabilities) { c.Lateness = 0 },
	} {
		h := faultyHarness(fault{caps: func(c driver.Capabilities) driver.Capabilities {
			forget(&c)
			return c
		}})
		r := recorder.Run(t, func(tb testing.TB) { h.missingRequirements(tb) })
		assert.True(t, r.Failed(), field)
		assert.Contains(t, r.Text(), field+" is 0, which promises nothing")
	}
}
