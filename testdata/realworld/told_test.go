package realworld_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-github/v82/github"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/generator"
)

// A remark is what the generator says about a task, and why it is right.
type remark struct {
	rule string
	task string
	at   []string // what else the message names: fields and types on the way
	why  string
	// witness is a value that encoding/json does not carry there and back. Nil: all
	// values arrive, and the generator cannot know it.
	witness any
}

// A tree without its SHA: MarshalJSON leaves out the size.
var tree = github.TreeEntry{Path: github.Ptr("a.go"), Size: github.Ptr(1)}

// warnings are all that the generator has to say about the tasks that it takes.
var warnings = []remark{
	{"FIELD_ONE_WAY", "CheckRunEventTask", []string{"Entries", "github.TreeEntry"}, "the size of an entry without SHA is lost", tree},
	{"FIELD_ONE_WAY", "CheckSuiteEventTask", []string{"Entries", "github.TreeEntry"}, "the size of an entry without SHA is lost", tree},
	{"FIELD_ONE_WAY", "MergeGroupEventTask", []string{"Entries", "github.TreeEntry"}, "the size of an entry without SHA is lost", tree},
	{"FIELD_ONE_WAY", "StatusEventTask", []string{"Entries", "github.TreeEntry"}, "the size of an entry without SHA is lost", tree},
	{"FIELD_ONE_WAY", "ECSContainerInstanceEventTask", []string{"RegisteredResources", "events.ECSContainerInstanceEventResource"}, "MarshalJSON writes what the fields read", nil},
	{"FIELD_ONE_WAY", "ECSContainerInstanceEventTask", []string{"RemainingResources", "events.ECSContainerInstanceEventResource"}, "MarshalJSON writes what the fields read", nil},
}

// refusals are what it says about those that it refuses.
var refusals = []remark{
	{"FIELD_KIND", "APIGatewayProxyStreamingResponseTask", []string{"MarshalJSON"}, "MarshalJSON always fails", events.APIGatewayProxyStreamingResponse{}},
	{"FIELD_KIND", "LambdaFunctionURLStreamingResponseTask", []string{"MarshalJSON"}, "MarshalJSON always fails", events.LambdaFunctionURLStreamingResponse{}},
}

func TestWhatIsRefusedDoesNotTravel(t *testing.T) {
	r := generate(t, "./refused")
	assert.Empty(t, r.Files)
	holds(t, refusals, r)
	for _, d := range r.Diagnostics {
		assert.Equal(t, generator.Error, d.Severity)
	}
}

// told holds what is said about the tasks that are taken.
func told(t *testing.T, r *generator.Result) {
	t.Helper()
	holds(t, warnings, r)
}

// holds holds what was said to a list, and its reasons to encoding/json.
func holds(t *testing.T, list []remark, r *generator.Result) {
	t.Helper()
	left := slices.Clone(r.Diagnostics)
	for _, m := range list {
		i := slices.IndexFunc(left, m.is)
		if assert.NotEqual(t, -1, i, "%s is said about %s, %v", m.rule, m.task, m.at) {
			left = slices.Delete(left, i, i+1)
		}
		if m.witness != nil {
			assert.Error(t, carry(m.witness), "%s: %s", m.task, m.why)
		}
	}
	for _, d := range left {
		assert.Fail(t, "nobody expects this", "%s: %s", d.Rule, d.Message)
	}
}

func (m remark) is(d generator.Diagnostic) bool {
	names := append([]string{m.task}, m.at...)
	return d.Rule == m.rule && !slices.ContainsFunc(names, func(name string) bool { return !strings.Contains(d.Message, name) })
}

// carry sends a value through encoding/json, and says what is wrong with what comes
// back.
func carry(v any) error {
	sent, got := reflect.New(reflect.TypeOf(v)), reflect.New(reflect.TypeOf(v))
	sent.Elem().Set(reflect.ValueOf(v))
	data, err := json.Marshal(sent.Interface())
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, got.Interface()); err != nil {
		return err
	}
	if !reflect.DeepEqual(sent.Interface(), got.Interface()) {
		return errors.New("it comes back as another value")
	}
	return nil
}

func TestTheWitnessesAreHeldToWhatArrives(t *testing.T) {
	require.NoError(t, carry(github.TreeEntry{SHA: github.Ptr("1"), Size: github.Ptr(1)}))
	require.NoError(t, carry(events.ECSContainerInstanceEventResource{Name: "CPU", IntegerValue: 1, StringSetValue: []*string{}}))
}
