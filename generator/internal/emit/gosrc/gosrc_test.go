package gosrc

import (
	"go/ast"
	"go/format"
	"go/parser"
	"go/token"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/taskgen/taskgen/generator/internal/emit/schema"
	"github.com/taskgen/taskgen/generator/internal/model"
)

func basic(name string) model.Type {
	return model.Type{Kind: model.Basic, Name: name, Comparable: true}
}

func embedding() *model.Package {
	return &model.Package{
		Name: "tasks", Path: "example.com/app/tasks",
		Scope: []string{"Embedding", "EmbeddingTask", "PingTask"},
		Queues: []model.Queue{
			{Name: "embeddings", Visibility: 5 * time.Minute, MaxDeliveries: 10, DLQ: "embeddings-dlq", Retention: 14 * 24 * time.Hour},
			{Name: "levels", Type: "priority", Levels: 4},
			{Name: "payments", Type: "fifo"},
		},
		Tasks: []model.Task{{
			Struct: "EmbeddingTask", Base: "Embedding", Type: "embedding", Queue: "embeddings",
			Doc:     "EmbeddingTask asks a model for the embedding of a text. */ `odd`\n\n\tcode",
			Timeout: 2 * time.Minute, Retry: model.Retry{Max: 5, Backoff: "linear"},
			Unique: &model.Unique{By: []string{"Text"}, Within: time.Hour},
			Result: &model.Type{Kind: model.Named, Name: "Embedding", Underlying: model.Struct},
			Fields: []model.Field{
				{Name: "Text", JSON: "text", Tag: `json:"text" task:"required"`, Type: basic("string"), Required: true},
				{Name: "APIKey", JSON: "api_key", Tag: `json:"api_key" task:"secret"`, Type: basic("string"), Secret: true},
			},
			Secrets: []string{"api_key"},
		}, {
			Struct: "PingTask", Base: "Ping", Type: "ping", Queue: "payments",
			Fields: []model.Field{{Name: "Account", JSON: "account", Type: basic("string"), Group: true}},
		}},
	}
}

// source is the file of a package, which must be as gofmt would have it.
func source(t *testing.T, pkg *model.Package) (string, *ast.File) {
	t.Helper()
	src := File(pkg)
	set, err := format.Source(src)
	require.NoError(t, err)
	require.Equal(t, string(set), string(src))
	file, err := parser.ParseFile(token.NewFileSet(), "x.go", src, parser.ParseComments)
	require.NoError(t, err)
	return string(src), file
}

func TestTheFileDeclaresTheNamesThatTheModelSays(t *testing.T) {
	pkg := embedding()
	pkg.Tasks[1].Schedules = []model.Schedule{{Cron: "@daily"}}
	_, file := source(t, pkg)
	want := pkg.Symbols()
	for i := range pkg.Tasks {
		want = append(want, pkg.Tasks[i].Symbols()...)
	}
	var got []string
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Recv == nil {
				got = append(got, d.Name.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					got = append(got, spec.Name.Name)
				case *ast.ValueSpec:
					got = append(got, spec.Names[0].Name)
				}
			}
		}
	}
	got = slices.DeleteFunc(got, func(name string) bool { return name == "_" || strings.Contains(name, "_has_changed_") })
	assert.ElementsMatch(t, want, got)
}

func TestTheUsersDocIsKeptAsItStands(t *testing.T) {
	src, _ := source(t, embedding())
	assert.Contains(t, src, "// EnqueueEmbedding enqueues an EmbeddingTask on queue \"embeddings\".\n"+
		"//\n// EmbeddingTask asks a model for the embedding of a text. */ `odd`\n//\n//\tcode\nfunc EnqueueEmbedding(")
}

func TestEveryDeclarationHasAComment(t *testing.T) {
	_, file := source(t, embedding())
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			assert.NotNil(t, d.Doc, d.Name.Name)
		case *ast.GenDecl:
			if v, ok := d.Specs[0].(*ast.ValueSpec); ok && v.Names[0].Name == "_" && d.Tok == token.VAR {
				continue // stands below the type that it guards
			}
			assert.True(t, d.Tok == token.IMPORT || d.Doc != nil, "%v", d.Specs[0])
		}
	}
}

