package directive

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/taskgen/taskgen/generator/internal/model"
	"github.com/taskgen/taskgen/generator/internal/rule"
	durations "github.com/taskgen/taskgen/internal/duration"
)

// problem is the error of a value.
type problem struct {
	rule *rule.Rule
	text string
	fix  string
}

// parse reads a value of the key's kind. With a problem the value is nil.
func (k *Key) parse(s string) (any, *problem) {
	switch k.Kind {
	case kindTaskName:
		return name(s, true)
	case kindQueueName:
		return name(s, false)
	case kindNames, kindFields, kindOwners:
		return list(k, s)
	case kindOwner:
		return owner(s)
	case kindRule:
		return allowable(s)
	case kindReason:
		if !strings.ContainsFunc(s, unicode.IsLetter) {
			return nil, &problem{rule.ValueMalformed, "this is not a reason", "say in words why the warning does not matter here"}
		}
	case kindDuration:
		return duration(k, s)
	case kindInt:
		return integer(k, s)
	case kindFloat:
		return decimal(k, s)
	case kindChoice:
		if !slices.Contains(k.Choices, s) {
			return nil, &problem{rule.ValueChoice, "it must be one of " + strings.Join(k.Choices, ", "), rule.DidYouMean(s, k.Choices)}
		}
	case kindRate:
		return rate(s)
	case kindFile, kindFolder:
		return file(k, s)
	case kindGoType:
		expr, ok := goType(s)
		if !ok {
			return nil, &problem{rule.TaskResult, "this is not a Go type", "write the name of a type, like Embedding or *other.Result"}
		}
		return expr, nil
	}
	return s, nil
}

// imported is a type of another package with its whole import path.
var imported = regexp.MustCompile(`([A-Za-z0-9_~][A-Za-z0-9_.~+-]*(?:/[A-Za-z0-9_~+-][A-Za-z0-9_.~+-]*)+)\.[\pL_]`)

// goType parses a type. If it names a type with its whole import path, the path is the
// name of the identifier before the dot.
func goType(s string) (ast.Expr, bool) {
	paths := make(map[string]string) // by their substitutes for the parser
	var b strings.Builder
	last := 0
	for _, at := range imported.FindAllStringSubmatchIndex(s, -1) {
		path, name := s[at[2]:at[3]], fmt.Sprintf("importPath%d_", len(paths))
		if strings.Contains(path, "..") {
			return nil, false // a pattern, or a path with ..
		}
		paths[name] = path
		b.WriteString(s[last:at[2]] + name)
		last = at[3]
	}
	b.WriteString(s[last:])
	expr, err := parser.ParseExpr(b.String())
	if err != nil {
		return nil, false
	}
	ast.Inspect(expr, func(n ast.Node) bool {
		if x, ok := n.(*ast.Ident); ok && paths[x.Name] != "" {
			x.Name = paths[x.Name]
		}
		return true
	})
	return expr, true
}

// CheckTaskName returns the fault of a task's name on the wire, or "".
func CheckTaskName(s string) string {
	if _, p := name(s, true); p != nil {
		return p.text
	}
	return ""
}

func name(s string, dots bool) (any, *problem) {
	if s == "" {
		return nil, &problem{rule.ValueName, "a name has at least one character", "write one"}
	}
	if len(s) > MaxName {
		return nil, &problem{rule.ValueName, fmt.Sprintf("a name has at most %d characters, this one has %d", MaxName, len(s)), "shorten it"}
	}
	for _, r := range s {
		if !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' || r == '-' || dots && r == '.') {
			fix := "use letters, digits, _ and -"
			if dots {
				fix = "use letters, digits, _, - and dots"
			}
			return nil, &problem{rule.ValueName, fmt.Sprintf("a name cannot contain %q", r), fix}
		}
	}
	return s, nil
}

// MaxName is the largest number of characters of a name: the longest name of a queue
// that SQS accepts.
const MaxName = 80

// maxOwner is the largest number of bytes of an owner's name: import paths are names of
// owners, too.
const maxOwner = 255

