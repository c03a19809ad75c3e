package stripe_test

import (
	"math/rand/v2"
	"reflect"

	"github.com/stripe/stripe-go/v82"

	"github.com/taskgen/taskgen/testdata/realworld/internal/roundtrip"
)

// Suite is what the test that is laid over this package begins with.
func Suite() *roundtrip.Suite {
	return &roundtrip.Suite{
		Values: map[reflect.Type]func(*rand.Rand) any{
			reflect.TypeFor[stripe.PaymentSource](): source,
		},
		Told: map[string]string{
			"stripe.EphemeralKey.RawJSON": "UnmarshalJSON keeps all of the text in it",
			"stripe.EventData.Object":     "UnmarshalJSON reads the raw object into it",
		},
	}
}

// source: MarshalJSON writes null for one that is a Source, and what UnmarshalJSON
// does not read for an ID with escapes.
func source(r *rand.Rand) any {
	if r.IntN(2) == 0 {
		return stripe.PaymentSource{ID: "src_1"}
	}
	return stripe.PaymentSource{ID: "card_1", Type: stripe.PaymentSourceTypeCard, Card: &stripe.Card{ID: "card_1", Object: "card", Last4: "4242"}}
}
