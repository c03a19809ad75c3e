// Package directive parses //taskgen: comments for load and analyze. Syntax goes in,
// directives with values and positions come out. One table defines all directives and
// keys; parsing, errors and the reference are derived from it.
package directive

// A place is the kind of declaration that a directive is on.
type place string

// The places.
const (
	onType    place = "struct"
	onField   place = "field"
	onPackage place = "package clause"
)

// A kind is the kind of a key's value.
type kind string

// The kinds of values, and the Go type that Arg.Value has for each.
const (
	kindTaskName  kind = "name"       // string
	kindQueueName kind = "queue name" // string
	kindNames     kind = "names"      // []string
	kindFields    kind = "fields"     // []string
	kindDuration  kind = "duration"   // time.Duration
	kindInt       kind = "number"     // int
	kindFloat     kind = "decimal"    // float64
	kindChoice    kind = "choice"     // string
	kindRate      kind = "rate"       // model.Rate
	kindGoType    kind = "type"       // ast.Expr
	kindText      kind = "text"       // string
	kindWord      kind = "flag"       // nil: written without a value
	kindOwner     kind = "owner"      // string
	kindOwners    kind = "owners"     // []string
	kindRule      kind = "rule"       // *rule.Rule
	kindReason    kind = "prose"      // string
	kindFile      kind = "file"       // string: a clean path
	kindFolder    kind = "folder"     // string: a clean path
)

// A Spec describes one directive.
type Spec struct {
	Name string
	On   []place
	// Many says that the directive may be repeated.
	Many    bool
	Doc     string
	Example string
	Keys    []Key
}

// A Key describes one key of a directive.
type Key struct {
	Name     string
	Kind     kind
	Required bool
	// Positional says that the value is written without the key's name. Such keys are in
	// the order of the table; a kindReason takes the rest of the line.
	Positional bool
	Choices    []string
	Ending     string // of a file's name
	// Min and Max bound a number; Max 0: no bound above.
	Min, Max float64
	// Zero says in words what a duration of 0 means; empty: 0 is not allowed.
	Zero    string
	Default string // in words
	Doc     string
	Example string
}