func owner(s string) (any, *problem) {
	if len(s) > maxOwner {
		return nil, &problem{rule.ValueName, fmt.Sprintf("the name of an owner has at most %d bytes, this one has %d", maxOwner, len(s)), "shorten it"}
	}
	for _, r := range s {
		if !unicode.IsPrint(r) || unicode.IsSpace(r) || r == ',' || r == utf8.RuneError {
			return nil, &problem{rule.ValueName, fmt.Sprintf("the name of an owner cannot contain %q", r), "write a name like shop, or an import path"}
		}
	}
	return s, nil
}

// allowable is the rule with an ID that a directive may silence.
func allowable(id string) (any, *problem) {
	r, ok := rule.Find(id)
	switch {
	case !ok:
		var warnings []string
		for _, r := range rule.Rules() {
			if r.Allowable() {
				warnings = append(warnings, r.ID)
			}
		}
		return nil, &problem{rule.AllowRule, "there is no such rule", rule.DidYouMean(id, warnings)}
	case r == rule.AllowUnused:
		return nil, &problem{rule.AllowRule, "this rule cannot be allowed", "remove the //taskgen:allow that silences nothing"}
	case !r.Allowable():
		return nil, &problem{rule.AllowRule, "an error cannot be allowed", r.Fix}
	}
	return r, nil
}

func list(k *Key, s string) (any, *problem) {
	items := strings.Split(s, ",")
	seen := make(map[string]bool, len(items))
	for _, item := range items {
		switch {
		case item == "":
			return nil, &problem{rule.ValueList, "an entry is empty", ""}
		case seen[item]:
			return nil, &problem{rule.ValueList, item + " is there twice", ""}
		}
		seen[item] = true
		var p *problem
		switch k.Kind {
		case kindNames:
			_, p = name(item, true)
		case kindOwners:
			_, p = owner(item)
		}
		if p != nil {
			return nil, p
		}
	}
	return items, nil
}

func duration(k *Key, s string) (any, *problem) {
	d, err := durations.Parse(s)
	switch {
	case errors.Is(err, durations.ErrTooLong):
		return nil, &problem{rule.ValueDuration, durations.ErrTooLong.Error(), "write a shorter one"}
	case err != nil:
		return nil, &problem{rule.ValueDuration, "this is not a duration", ""}
	case d == 0 && k.Zero != "":
	case d <= 0:
		return nil, &problem{rule.ValueDuration, "a duration must be above zero", "leave it out for the default, or write how long"}
	}
	return d, nil
}

func integer(k *Key, s string) (any, *problem) {
	n, err := strconv.Atoi(s)
	if err != nil {
		return nil, &problem{rule.ValueNumber, "this is not a whole number", "write " + k.Example}
	}
	if p := k.bound(float64(n)); p != nil {
		return nil, p
	}
	return n, nil
}

func decimal(k *Key, s string) (any, *problem) {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(n) {
		return nil, &problem{rule.ValueNumber, "this is not a number", "write " + k.Example}
	}
	if p := k.bound(n); p != nil {
		return nil, p
	}
	return n, nil
}

func (k *Key) bound(n float64) *problem {
	switch {
	case n < k.Min && k.Name == "max":
		return &problem{rule.ValueNumber, "it must be at least " + plain(k.Min), "write //taskgen:retry none for a task that is never retried"}
	case n < k.Min:
		return &problem{rule.ValueNumber, "it must be at least " + plain(k.Min), "write " + k.Example}
	case n > k.limit():
		return &problem{rule.ValueNumber, "it must be at most " + plain(k.limit()), "write " + k.Example}
	}
	return nil
}

// limit is the largest number that the key accepts. Without a maximum it is the largest
// that fits an int on every machine.
func (k *Key) limit() float64 {
	if k.Max > 0 {
		return k.Max
	}
	return math.MaxInt32
}

func plain(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

func rate(s string) (any, *problem) {
	count, per, ok := strings.Cut(s, "/")
	if !ok {
		return nil, &problem{rule.ValueRate, "this is not a rate", ""}
	}
	n, err := strconv.Atoi(count)
	if err != nil || n < 1 || n > math.MaxInt32 {
		return nil, &problem{rule.ValueRate, "the part before the slash is not a whole number of at least 1", ""}
	}
	if per != "" && (per[0] < '0' || per[0] > '9') {
		per = "1" + per
	}
	d, err := durations.Parse(per)
	if err != nil || d <= 0 {
		return nil, &problem{rule.ValueRate, "the part after the slash is not a unit of time", ""}
	}
	return model.Rate{Limit: n, Per: d}, nil
}
