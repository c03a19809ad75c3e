package rule

// rules are all rules, in the order of the reference.
var rules = []*Rule{
	DirectiveUnknown, DirectiveMalformed, DirectiveDetached, DirectivePlace, DirectiveExcluded,
	DirectiveRepeated, KeyUnknown, KeyRepeated, KeyMissing, ValueMalformed, ValueDuration,
	ValueNumber, ValueChoice, ValueRate, ValueName, ValueList, AllowRule, AllowUnused, PackageSyntax,
	PackageCycle, FileTaken, FileHeader, TaskNotStruct, TaskGeneric, TaskUnmarked, TaskNoQueue,
	QueueUndeclared, TaskNoTimeout, TaskNoRetry, TaskNameTaken, TaskAlias, TaskPriority, TaskResult,
	TaskRetention, TaskConstraint, SymbolClash, SymbolTaken, SymbolReserved, SymbolPredeclared,
	RetryConflict, UniqueField, ScheduleCron, ScheduleZone, ScheduleName, ScheduleZero,
	SchedulePayload, ScheduleOverlap, ScheduleOwner, QueueTwice, QueueDiffers, QueueDLQ, QueueLevels, OutputPath, OutputTaken, OutputQueue,
	ProviderLimit, TagUnknown, TagRepeated, TagUseless, TagPlace, RequiredType, GroupUnordered,
	GroupMissing, GroupTwice, GroupType, GroupSecret, FieldKind, FieldUnexported, FieldCollision,
	FieldMarshaler, FieldType, SecretWays, SecretShown, SecretEmbedded, FieldEmpty, FieldLost,
	FieldOneWay, FieldKey, FieldNull, FieldTag, FieldCopied, UniqueSecret, WireLock, WireName, WireQueue,
	WireRemoved, WireReused, WireRequired, WireType, WireRange, WirePrecision, WireQuoted, WireLength,
	WireKey, WireNull, WireCodec, WireCase,
}

// Directives and their keys.
var (
	DirectiveUnknown = rule("DIRECTIVE_UNKNOWN",
		"a //taskgen: comment names a directive that exists",
		"a misspelt directive would be ignored, and the policy that it declares with it",
		"run taskgen explain for the list of directives")
	DirectiveMalformed = rule("DIRECTIVE_MALFORMED",
		"a directive is written //taskgen:name, in lower case, without spaces around taskgen:",
		"Go treats any other form as prose: it appears in the documentation and has no effect",
		"write it as //taskgen:name key=value")
	DirectiveDetached = rule("DIRECTIVE_DETACHED",
		"a directive is in the comment directly above its declaration",
		"a directive that belongs to no declaration would be ignored",
		"move it into the comment directly above the struct, without a blank line between")
	DirectivePlace = rule("DIRECTIVE_PLACE",
		"a directive is on a declaration that it applies to: a struct, or the package clause",
		"elsewhere it would be ignored",
		"move it")
	DirectiveExcluded = depends(rule("DIRECTIVE_EXCLUDED",
		"directives are in files that are built somewhere; if that needs another system or other build tags, and code cannot be generated here, it is a warning",
		"test files, and files that are never built, are not part of the package for which code is generated",
		"move the declaration into a file of the package"))
	DirectiveRepeated = rule("DIRECTIVE_REPEATED",
		"a directive is given once, except queue, schedule, output and allow",
		"it is not defined which of the two would be ignored",
		"keep one of them")
	KeyUnknown = rule("KEY_UNKNOWN",
		"a directive has only keys that exist for it",
		"a misspelt key would be ignored, and the default used silently",
		"run taskgen explain with the name of the directive")
	KeyRepeated = rule("KEY_REPEATED",
		"a key is given once",
		"one of the two values would be ignored",
		"keep one of them")
	KeyMissing = rule("KEY_MISSING",
		"a directive has its required keys",
		"there is no default that fits every program",
		"add the key")
	ValueMalformed = rule("VALUE_MALFORMED",
		`options are written key=value, and a value with spaces key="a b"`,
		"an option in another form would have to be guessed",
		`write key=value, with the value in double quotes if it contains spaces`)
	ValueDuration = rule("VALUE_DURATION",
		"a duration is written like 250ms, 30s, 1h30m or 14d, and is above zero",
		"a duration without a unit, of zero or below is usually an expensive mistake",
		"write a number with a unit: ms, s, m, h or d")
	ValueNumber = rule("VALUE_NUMBER",
		"the value of a number key is a number within the bounds of the key",
		"a number out of bounds would fail when the program starts, or run for ever",
		"write a number within the bounds")
	ValueChoice = rule("VALUE_CHOICE",
		"a key with a fixed set of values has one of them",
		"any other value would be treated as the default",
		"write one of the values")
	ValueRate = rule("VALUE_RATE",
		"a rate is written like 100/s, 5/m or 1000/24h",
		"a rate needs a number and a unit of time",
		"write a number, a slash and a unit of time")
	ValueName = rule("VALUE_NAME",
		"names of tasks and queues have 1 to 80 characters from a-z A-Z 0-9 _ and -; names of tasks may also contain dots",
		"a name becomes part of keys, subjects and URLs on every broker; all brokers accept these characters, and SQS allows 80 of them",
		"use letters, digits, _ and -")
	ValueList = rule("VALUE_LIST",
		"a list is written a,b,c without repeats",
		"an empty or repeated entry is usually a mistake",
		"write each entry once, separated by commas")
	AllowRule = rule("ALLOW_RULE",
		"//taskgen:allow names a rule that warns",
		"an error means code that does not work, whatever the reason given; a misspelt rule would silence nothing",
		"run taskgen explain rules for the list of rules")
	AllowUnused = warning("ALLOW_UNUSED",
		"//taskgen:allow silences a warning",
		"its warning is gone, and the directive would silence the next one, whose reason nobody has given",
		"remove the directive")
)