func TestLinesOfCommentsAreShort(t *testing.T) {
	src, _ := source(t, embedding())
	for line := range strings.SplitSeq(src, "\n") {
		if strings.HasPrefix(line, "//") {
			assert.LessOrEqual(t, len(line), 80, line)
		}
	}
}

func TestNothingButWhatMayBeImportedIs(t *testing.T) {
	_, file := source(t, embedding())
	for _, imp := range file.Imports {
		assert.Contains(t, []string{`"context"`, `"fmt"`, `"log/slog"`, `"time"`, `"github.com/taskgen/taskgen/runtime"`, `"github.com/taskgen/taskgen/runtime/generated"`}, imp.Path.Value)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if fn, ok := n.(*ast.FuncDecl); ok {
			assert.NotEqual(t, "init", fn.Name.Name)
		}
		if id, ok := n.(*ast.Ident); ok {
			assert.NotEqual(t, "panic", id.Name)
		}
		return true
	})
}

func TestAPackageOfQueuesAlone(t *testing.T) {
	src, file := source(t, &model.Package{Name: "q", Path: "example.com/q", Queues: []model.Queue{{Name: "a"}}})
	assert.Len(t, file.Imports, 2, "runtime, and generated for the guard")
	assert.Contains(t, src, "func Queues() []runtime.QueueConfig {")
	assert.NotContains(t, src, "Handlers")
}

func TestAQueueListsTheTypesThatThePackageSendsToIt(t *testing.T) {
	pkg := embedding()
	src, _ := source(t, pkg)
	assert.Contains(t, src, `{Name: "payments", Type: runtime.FIFO, Types: []string{TypePing}},`)
	assert.Contains(t, src, "Types:         []string{TypeEmbedding},")
	assert.Contains(t, src, `{Name: "levels", Type: runtime.Priority, Levels: 4},`, "nothing is sent to it")

	for _, base := range []string{"A", "B", "C"} {
		pkg.Tasks = append(pkg.Tasks, model.Task{Struct: base + "Task", Base: base, Type: strings.ToLower(base), Queue: "payments"})
	}
	src, _ = source(t, pkg)
	assert.Regexp(t, `(?s)Name:\s+"payments",.*?Types: \[\]string\{\n\s+TypePing,\n\s+TypeA,\n\s+TypeB,\n\s+TypeC,\n\s+\},`, src)
}

func TestTheBuildConstraintStandsAboveThePackageClause(t *testing.T) {
	pkg := embedding()
	pkg.Constraint = "linux && !cgo"
	src, _ := source(t, pkg)
	assert.True(t, strings.HasPrefix(src, model.Header+"\n\n//go:build linux && !cgo\n\npackage tasks\n"), src[:200])
}

func TestTakenPredeclaredNamesAreGoneRound(t *testing.T) {
	pkg := embedding()
	pkg.Scope = append(pkg.Scope, "string", "error", "rune", "any")
	pkg.Tasks[1].Fields = append(pkg.Tasks[1].Fields, model.Field{Name: "Any", Type: model.Type{Kind: model.Any}})
	src, _ := source(t, pkg)
	assert.Contains(t, src, "func(task *EmbeddingTask) generated.String {")
	assert.Contains(t, src, "(runtime.Enqueued, generated.Error) {")
	assert.Contains(t, src, "Format(f fmt.State, verb int32)")
	assert.NotContains(t, src, "MarshalJSON", "go vet knows the method by its signature to the letter")
	assert.NotContains(t, src, "Plain:")
	assert.Contains(t, src, "Any     interface{}")
	assert.Contains(t, src, "[]generated.String{\"api_key\"}")
}