// table holds all directives in the order of the reference.
var table = []Spec{
	{
		Name: "task", On: []place{onType},
		Doc:     "Makes a struct a task: its fields are the payload, and taskgen generates code to enqueue and handle it.",
		Example: "//taskgen:task queue=embeddings timeout=2m result=Embedding aliases=embed",
		Keys: []Key{
			{Name: "name", Kind: kindTaskName, Default: "the struct's name without Task, in snake case", Doc: "Name on the wire, which identifies the type of a message: change it only together with aliases.", Example: "name=embedding"},
			{Name: "queue", Kind: kindQueueName, Default: "from //taskgen:defaults; required if not set there", Doc: "Queue of the task, declared on the package clause.", Example: "queue=embeddings"},
			{Name: "timeout", Kind: kindDuration, Default: "from //taskgen:defaults; required if not set there", Doc: "How long one run of the handler may take.", Example: "timeout=2m"},
			{Name: "priority", Kind: kindInt, Default: "0", Doc: "Level on a queue of type priority: from 0, the least urgent, to levels minus 1, the most urgent.", Example: "priority=3"},
			{Name: "aliases", Kind: kindNames, Default: "none", Doc: "Former names that are still on queues. The handler also takes tasks with these names.", Example: "aliases=embed,embed_text"},
			{Name: "result", Kind: kindGoType, Default: "none", Doc: "Type of the result that the handler returns and callers can await.", Example: "result=Embedding"},
			{Name: "concurrency", Kind: kindInt, Min: 1, Default: "the pool's", Doc: "How many tasks of this type one pool runs at a time.", Example: "concurrency=4"},
			{Name: "rate", Kind: kindRate, Default: "no limit", Doc: "How many tasks of this type one pool starts per unit of time.", Example: "rate=100/s"},
			{Name: "retention", Kind: kindDuration, Default: "24h", Doc: "How long the result of a task with result= is kept.", Example: "retention=1h"},
			{Name: "schedulable", Kind: kindWord, Doc: "Generates ScheduleX and ModifyX, with which code schedules the task. A task with //taskgen:schedule has them without this key.", Example: "schedulable"},
		},
	},
	{
		Name: "retry", On: []place{onType, onPackage},
		Doc:     "Says how often and when a failed task is retried. On the package clause it is the policy that tasks inherit, key by key.",
		Example: "//taskgen:retry max=3 backoff=exponential base=1s cap=5m factor=2 jitter=0.2",
		Keys: []Key{
			{Name: "none", Kind: kindWord, Doc: "Never retried; excludes all other keys.", Example: "none"},
			{Name: "max", Kind: kindInt, Min: 1, Max: 1000, Default: "required, unless none is given", Doc: "Retries after the first run.", Example: "max=5"},
			{Name: "backoff", Kind: kindChoice, Choices: []string{"constant", "linear", "exponential"}, Default: "exponential", Doc: "How the delay grows from retry to retry: base each time; base, 2×base, 3×base; base, base×factor, base×factor².", Example: "backoff=linear"},
			{Name: "base", Kind: kindDuration, Default: "1s", Doc: "Delay of the first retry.", Example: "base=500ms"},
			{Name: "cap", Kind: kindDuration, Default: "1h", Doc: "Longest delay, including jitter.", Example: "cap=5m"},
			{Name: "factor", Kind: kindFloat, Min: 1, Max: 100, Default: "2", Doc: "Growth of an exponential backoff.", Example: "factor=1.5"},
			{Name: "jitter", Kind: kindFloat, Min: 0, Max: 1, Default: "0", Doc: "Spreads each delay evenly over ± this fraction of it.", Example: "jitter=0.2"},
		},
	},
	{
		Name: "unique", On: []place{onType},
		Doc:     "Allows only one task with the same values in some fields on the queue.",
		Example: "//taskgen:unique by=Text,Model within=1h",
		Keys: []Key{
			{Name: "by", Kind: kindFields, Required: true, Doc: "The fields, by their Go names.", Example: "by=Text,Model"},
			{Name: "within", Kind: kindDuration, Default: "until the task is done or dead", Doc: "How long the values stay taken, counted from enqueue, no matter what happens to the task.", Example: "within=1h"},
		},
	},
	{
		Name: "schedule", On: []place{onType}, Many: true,
		Doc:     "Enqueues the task repeatedly. A program calls RegisterSchedules and runs a scheduler for that. Several schedules of one struct need names.",
		Example: `//taskgen:schedule cron="0 6 * * mon-fri" tz=Europe/Berlin`,
		Keys: []Key{
			{Name: "cron", Kind: kindText, Required: true, Doc: "Minute, hour, day of the month, month and weekday; or @hourly, @daily, @every 90m and the like. If day and weekday are both given, either is enough.", Example: `cron="0 6 * * *"`},
			{Name: "tz", Kind: kindText, Default: "UTC", Doc: "Time zone of the expression, by its IANA name.", Example: "tz=Europe/Berlin"},
			{Name: "overlap", Kind: kindChoice, Choices: []string{"allow", "skip"}, Default: "allow", Doc: "Whether the schedule fires while the previous task is not done.", Example: "overlap=skip"},
			{Name: "missed", Kind: kindChoice, Choices: []string{"once", "all", "skip"}, Default: "once", Doc: "What happens to firings that were due while no scheduler ran: one task for all of them, one for each, or none.", Example: "missed=all"},
			{Name: "jitter", Kind: kindDuration, Default: "none", Doc: "Spreads schedules that are due at the same time: each firing is delayed by a fraction of this duration.", Example: "jitter=5m"},
			{Name: "payload", Kind: kindText, Default: "the zero value of the struct", Doc: "The payload to enqueue, as JSON, in backquotes if it contains spaces.", Example: `payload={"name":"sales"}`},
			{Name: "name", Kind: kindTaskName, Default: "none; one schedule of a struct may omit it", Doc: "Distinguishes the schedules of one struct and identifies the job: change it only together with aliases.", Example: "name=morning"},
			{Name: "aliases", Kind: kindNames, Default: "none", Doc: "Former names. Their job continues as this one.", Example: "aliases=dawn,early"},
		},
	},
	{
		Name: "schedules", On: []place{onPackage},
		Doc:     "Sets the owner of the scheduled jobs of the package, and keeps RegisterSchedules in a package that no longer schedules anything.",
		Example: "//taskgen:schedules owner=shop aliases=example.com/shop/tasks",
		Keys: []Key{
			{Name: "owner", Kind: kindOwner, Default: "the import path of the package", Doc: "Name under which the jobs are stored. RegisterSchedules cancels the jobs of this owner that are no longer declared.", Example: "owner=shop"},
			{Name: "aliases", Kind: kindOwners, Default: "none", Doc: "Former owners: RegisterSchedules takes over their jobs, or cancels those that are no longer declared.", Example: "aliases=example.com/shop/tasks"},
		},
	},
	{
		Name: "compat", On: []place{onPackage},
		Doc:     "Says what a change of a payload must leave readable. Without it the level is full.",
		Example: "//taskgen:compat level=backward",
		Keys: []Key{
			{Name: "level", Kind: kindChoice, Choices: []string{"full", "backward"}, Required: true, Doc: "With full, the code reads the tasks of older builds, and older builds read the tasks of this one: workers of both may run at the same time. With backward, older builds need not: no worker of one runs any more when the first task of this build is enqueued.", Example: "level=backward"},
		},
	},
	{
		Name: "queue", On: []place{onPackage}, Many: true,
		Doc:     "Declares a queue. Anything left out uses the runtime's default.",
		Example: "//taskgen:queue name=embeddings visibility=5m max_deliveries=10 dlq=embeddings-dlq retention=14d",
		Keys: []Key{
			{Name: "name", Kind: kindQueueName, Required: true, Doc: "Name of the queue. Keys, subjects and URLs derive from it.", Example: "name=embeddings"},
			{Name: "type", Kind: kindChoice, Choices: []string{"standard", "fifo", "priority"}, Default: "standard", Doc: "How tasks are ordered: roughly first in, first out; strictly within a group; by level.", Example: "type=fifo"},
			{Name: "levels", Kind: kindInt, Min: 2, Max: 100, Default: "4 on a queue of type priority, else 1", Doc: "Levels of a queue of type priority.", Example: "levels=4"},
			{Name: "visibility", Kind: kindDuration, Default: "30s", Doc: "Lease of a worker on a task. Leases are extended while a handler runs, so visibility bounds how long a task waits after its worker has died.", Example: "visibility=5m"},
			{Name: "max_deliveries", Kind: kindInt, Min: 1, Max: 1000, Default: "10", Doc: "How many crashes a suspect may cause before it is dead lettered. Half as many deliveries that ended without an outcome, rounded up, make a task a suspect; from then on no other suspect runs beside it. With 10, a task dies after 15 crashes.", Example: "max_deliveries=5"},
			{Name: "dlq", Kind: kindQueueName, Default: "the name followed by -dlq", Doc: "Name of the dead letter queue.", Example: "dlq=embeddings-dlq"},
			{Name: "retention", Kind: kindDuration, Default: "no limit", Doc: "How long a task may wait after it became due. An older task is not run but dead lettered.", Example: "retention=14d"},
			{Name: "unknown", Kind: kindDuration, Zero: "at once", Default: "10m", Doc: "How long a task that a worker does not know is passed from worker to worker before it is dead lettered: there is no handler for its type, or none that reads its shape. It should cover the time of a deploy.", Example: "unknown=1h"},
		},
	},
	{
		Name: "defaults", On: []place{onPackage},
		Doc:     "Sets defaults for the tasks of the package.",
		Example: "//taskgen:defaults timeout=1m queue=background",
		Keys: []Key{
			{Name: "queue", Kind: kindQueueName, Default: "none", Doc: "Queue of tasks without one.", Example: "queue=background"},
			{Name: "timeout", Kind: kindDuration, Default: "none", Doc: "Timeout of tasks without one.", Example: "timeout=1m"},
			{Name: "priority", Kind: kindInt, Default: "0", Doc: "Priority of tasks without one.", Example: "priority=1"},
			{Name: "concurrency", Kind: kindInt, Min: 1, Default: "the pool's", Doc: "Concurrency of tasks without one.", Example: "concurrency=8"},
			{Name: "rate", Kind: kindRate, Default: "no limit", Doc: "Rate of tasks without one.", Example: "rate=100/s"},
			{Name: "retention", Kind: kindDuration, Default: "24h", Doc: "Retention of the results of tasks without one.", Example: "retention=1h"},
			{Name: "schedulable", Kind: kindWord, Doc: "Makes every task of the package schedulable.", Example: "schedulable"},
		},
	},
	{
		Name: "output", On: []place{onPackage}, Many: true,
		Doc:     "Asks for further files about the tasks and queues of the package. Paths are relative to its folder and within its module. A file that is no longer asked for is removed.",
		Example: "//taskgen:output jsonschema=schemas markdown=TASKS.md",
		Keys: []Key{
			{Name: "jsonschema", Kind: kindFolder, Default: "none", Doc: "The JSON Schema of each task's payload, <name of the task>.schema.json.", Example: "jsonschema=schemas"},
			{Name: "markdown", Kind: kindFile, Ending: ".md", Default: "none", Doc: "A page for people about tasks, queues and policies.", Example: "markdown=TASKS.md"},
			{Name: "asyncapi", Kind: kindFile, Ending: ".json", Default: "none", Doc: "An AsyncAPI 3.0 document: queues, messages and who sends and receives them.", Example: "asyncapi=asyncapi.json"},
			{Name: "html", Kind: kindFile, Ending: ".html", Default: "none", Doc: "The same page as one file of HTML.", Example: "html=tasks.html"},
			{Name: "terraform", Kind: kindFile, Ending: ".tf.json", Default: "none", Doc: "The queues in SQS and alarms on them, for Terraform.", Example: "terraform=infra/queues.tf.json"},
			{Name: "cloudformation", Kind: kindFile, Ending: ".json", Default: "none", Doc: "The same as a template of CloudFormation.", Example: "cloudformation=infra/queues.json"},
		},
	},
	{
		Name: "allow", On: []place{onField, onType, onPackage}, Many: true,
		Doc:     "Silences a warning of a rule, with a reason. The directive is above a field or a struct, or after it on the same line, or on the package clause. Errors cannot be allowed.",
		Example: "//taskgen:allow FIELD_LOST it is a cache",
		Keys: []Key{
			{Name: "rule", Kind: kindRule, Required: true, Positional: true, Doc: "ID of the rule.", Example: "FIELD_LOST"},
			{Name: "reason", Kind: kindReason, Required: true, Positional: true, Doc: "Why the warning does not matter here, to the end of the line.", Example: "it is a cache"},
		},
	},
}

