package secret

import (
	"os"

	"github.com/taskgen/taskgen/analyzer/testdata/tasks"
	"github.com/taskgen/taskgen/runtime"
)

const token = "hunter2"

type plain struct {
	Token string `json:"token"`
	Mail  string `task:"required"`
}

type wrapped struct {
	tasks.MailTask
}

func constants() []any {
	var t tasks.MailTask
	t.Token = "hunter2"       // want `a constant in Token, which is tagged task:"secret", can be read in the source and in the binary: load it when the program runs`
	t.Account.IBAN = token    // want `a constant in IBAN`
	t.Key = []byte("hunter2") // want `a constant in Key`
	p := &t
	p.Token, p.To = "a"+"b", "" // want `a constant in Token`
	var w wrapped
	w.Token = token // want `a constant in Token`
	return []any{
		t, w,
		tasks.MailTask{To: "ann", Token: token},             // want `a constant in Token`
		&tasks.MailTask{Account: tasks.Account{"b", "DE1"}}, // want `a constant in IBAN`
		[]*tasks.Account{{Bank: "b", IBAN: "DE2"}},          // want `a constant in IBAN`
		map[string]tasks.Account{"a": {IBAN: (`DE3`)}},      // want `a constant in IBAN`
	}
}

func values(secret string) []any {
	var t tasks.MailTask
	t.Token = secret
	t.Token = ""
	t.To = "ann"
	t.Token = runtime.Redacted
	t.Key = []byte(secret)
	t.Token, t.To = func() (string, string) { return secret, "" }()
	return []any{
		t,
		tasks.MailTask{To: "ann", Token: os.Getenv("TOKEN"), Others: []string{"b"}},
		tasks.Account{Bank: "b", IBAN: ""},
		plain{Token: "t", Mail: "m"},
		map[string]string{"Token": "t"},
	}
}