func TestImportsKeepTheirNamesWhereTheyAreFree(t *testing.T) {
	pkg := embedding()
	pkg.Scope = append(pkg.Scope, "slog")
	named := func(path, name string) model.Type {
		return model.Type{Kind: model.Named, Path: path, Package: name, Name: "T"}
	}
	for i, imp := range [][2]string{
		{"gopkg.in/yaml.v3", "yaml"},
		{"example.com/a/task", "task"},
		{"example.com/b/task/v2", "task"},
		{"example.com/go-ctx", "ctx"},
		{"text/template", "template"},
		{"html/template", "template"},
		{"example.com/app/tasks", "tasks"},
		{"example.com/12/type", "type_"},
		{"example.com/12/err", "err"},
		{"example.com/x/runtime", "runtime"},
		{"example.com/12/runtime", "runtime"},
		{"other.example/12/runtime", "runtime"},
	} {
		pkg.Tasks[0].Fields = append(pkg.Tasks[0].Fields, model.Field{Name: string(rune('A' + i)), Type: named(imp[0], imp[1])})
	}
	src, _ := source(t, pkg)
	imports, _, _ := strings.Cut(src, "\n)\n")
	_, imports, _ = strings.Cut(imports, "import (\n")
	assert.Equal(t, `	"context"
	"fmt"
	"html/template"
	logslog "log/slog"
	texttemplate "text/template"
	"time"

	err2 "example.com/12/err"
	runtime2 "example.com/12/runtime"
	type_ "example.com/12/type"
	"example.com/a/task"
	btask "example.com/b/task/v2"
	"example.com/go-ctx"
	xruntime "example.com/x/runtime"
	"github.com/taskgen/taskgen/runtime"
	"github.com/taskgen/taskgen/runtime/generated"
	"gopkg.in/yaml.v3"
	runtime3 "other.example/12/runtime"`, imports)
	assert.Contains(t, src, "func EnqueuePing(context2 context.Context, to runtime.Enqueuer, payload PingTask, opts ...runtime.EnqueueOption)")
}

// testFile is a file in which nothing is written.
func testFile() *file {
	f := newFile(&model.Package{Name: "p", Path: "example.com/p"})
	f.imports["time"] = "time"
	return f
}

func TestTypesAreRestated(t *testing.T) {
	str, integer := basic("string"), basic("int")
	pair := model.Type{Kind: model.Named, Name: "Pair", Args: []model.Type{str, {Kind: model.Pointer, Elem: &integer}}}
	f := testFile()
	f.imports["github.com/google/uuid"] = "uuid"
	for want, typ := range map[string]model.Type{
		"string": str, "*int": {Kind: model.Pointer, Elem: &integer}, "[]string": {Kind: model.Slice, Elem: &str},
		"[3]int": {Kind: model.Array, Len: 3, Elem: &integer}, "map[string]int": {Kind: model.Map, Key: &str, Elem: &integer},
		"any": {Kind: model.Any}, "Pair[string, *int]": pair, "uuid.UUID": {Kind: model.Named, Path: "github.com/google/uuid", Name: "UUID"},
		"interface{ Len() int }": {Kind: model.Iface, Text: "interface{ Len() int }"}, "struct{}": {Kind: model.Struct},
		"Own": {Kind: model.Named, Path: "example.com/p", Name: "Own"},
	} {
		assert.Equal(t, want, f.typ(&typ))
	}
}

func TestStructsInStructsAreSetAsGofmtSetsThem(t *testing.T) {
	str := basic("string")
	inner := model.Type{Kind: model.Struct, Comparable: true, Fields: []model.Field{
		{Name: "A", Type: str, Tag: `json:"a"`}, {Name: "Longer", Type: model.Type{Kind: model.Slice, Elem: &str}}, {Name: "Ä", Type: str, Tag: `json:"b"`},
	}}
	one := model.Type{Kind: model.Struct, Fields: inner.Fields[:1], Comparable: true}
	named := func(name string, args ...model.Type) model.Type {
		return model.Type{Kind: model.Named, Name: name, Args: args}
	}
	fields := []model.Field{
		{Name: "Short", Type: str, Tag: `json:"short"`},
		{Name: "Base", Embedded: true, Type: named("Base")},
		{Name: "Tagged", Embedded: true, Type: named("Tagged"), Tag: `json:"tagged"`},
		{Name: "Inner", Type: inner, Tag: `json:"inner"`, JSON: "inner", Required: true},
		{Name: "MuchLonger", Type: model.Type{Kind: model.Map, Key: &str, Elem: &one}},
		{Name: "Empty", Type: model.Type{Kind: model.Struct}, Tag: `json:"empty"`},
		{Name: "Box", Type: named("Pair", inner, one)},
		{Name: "X", Type: str},
	}
	for i := range fields {
		for j := i + 1; j <= len(fields); j++ {
			pkg := embedding()
			pkg.Tasks[0].Fields = fields[i:j]
			pkg.Tasks[1].Result = &fields[i].Type
			source(t, pkg) // compares it with gofmt's
		}
	}
}

