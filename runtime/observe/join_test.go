package observe_test

import (
	"context"
	"fmt"
	"reflect"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/taskgen/taskgen/runtime/observe"
)

// A key is the name of a listener, under which its context has a value.
type key string

// full returns a listener with every function set, each of which writes down its call.
func full(name string, calls *[]string) *observe.Listener {
	l := new(observe.Listener)
	v := reflect.ValueOf(l).Elem()
	for i := range v.NumField() {
		field := v.Type().Field(i)
		v.Field(i).Set(reflect.MakeFunc(field.Type, func(args []reflect.Value) []reflect.Value {
			*calls = append(*calls, name+" "+field.Name)
			if field.Type.NumOut() == 0 {
				return nil
			}
			ctx := args[0].Interface().(context.Context)
			return []reflect.Value{reflect.ValueOf(context.WithValue(ctx, key(name), fmt.Sprint(ctx.Value(key("a")))))}
		}))
	}
	return l
}

func TestJoinCallsEachListenerAndTheLastOneFirstAtAnEnd(t *testing.T) {
	var calls []string
	l := observe.Join(full("a", &calls), nil, &observe.Listener{}, full("b", &calls))
	v := reflect.ValueOf(l).Elem()
	for i := range v.NumField() {
		field := v.Type().Field(i)
		assert.False(t, v.Field(i).IsNil(), "Join forgets %s", field.Name)
		args := make([]reflect.Value, field.Type.NumIn())
		for j := range args {
			args[j] = reflect.Zero(field.Type.In(j))
			if field.Type.In(j) == reflect.TypeFor[context.Context]() {
				args[j] = reflect.ValueOf(t.Context())
			}
		}
		calls = nil
		answers := v.Field(i).Call(args)
		switch field.Name {
		case "EnqueueEnd", "RunEnd", "QueueClosed", "PoolStopped":
			assert.Equal(t, []string{"b " + field.Name, "a " + field.Name}, calls)
		default:
			assert.Equal(t, []string{"a " + field.Name, "b " + field.Name}, calls)
		}
		if len(answers) > 0 {
			ctx := answers[0].Interface().(context.Context)
			assert.NotNil(t, ctx.Value(key("a")), "the context of the first reaches the second")
			assert.Equal(t, fmt.Sprint(ctx.Value(key("a"))), ctx.Value(key("b")))
		}
	}
}

func TestJoinOfASingleListenerHasItsFunctionsAlone(t *testing.T) {
	var calls []string
	l := observe.Join(&observe.Listener{LeaseLost: full("a", &calls).LeaseLost})
	l.LeaseLost(nil, nil)
	assert.Equal(t, []string{"a LeaseLost"}, calls)
	assert.Nil(t, l.Settled)
}

func TestJoinOfNothingIsNil(t *testing.T) {
	assert.Nil(t, observe.Join())
	assert.Nil(t, observe.Join(nil, &observe.Listener{}))
	var calls []string
	l := full("a", &calls)
	v := reflect.ValueOf(l).Elem()
	for i := range v.NumField() { // each function alone is somebody who listens
		one := new(observe.Listener)
		reflect.ValueOf(one).Elem().Field(i).Set(v.Field(i))
		assert.NotNil(t, observe.Join(one), v.Type().Field(i).Name)
	}
}