// Tasks and the code that is generated for them.
var (
	PackageSyntax = rule("PACKAGE_SYNTAX",
		"the files of a package with tasks have no syntax errors",
		"a directive after a syntax error may be lost",
		"correct the syntax error")
	PackageCycle = rule("PACKAGE_CYCLE",
		"a package with tasks imports no package that imports it",
		"Go does not compile it, and says so only when the whole module is built",
		"move what both packages need into a third one, which imports neither")
	FileTaken = rule("FILE_TAKEN",
		"only taskgen writes the file <package>_taskgen.go",
		"taskgen writes the code for the package there, and would overwrite the file",
		"rename the file, or begin it with the header of a generated file if taskgen may replace it")
	FileHeader = warning("FILE_HEADER",
		"no other file has the header of a generated file",
		"tools assume that they may overwrite it; taskgen leaves it alone, like every file other than <package>_taskgen.go",
		"remove the header if the file is maintained by hand, or the file if it is left over")
	TaskNotStruct = rule("TASK_NOT_STRUCT",
		"a task is a struct type with its fields written out: type FooTask struct { … }",
		"the fields are the contract with the readers of the queue; an alias or another type hides them",
		"declare a struct")
	TaskGeneric = rule("TASK_GENERIC",
		"a task has no type parameters",
		"a message on a queue has one type; the code that reads it cannot know the type arguments",
		"declare one struct for each instance, with a field of the generic type")
	TaskUnmarked = rule("TASK_UNMARKED",
		"retry, unique and schedule are on a struct that is a task",
		"without //taskgen:task nothing is generated for the struct",
		"add //taskgen:task")
	TaskNoQueue = rule("TASK_NO_QUEUE",
		"a task names its queue",
		"a task on an accidental queue is not found again",
		"add queue=… to //taskgen:task, or to //taskgen:defaults on the package clause")
	QueueUndeclared = rule("QUEUE_UNDECLARED",
		"the queue of a task is declared on the package clause",
		"a misspelt queue would be created and filled, and never read",
		"declare it: //taskgen:queue name=…")
	TaskNoTimeout = rule("TASK_NO_TIMEOUT",
		"a task has a timeout for one run",
		"a handler that hangs without a timeout holds its worker for ever",
		"add timeout=… to //taskgen:task, or to //taskgen:defaults on the package clause")
	TaskNoRetry = rule("TASK_NO_RETRY",
		"a task says how often it is retried, even if that is never",
		"a handler that is not safe to run twice must not be retried by default, and one that is must not be lost by default",
		"add //taskgen:retry max=… or //taskgen:retry none to the struct, or to the package clause")
	TaskNameTaken = depends(rule("TASK_NAME_TAKEN",
		"names and aliases of tasks are distinct in all packages of the run; if no program of the run has both packages, it is a warning",
		"a message would have two handlers",
		"give one of them another name="))
	TaskAlias = rule("TASK_ALIAS",
		"an alias is a former name, not the current name of the task",
		"it would have no effect",
		"remove the alias")
	TaskPriority = rule("TASK_PRIORITY",
		"a task with a priority is on a queue of type priority that has the level",
		"other queues have no priorities, and a task with a missing level is refused at enqueue",
		"declare the queue with type=priority and enough levels, or remove priority=")
	TaskResult = rule("TASK_RESULT",
		"result= names a type that the file can refer to and JSON can encode and decode",
		"the generated handler returns it",
		"name a type of the package, or one of another package with its full import path (result=example.com/x/model.Embedding); an alias in the package also works: type Embedding = model.Embedding")
	TaskRetention = rule("TASK_RETENTION",
		"a task with retention= has a result",
		"retention= is how long the result is kept; without a result it would be ignored",
		"add result=, or remove retention=; how long a task may wait is the retention= of its queue")
	TaskConstraint = rule("TASK_CONSTRAINT",
		"the tasks of a package, and the directives that they inherit from, are in files that are built under the same conditions, by their build constraints and names",
		"there is one generated file, which would not compile where only some of the tasks are built",
		"put the tasks into one file, or the tasks of each build constraint into their own package")
	SymbolClash = rule("SYMBOL_CLASH",
		"the names generated for two tasks differ",
		"the generated file would not compile",
		"rename one of the structs")
	SymbolTaken = rule("SYMBOL_TAKEN",
		"handwritten code declares none of the generated names",
		"the generated file would not compile",
		"rename your declaration, or the struct")
	SymbolReserved = rule("SYMBOL_RESERVED",
		"no generated name of a task is one of those generated for the whole package: Handlers, RegisterHandlers, RegisterSchedules, Queues, and handlers and registerHandlers for structs that are not exported",
		"the generated file would not compile",
		"rename the struct")
	SymbolPredeclared = rule("SYMBOL_PREDECLARED",
		"the package does not redeclare nil and len",
		"the generated file uses both",
		"rename your declaration")
)

