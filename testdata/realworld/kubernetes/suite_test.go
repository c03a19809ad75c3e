package kubernetes_test

import (
	"math/rand/v2"
	"reflect"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/taskgen/taskgen/testdata/realworld/internal/roundtrip"
)

// Suite is what the test that is laid over this package begins with.
func Suite() *roundtrip.Suite {
	return &roundtrip.Suite{
		Values: map[reflect.Type]func(*rand.Rand) any{
			reflect.TypeFor[metav1.FieldsV1](): func(*rand.Rand) any { return *metav1.NewFieldsV1(`{"f:metadata":{}}`) },
			reflect.TypeFor[runtime.RawExtension](): func(*rand.Rand) any {
				return runtime.RawExtension{Raw: []byte(`{"kind":"Anything"}`)}
			},
			reflect.TypeFor[resource.Quantity](): func(r *rand.Rand) any {
				return resource.MustParse([]string{"0", "500m", "2Gi", "1e3", "12345678901234567890"}[r.IntN(5)])
			},
			reflect.TypeFor[intstr.IntOrString](): func(r *rand.Rand) any {
				if r.IntN(2) == 0 {
					return intstr.FromInt32(r.Int32())
				}
				return intstr.FromString("http")
			},
		},
		Told: map[string]string{
			"v1.Time.Time":             "it is written in whole seconds",
			"v1.MicroTime.Time":        "it is written in whole microseconds",
			"runtime.RawExtension.Raw": "encoding/json writes it without spaces",
		},
	}
}
