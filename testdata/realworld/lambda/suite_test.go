package lambda_test

import (
	"math/rand/v2"
	"reflect"

	"github.com/aws/aws-lambda-go/events"

	"github.com/taskgen/taskgen/testdata/realworld/internal/roundtrip"
)

// Suite is what the test that is laid over this package begins with.
func Suite() *roundtrip.Suite {
	return &roundtrip.Suite{
		Values: map[reflect.Type]func(*rand.Rand) any{
			reflect.TypeFor[events.DynamoDBAttributeValue](): attribute,
		},
		Told: map[string]string{
			"events.DurationSeconds":            "it is written in whole seconds",
			"events.DurationMinutes":            "it is written in whole minutes",
			"events.CodeBuildNumber":            "it is written as a float32",
			"events.CodeBuildTime":              "it is written in whole seconds",
			"events.CodeCommitEventTime":        "it is written in whole milliseconds",
			"events.SecondsEpochTime.Time":      "it is written in whole seconds",
			"events.MilliSecondsEpochTime.Time": "it is written in whole milliseconds",
			"events.RFC3339EpochTime.Time":      "it is written in whole seconds",
			"events.JSONNumberBytes":            "nil is written as an empty list",
			"events.S3Object.URLDecodedKey":     "UnmarshalJSON sets it to what the key says",
		},
	}
}

func attribute(r *rand.Rand) any {
	return []events.DynamoDBAttributeValue{
		events.NewNullAttribute(), events.NewBooleanAttribute(true), events.NewNumberAttribute("1.50"), events.NewStringAttribute("a <b> c"),
		events.NewBinaryAttribute([]byte{0, 255}), events.NewStringSetAttribute([]string{"a", "b"}),
		events.NewListAttribute([]events.DynamoDBAttributeValue{events.NewNumberAttribute("1")}),
		events.NewMapAttribute(map[string]events.DynamoDBAttributeValue{"a": events.NewBinarySetAttribute([][]byte{{1}})}),
	}[r.IntN(8)]
}
