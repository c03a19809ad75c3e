package redact

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestWhoAsksIsToldByTheNameOfTheFunction(t *testing.T) {
	const front = "github.com/taskgen/taskgen/runtime"
	for function, want := range map[string]asker{
		"":                                askedByNone,
		"encoding/json.Marshal":           askedByNone,
		"encoding/json/v2.Marshal":        askedByNone,
		"reflect.Value.Call":              askedByNone,
		"runtime.goexit":                  askedByNone,
		"github.com/goccy/go-json.encode": askedByNone,
		"example.com/app/tasks.PayTask.MarshalJSON":              askedByNone,
		"example.com/app/tasks.(*PayTask).MarshalJSON.func1":     askedByNone,
		"example.com/app/tasks.Box[...].MarshalJSON":             askedByNone,
		"example.com/app/tasks.(*Box[go.shape.int]).MarshalJSON": askedByNone,
		"log/slog.(*JSONHandler).Handle":                         askedByLog,
		"expvar.Func.String":                                     askedByLog,
		"log/slog/internal/buffer.New":                           askedByLog,
		"go.uber.org/zap/zapcore.(*jsonEncoder).encodeReflected": askedByLog,
		"go.uber.org/zap.(*SugaredLogger).Infow":                 askedByLog,
		"github.com/rs/zerolog.init.func3":                       askedByLog,
		"github.com/sirupsen/logrus.(*JSONFormatter).Format":     askedByLog,
		"gopkg.in/inconshreveable/log15%2ev2.JsonFormatEx":       askedByLog,
		"k8s.io/klog/v2/internal/serialize.formatAny":            askedByLog,
		"github.com/samber/slog-http.New":                        askedByLog,
		"example.com/app/tasks.View.LogValue":                    askedByLog,
		"example.com/app/tasks.(*View).MarshalLogObject":         askedByLog,
		ownPath + ".marshalShown":                                askedByLog,
		ownPath + ".marshalWhole":                                askedByWhole,
		ownPath + ".marshal":                                     askedByNone,
		front + "/generated.MarshalJSON":                         askedByNone,
		front + ".(*Spec[...]).fill":                             askedByOther,
		front + ".KeyOf":                                         askedByOther,
		front + "/generated.Missing":                             askedByOther,
		"logger.Print":                                           askedByOther,
		"github.com/rs/zerologger.Write":                         askedByOther,
		"example.com/log/slog.Write":                             askedByOther,
		"main.main":                                              askedByOther,
		"example.com/MarshalJSON/app.Save":                       askedByOther,
		"log.example.com/app.Save":                               askedByOther,
		"log%2eexample%2ecom.Save":                               askedByOther,
		"runtime.example.com/app.Save":                           askedByOther,
		"log.example.com/app.PayTask.MarshalJSON":                askedByNone,
		"example.com/app.LogValue.Save":                          askedByOther,
		"example.com/app/LogValue.Save":                          askedByOther,
		"example.com/app.Map[...].LogValue":                      askedByLog,
		"example.com/app.(*View).LogValue.func1":                 askedByLog,
		"example.com/app.View.LogValue-fm":                       askedByLog,
		"runtimes.Save":                                          askedByOther,
	} {
		assert.Equal(t, want, askerNamed(function), function)
	}
}