func TestTagsAreKeptByteForByte(t *testing.T) {
	assert.Equal(t, "`b:\"1\" a:\"2\"`", rawString(`b:"1" a:"2"`))
	assert.Equal(t, "\"a:\\\"`\\\"\"", rawString("a:\"`\""))
}

func TestAFieldThatCannotBeRestatedWeakensTheGuard(t *testing.T) {
	pkg := embedding()
	opaque := model.Type{Kind: model.Opaque, Text: "chan int"}
	pkg.Tasks[1].Fields = append(pkg.Tasks[1].Fields, model.Field{Name: "Done", Tag: `json:"-"`, Type: model.Type{Kind: model.Slice, Elem: &opaque}})
	src, _ := source(t, pkg)
	assert.Contains(t, src, "type (\n\tpingTask_has_changed_run_go_generate         = PingTask\n"+
		"\tpingTask_has_changed_run_go_generate_Account = string\n)\n\n"+
		"var (\n\t_ pingTask_has_changed_run_go_generate_Account = pingTask_has_changed_run_go_generate{}.Account\n)\n")
	assert.Contains(t, src, "}\n\nvar _ embeddingTask_has_changed_run_go_generate = EmbeddingTask{}\n")
}

func TestNamesThatAreNotLawAreOnesThatNothingElseHas(t *testing.T) {
	pkg := embedding()
	pkg.Scope = append(pkg.Scope, "pingTask_has_changed_run_go_generate", "schemaLine")
	pkg.Imported = []string{"schemaLine2"}
	line := model.Definition{Name: "Line", Value: model.Value{Kind: model.TextValue}}
	for i := range pkg.Tasks {
		pkg.Tasks[i].Payload.Definitions = []model.Definition{line}
	}
	src, _ := source(t, pkg)
	assert.Contains(t, src, "type pingTask_has_changed_run_go_generate2 = struct {")
	assert.Contains(t, src, "schemaLine3 = `\"Line\": {\"type\":\"string\"}`")
}

func TestSchemasShareDefinitionsAndStayWhole(t *testing.T) {
	pkg := embedding()
	account := model.Definition{Name: "Account", Doc: "who `pays`", Value: model.Value{Kind: model.TextValue}}
	own := model.Definition{Name: "Own", Value: model.Value{Kind: model.BooleanValue}}
	other := account
	other.Doc = "somebody else"
	pkg.Tasks[0].Payload.Definitions = []model.Definition{account, own}
	pkg.Tasks[1].Payload.Definitions = []model.Definition{account}
	third := pkg.Tasks[1]
	third.Struct, third.Base, third.Type = "PongTask", "Pong", "pong"
	third.Payload.Definitions = []model.Definition{other}
	pkg.Tasks = append(pkg.Tasks, third)
	src, file := source(t, pkg)
	assert.Equal(t, 1, strings.Count(src, "who \\u0060pays\\u0060"), "once for the package")
	assert.Equal(t, 2, strings.Count(src, "` + schemaAccount + `"))
	assert.Equal(t, 1, strings.Count(src, `"Own":`), "what one task has stays where it is")
	for i := range pkg.Tasks {
		assert.Equal(t, schema.Of(&pkg.Tasks[i]).Text(), schemaOf(t, file, pkg.Tasks[i].Base+"Spec"))
	}
}

// schemaOf evaluates the Schema of a spec: a constant expression.
func schemaOf(t *testing.T, file *ast.File, spec string) string {
	t.Helper()
	constants := make(map[string]ast.Expr)
	var expr ast.Expr
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.ValueSpec:
			if len(n.Values) == 1 {
				constants[n.Names[0].Name] = n.Values[0]
			}
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && key.Name == "Schema" && constants[spec] != nil && n.Pos() > constants[spec].Pos() && n.End() < constants[spec].End() {
				expr = n.Value
			}
		}
		return true
	})
	var value func(ast.Expr) string
	value = func(e ast.Expr) string {
		switch e := e.(type) {
		case *ast.BinaryExpr:
			return value(e.X) + value(e.Y)
		case *ast.Ident:
			return value(constants[e.Name])
		case *ast.BasicLit:
			s, err := strconv.Unquote(e.Value)
			require.NoError(t, err)
			return s
		}
		t.Fatalf("%T is not constant", e)
		return ""
	}
	require.NotNil(t, expr, spec)
	return value(expr)
}

