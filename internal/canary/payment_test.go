package canary

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/generated"
)

// A payment prints as a generated task does.
type payment struct {
	Order string     `json:"order"`
	Card  string     `json:"card" task:"secret"`
	PIN   int64      `json:"api.pin" task:"secret"`
	Born  time.Time  `json:"born" task:"secret"`
	To    []receiver `json:"to"`
}

func (p payment) LogValue() slog.Value          { return runtime.Redact(p) }
func (p payment) Format(f fmt.State, verb rune) { generated.Format(f, verb, p) }

type receiver struct {
	Name string `json:"name"`
	IBAN iban   `json:"iban" task:"secret"`
}

// A declined payment is an error that quotes it.
type declined struct{ payment payment }

func (d declined) Error() string { return fmt.Sprint("declined: ", d.payment) }

// An iban quotes what it cannot read.
type iban string

func (i *iban) UnmarshalText(text []byte) error {
	if *i = iban(text); strings.HasPrefix(string(text), "bad") {
		return fmt.Errorf("no IBAN: %s", text)
	}
	return nil
}

// A receipt is the result of a payment, and as secret.
type receipt struct {
	Card string `json:"card" task:"secret"`
}

const queue, lanes = "payments", "payment-lanes"

func payments() *runtime.Spec[payment] {
	return &runtime.Spec[payment]{
		Type: "pay", Aliases: []string{"old-pay"}, Queue: queue, Timeout: time.Minute,
		Secrets:   []string{"/card", "/api.pin", "/born", "/to/*/iban"},
		UniqueKey: func(p *payment) string { return runtime.KeyOf(p.Order) },
		Validate: func(p *payment) error {
			if p.Order == "invalid" {
				return fmt.Errorf("no such order: %+v", *p)
			}
			return nil
		},
		Schema: `{"type":"object","properties":{
			"order":{"type":"string"},"card":{"type":"string","maxLength":30},"api.pin":{"type":"integer"},"born":{"type":"string","format":"date-time"},
			"to":{"type":["array","null"],"items":{"type":"object","properties":{"name":{"type":"string"},"iban":{"type":"string","pattern":"^canary"}},"required":["name"]}}},
			"additionalProperties":false}`,
	}
}

func ordered() *runtime.Spec[payment] {
	spec := payments()
	spec.Type, spec.Aliases, spec.Queue = "pay-in-order", nil, lanes
	spec.GroupKey = func(p *payment) string { return p.Order }
	return spec
}

var born = time.Date(1971, 2, 3, 0, 0, 0, 0, time.UTC)

func paymentOf(order string) payment {
	return payment{
		Order: order, Card: secrets[0], PIN: 815162342918273, Born: born,
		To: []receiver{{"ann", iban(secrets[2])}, {"bob", iban(secrets[2] + "2")}},
	}
}

// dying are the orders of payments that end up as dead letters.
var dying = []string{"again", "panic", "panic with it", "slow", "declined", "edited", "kept"}

// misfits are payloads of old: they do not decode, or only a part of them does, or they are
// not valid.
var misfits = map[string]string{
	"invalid": fmt.Sprintf(`{"order":"invalid","card":%q}`, secrets[0]),
	"number":  fmt.Sprintf(`{"order":"x","card":%s}`, secrets[1]),
	"object":  fmt.Sprintf(`{"card":{"number":%q}}`, secrets[0]),
	"text":    fmt.Sprintf(`{"api.pin":%q}`, secrets[0]),
	"time":    fmt.Sprintf(`{"born":%q}`, secrets[3]),
	"list":    fmt.Sprintf(`{"to":%q}`, secrets[2]),
	"own":     fmt.Sprintf(`{"to":[{"iban":"bad %s"}]}`, secrets[2]),
	"whole":   fmt.Sprintf(`%q`, secrets[0]),
	"twice":   fmt.Sprintf(`{"card":%q,"CARD":%s,"card":[%q]}`, secrets[0], secrets[1], secrets[2]),
}
