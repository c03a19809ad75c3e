package main

import (
	"testing"

	"github.com/taskgen/taskgen/bench/contest/contesttest"
)

func TestASmallRunMeasuresEveryContender(t *testing.T) { contesttest.Small(t, declared) }