func TestOnlyAPackageThatSchedulesImportsTheScheduler(t *testing.T) {
	plain, scheduled, schedulable, cancelling := embedding(), embedding(), embedding(), embedding()
	scheduled.Tasks[1].Schedules = []model.Schedule{{Cron: "@daily"}}
	schedulable.Tasks[1].Schedulable = true
	cancelling.Schedules = &model.Schedules{Owner: "shop", Aliases: []string{"old"}}
	src, _ := source(t, plain)
	for _, word := range []string{"schedule.", "ScheduleP", "ModifyP", "RegisterSchedules", "JobID"} {
		assert.NotContains(t, src, word)
	}
	src, _ = source(t, scheduled)
	assert.Contains(t, src, "const PingJobID schedule.JobID = \"schedule#ping\"\n")
	assert.Contains(t, src, "schedule.Declare(ctx, in, \"example.com/app/tasks\", []schedule.Declaration{")
	assert.Contains(t, src, "func SchedulePing(")
	assert.NotContains(t, src, "func ScheduleEmbedding(")
	src, _ = source(t, schedulable)
	assert.Contains(t, src, "func ModifyPing(")
	assert.Contains(t, src, "schedule.Declare(ctx, in, \"example.com/app/tasks\", nil, opts...)")
	assert.NotContains(t, src, "PingJobID")
	src, _ = source(t, cancelling)
	assert.NotContains(t, src, "func SchedulePing(")
	assert.Contains(t, src, "schedule.Declare(ctx, in, \"shop\", nil, append([]schedule.RegisterOption{schedule.OwnerAliases(\"old\")}, opts...)...)")
}

func TestNothingIsExportedForAStructThatIsNot(t *testing.T) {
	pkg := embedding()
	own := &pkg.Tasks[1]
	own.Struct, own.Schedules = "pingTask", []model.Schedule{{Cron: "@daily"}}
	own.Result = &model.Type{Kind: model.Basic, Name: "int"}
	src, file := source(t, pkg)
	for _, name := range own.Symbols() {
		assert.False(t, ast.IsExported(name), name)
	}
	for _, d := range file.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.IsExported() {
			assert.NotContains(t, fn.Name.Name, "Ping")
		}
	}
	assert.Contains(t, src, "type Handlers interface {\n\tEmbeddingHandler\n}\n")
	assert.Contains(t, src, "type handlers interface {\n\tpingHandler\n}\n")
	assert.Contains(t, src, "func registerHandlers(r *runtime.Router, h handlers) {\n\tregisterPing(r, h)\n}\n")
	assert.Contains(t, src, "\thandlePing(ctx context.Context, task pingTask) (int, error)\n")
	assert.Contains(t, src, "typePing      = \"ping\"\n", "the wire name stays")
}

func TestTheUsersOwnNamesForImportsAreKept(t *testing.T) {
	pkg := embedding()
	named := func(path, name string) model.Type {
		return model.Type{Kind: model.Named, Path: path, Package: name, Name: "T"}
	}
	pkg.Imports = []model.Import{
		{Path: "example.com/gen/orderpb", Name: "pb"},
		{Path: "example.com/gen/taken", Name: "Queues"},
		{Path: "example.com/gen/typed", Name: "string"},
		{Path: "github.com/taskgen/taskgen/runtime", Name: "rt"},
		{Path: "github.com/taskgen/taskgen/runtime/generated", Name: "gen"},
		{Path: "time", Name: "stdtime"},
	}
	for i, typ := range []model.Type{named("example.com/gen/orderpb", "orderpb"), named("example.com/gen/taken", "taken"), named("example.com/gen/typed", "typed"), named("time", "time")} {
		pkg.Tasks[0].Fields = append(pkg.Tasks[0].Fields, model.Field{Name: string(rune('A' + i)), Type: typ})
	}
	src, _ := source(t, pkg)
	assert.Contains(t, src, "\tpb \"example.com/gen/orderpb\"\n")
	assert.Contains(t, src, "\t\"example.com/gen/taken\"\n", "a generated function has the name")
	assert.Contains(t, src, "\t\"example.com/gen/typed\"\n", "a predeclared type has the name")
	assert.Contains(t, src, "\tstdtime \"time\"\n")
	assert.Contains(t, src, "Timeout: 2 * stdtime.Minute,")
	assert.Contains(t, src, "\trt \"github.com/taskgen/taskgen/runtime\"\n")
	assert.Contains(t, src, "\tgen \"github.com/taskgen/taskgen/runtime/generated\"\n")
	assert.Contains(t, src, "the error is a *rt.BatchError")
}