// Policies.
var (
	RetryConflict = rule("RETRY_CONFLICT",
		"the options of a retry policy are compatible",
		"an option that has no effect hides what was meant",
		"remove one of them")
	UniqueField = rule("UNIQUE_FIELD",
		"unique by= names fields of the struct that are part of the message",
		"the key would not distinguish tasks",
		"name fields as they are declared in Go")
	ScheduleCron = rule("SCHEDULE_CRON",
		"cron= is a cron expression of five fields, or a descriptor such as @daily, that fires at some time",
		"a schedule that never fires is noticed too late",
		`write it as "minute hour day month weekday"`)
	ScheduleZone = rule("SCHEDULE_ZONE",
		"tz= is a time zone of the IANA database",
		"the schedule would fail to start on a machine without the zone",
		"write a name like Europe/Berlin or UTC")
	ScheduleName = rule("SCHEDULE_NAME",
		"the schedules of one task have distinct names and aliases; one may have no name",
		"the name distinguishes their jobs, in the store and in the constants with their IDs",
		"give one of them another name=")
	ScheduleZero = rule("SCHEDULE_ZERO",
		"a schedule without payload= is on a task that makes sense without one: no field is required or orders a group",
		"the schedule enqueues the zero value of the struct, which would be refused each time",
		"add payload=, or write schedulable on //taskgen:task and schedule the task from code")
	SchedulePayload = rule("SCHEDULE_PAYLOAD",
		"payload= is a value of the task's struct in JSON, with all required fields and without secrets",
		"the schedule enqueues it, and an invalid value would be noticed only at the first firing; secrets do not belong in source code",
		"write the struct as encoding/json does, with the names and the types of its fields")
	ScheduleOverlap = rule("SCHEDULE_OVERLAP",
		"overlap=skip is not combined with unique",
		"overlap=skip uses its own unique key, and a task has only one",
		"remove one of the two")
	ScheduleOwner = rule("SCHEDULE_OWNER",
		"no two packages declare scheduled jobs under one owner",
		"each would cancel the jobs of the other when it registers its schedules",
		"give one of them another owner=")
	QueueTwice = rule("QUEUE_TWICE",
		"a package declares a queue once",
		"the two declarations may differ",
		"keep one of them")
	QueueDiffers = depends(rule("QUEUE_DIFFERS",
		"packages that declare the same queue declare it alike; if no program of the run has both packages, it is a warning",
		"the packages are opened together, and one of the two declarations would have no effect",
		"make the two alike, or give one of the queues another name"))
	QueueDLQ = depends(rule("QUEUE_DLQ",
		"a dead letter queue is a separate queue, to which no task is enqueued",
		"dead tasks would run again",
		"name another queue with dlq="))
	QueueLevels = rule("QUEUE_LEVELS",
		"levels are for queues of type priority",
		"other queues have one level",
		"add type=priority, or remove levels=")
	// A timeout longer than the queue's visibility is no violation: pools extend leases
	// while a handler runs. The limits of a single provider are in its Capabilities, and
	// the runtime refuses what exceeds them at start.
	OutputPath = rule("OUTPUT_PATH",
		"an output is a file within the module whose name has the ending of its format, or a folder there",
		"a run writes to no place that belongs to another module, and readers know the format by the name",
		"write a path relative to the folder of the package, such as markdown=TASKS.md")
	OutputTaken = rule("OUTPUT_TAKEN",
		"no two outputs have the same path",
		"one of them would overwrite the other",
		"give one of them another path")
	OutputQueue = rule("OUTPUT_QUEUE",
		"the queues of a package are possible on the broker that an output is for",
		"the runtime does not open such a queue there, and the broker's tools refuse some of them",
		"change the queue, or remove the output")
	ProviderLimit = rule("PROVIDER_LIMIT",
		"no option exceeds the limits of every provider",
		"the program would fail at its start with every provider",
		"choose a smaller value")
)