// A tagWord describes one word of a struct tag task:"…".
type tagWord struct {
	Name string
	Doc  string
}

// tags are all words that a tag task:"…" may have.
var tags = []tagWord{
	{"required", "The field must not have its zero value. This is checked before the task is enqueued and before it is handled."},
	{"group", "The field is the ordering key on a queue of type fifo: tasks with the same value run one at a time, in order."},
	{"secret", "The field is hidden from people and logs. It may be in a nested type. A key ring encrypts the whole payload, tagged or not."},
}

// TagNames returns the words that a tag task:"…" may have.
func TagNames() []string {
	names := make([]string, len(tags))
	for i, t := range tags {
		names[i] = t.Name
	}
	return names
}

// find returns a directive by name, and false if there is none.
func find(name string) (*Spec, bool) {
	for i := range table {
		if table[i].Name == name {
			return &table[i], true
		}
	}
	return nil, false
}

// names returns the names of all directives.
func names() []string {
	all := make([]string, len(table))
	for i, s := range table {
		all[i] = s.Name
	}
	return all
}

// positional returns the keys whose values are written without a name.
func (s *Spec) positional() []*Key {
	var keys []*Key
	for i := range s.Keys {
		if s.Keys[i].Positional {
			keys = append(keys, &s.Keys[i])
		}
	}
	return keys
}

// Key returns a key of the directive by name, and false if there is none.
func (s *Spec) Key(name string) (*Key, bool) {
	for i := range s.Keys {
		if s.Keys[i].Name == name {
			return &s.Keys[i], true
		}
	}
	return nil, false
}

func (s *Spec) keyNames() []string {
	all := make([]string, len(s.Keys))
	for i, k := range s.Keys {
		all[i] = k.Name
	}
	return all
}