func TestArticlesAreAsSpoken(t *testing.T) {
	for _, want := range []string{
		"an EmbeddingTask", "a URLFetchTask", "an SMSTask", "a UserTask", "an UploadTask", "an HourlyTask", "a OneTimeTask",
		"a PayTask", "a UUIDTask", "a sendTask", "an _inboxTask", "an HTTPTask", "a T",
	} {
		_, name, _ := strings.Cut(want, " ")
		assert.Equal(t, want, article(name))
	}
}

func TestMissingValuesOfEachKind(t *testing.T) {
	str := basic("string")
	f := testFile()
	for want, typ := range map[string]model.Type{
		`v == ""`: str, "v == 0": basic("float32"), "len(v) == 0": {Kind: model.Slice, Elem: &str},
		"v == nil":           {Kind: model.Pointer, Elem: &str},
		"v.IsZero()":         {Kind: model.Named, Name: "Time", IsZero: true, Underlying: model.Struct, Comparable: true},
		"v == (Spot{})":      {Kind: model.Named, Name: "Spot", Underlying: model.Struct, Comparable: true},
		"v == ([2]string{})": {Kind: model.Array, Len: 2, Elem: &str, Comparable: true},
	} {
		assert.Equal(t, want, f.zero("v", &typ))
	}
}

func TestDurationsReadAsPeopleWriteThem(t *testing.T) {
	f := testFile()
	for d, want := range map[time.Duration]string{
		time.Second: "time.Second", time.Nanosecond: "time.Nanosecond", 24 * time.Hour: "24 * time.Hour", 14 * 24 * time.Hour: "14 * 24 * time.Hour",
		36 * time.Hour: "36 * time.Hour", 90 * time.Minute: "90 * time.Minute", 90 * time.Second: "90 * time.Second",
		1500 * time.Millisecond: "1500 * time.Millisecond", 3 * time.Microsecond: "3 * time.Microsecond", 1000001: "1000001 * time.Nanosecond",
	} {
		assert.Equal(t, want, f.duration(d))
	}
}

func TestHoldersGetTheMethodsThatTheyLack(t *testing.T) {
	pkg := embedding()
	pkg.Scope = append(pkg.Scope, "Box", "Cred", "Own", "plain", "T")
	pkg.Holders = []model.Holder{
		{Name: "Box", Params: 2},
		{Name: "Cred", Embeds: true, Locked: true},
		{Name: "EmbeddingTask", Embeds: true},
		{Name: "Own", Methods: []string{"MarshalText", "String"}, Fields: []string{"Format", "GoString", "LogValue"}},
		{Name: "plain"},
	}
	src, _ := source(t, pkg)
	assert.Contains(t, src, "func (t Box[T, P]) LogValue() slog.Value {")
	assert.Contains(t, src, "func (t Box[T, P]) MarshalJSON() ([]byte, error) {\n\ttype bare Box[T, P]\n\treturn generated.MarshalJSON(&t, (*bare)(&t))\n}")
	assert.Contains(t, src, "func (t *Cred) LogValue() slog.Value {\n\treturn generated.LogValue(t)\n}")
	assert.Contains(t, src, "\tgenerated.Format(f, verb, t)\n")
	assert.Contains(t, src, "\ttype bare struct {\n\t\t*Cred\n\t\tgenerated.NoMarshalJSON\n\t}\n\treturn generated.MarshalJSON(t, &bare{Cred: t})\n")
	assert.Contains(t, src, "func (t plain) MarshalJSON() ([]byte, error) {\n\ttype bare plain\n")
	assert.NotContains(t, src, "Own)")
	assert.Contains(t, src, "Plain: func(task *EmbeddingTask) any {\n\t\ttype bare struct {\n\t\t\t*EmbeddingTask\n\t\t\tgenerated.NoMarshalJSON\n\t\t}\n\t\treturn &bare{EmbeddingTask: task}\n\t},")
	assert.Equal(t, 1, strings.Count(src, "func (t EmbeddingTask) MarshalJSON()"))
}