// Fields and their tags.
var (
	TagUnknown = rule("TAG_UNKNOWN",
		`a tag task:"…" contains required, group or secret, separated by commas`,
		"a misspelt tag would be ignored, and a secret shown",
		"known are required, group, secret")
	TagRepeated = rule("TAG_REPEATED",
		"a tag names each option once",
		"the repetition has no effect",
		"remove the repetition")
	TagUseless = rule("TAG_USELESS",
		"tags are on fields that are part of the message",
		`a field that is unexported or tagged json:"-" is not in the message, whatever its tag says`,
		"export the field and give it a JSON name, or remove the tag")
	TagPlace = rule("TAG_PLACE",
		"required and group are on fields of the task's own struct; secret may be anywhere except on an embedded struct without a name",
		"elsewhere they would have no effect",
		"give the field a name, or move it into the task")
	RequiredType = rule("REQUIRED_TYPE",
		"required is on a field whose zero value can be distinguished from a set value",
		"false is a value of a bool, and a struct or array that cannot be compared has no test for zero",
		"make the field a pointer, or remove the tag")
	GroupUnordered = rule("GROUP_UNORDERED",
		"a field tagged group is in a task on a queue of type fifo",
		"other queues keep no order, and refuse the task at enqueue",
		"declare the queue with type=fifo, or remove the tag")
	GroupMissing = rule("GROUP_MISSING",
		"a task on a queue of type fifo has a field tagged group",
		"order is kept within a group; without one the queue refuses the task at enqueue",
		`tag the field that orders the tasks with task:"group"`)
	GroupTwice = rule("GROUP_TWICE",
		"one field is tagged group",
		"a task is in one group",
		"keep one of the tags, or merge the two fields")
	GroupType = rule("GROUP_TYPE",
		"the field tagged group is a string or an integer",
		"the group key is its text, which must be the same wherever it is written",
		"tag a field with such a type")
	GroupSecret = rule("GROUP_SECRET",
		"the field tagged group is not tagged secret",
		"the group key is the field's text, which brokers and logs show, and no key ring encrypts it",
		"group by a field that is not secret, such as an ID that the secret belongs to")
	FieldKind = rule("FIELD_KIND",
		"a field of the message has a type that JSON can encode and decode",
		"a channel, a function, a complex number, an unsafe pointer, an interface with methods or a map with such keys cannot be encoded or decoded",
		`exclude it from the message with the tag json:"-", or use a type that JSON can encode and decode`)
	FieldUnexported = rule("FIELD_UNEXPORTED",
		"a field with a json or task tag is exported",
		"encoding/json ignores unexported fields, tagged or not",
		"export the field, or remove the tag")
	FieldCollision = rule("FIELD_COLLISION",
		"no two fields at the same depth have the same JSON name",
		"encoding/json silently drops both",
		"give one of them another JSON name")
	FieldMarshaler = rule("FIELD_MARSHALER",
		"no embedded type brings a MarshalJSON, UnmarshalJSON, MarshalText or UnmarshalText to a struct with other fields",
		"Go promotes the method, and encoding/json then encodes the embedded value instead of the whole struct: all other fields are lost",
		"give the embedded field a name")
	FieldType = rule("FIELD_TYPE",
		"the type of a field in the message can be resolved",
		"otherwise its encoding is not known",
		"correct the type error")
	SecretWays = rule("SECRET_WAYS",
		"the paths to the secrets in a field can be listed",
		"generated code lists the path of every secret, and types that contain each other in many ways have too many",
		`tag the field of the task itself with task:"secret"`)
	SecretShown = warning("SECRET_SHOWN",
		"no field of a type with secrets is called LogValue, Format or MarshalJSON, and no method unless it is the one of that name that packages fmt, log/slog or encoding/json call",
		"the method of that name is not generated, and slog's JSON handler, or package fmt with a verb such as %d, shows the secrets",
		"rename the field, and keep its name on the wire with a json tag")
	SecretEmbedded = warning("SECRET_EMBEDDED",
		"a struct that embeds a type with secrets is declared at package level, in a file that is built whenever its tasks are",
		"only there can taskgen add methods to it; without its own methods it has those of the embedded type, and encoding/json writes none of its other fields",
		"declare the struct at package level, give the embedded field a name, or embed generated.NoMarshalJSON beside it")
	FieldEmpty = rule("FIELD_EMPTY",
		"a struct in a payload has exported fields, or encodes itself",
		"encoding/json writes {} for it, whatever its value",
		`exclude it from the message with the tag json:"-", or use a type that JSON can encode and decode`)
	FieldLost = warning("FIELD_LOST",
		"a field of a payload's struct is part of the message, or a tag excludes it",
		"encoding/json ignores fields that are not exported, and fields whose JSON name belongs to a shallower field: the handler gets their zero values",
		`export the field, or exclude it with the tag json:"-"`)
	FieldOneWay = warning("FIELD_ONE_WAY",
		"a struct of another module that writes its JSON with a method also reads it with one",
		"encoding/json reads it field by field: data that the method writes in another form is lost, or prevents decoding",
		"make sure that its values arrive, or put the data that you need into your own type")
	FieldKey = warning("FIELD_KEY",
		"the keys of a map in a payload are written and read by methods of the same form",
		"if keys have methods for JSON and for text, encoding/json writes them with MarshalText and reads them with UnmarshalJSON, which must then accept the quoted text, whatever MarshalJSON writes",
		"make sure that keys arrive, with tasktest.RoundTrip, or remove the methods of one form")
	FieldNull = warning("FIELD_NULL",
		"a pointer in a payload points to a value that is not null in JSON",
		"null means both a nil pointer and a pointer to nil: a pointer to nil arrives as nil",
		"drop the pointer: slices, maps and interfaces can be nil themselves")
	FieldTag = warning("FIELD_TAG",
		"the json tag of a field has the effect that it states",
		"encoding/json ignores unknown options and names: the field is encoded under another name, or in another form, than its tag says",
		`write it as json:"name,omitempty": the options are omitempty, omitzero and, for strings, numbers and booleans, string`)
	FieldCopied = rule("FIELD_COPIED",
		"a task can be copied: it contains no lock, and nothing else that go vet forbids to copy",
		"tasks are passed by value; the copy of a locked mutex stays locked for ever",
		"make the field a pointer, or keep it out of the task")
	UniqueSecret = rule("UNIQUE_SECRET",
		"no field that makes a task unique is or contains a secret",
		"the unique key is a hash of the fields, which brokers and dead letters show and no key ring encrypts: a secret can be found by trying values",
		"make the task unique by a field that is not secret, such as an ID that the secret belongs to")
)
