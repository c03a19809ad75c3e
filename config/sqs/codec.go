package sqs

import (
	"errors"
	"strings"

	"github.com/taskgen/taskgen/runtime/sqs"
)

var errCodec = errors.New("write envelope, json:TYPE, attribute:NAME or s3:TYPE, with sns+ before it for a queue that subscribes an SNS topic")

// codecOf is the codec that a text names; nil is the envelope.
func codecOf(text string) (sqs.Codec, error) {
	if inner, ok := strings.CutPrefix(text, "sns+"); ok {
		published, err := codecOf(inner)
		if err != nil || strings.HasPrefix(inner, "sns+") {
			return nil, errCodec
		}
		return sqs.SNS(published), nil
	}
	kind, name, named := strings.Cut(text, ":")
	if named && name == "" {
		return nil, errCodec
	}
	switch {
	case text == "" || text == "envelope":
		return nil, nil
	case named && kind == "json":
		return sqs.JSON(name), nil
	case named && kind == "attribute":
		return sqs.JSONByAttribute(name), nil
	case named && kind == "s3":
		return sqs.S3Event(name), nil
	}
	return nil, errCodec
}
