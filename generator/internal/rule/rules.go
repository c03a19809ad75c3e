package rule

// rules are all of them, in the order of the reference.
var rules = []*Rule{
	DirectiveUnknown, DirectiveMalformed, DirectiveDetached, DirectivePlace, DirectiveExcluded,
	DirectiveRepeated, KeyUnknown, KeyRepeated, KeyMissing, ValueMalformed, ValueDuration,
	ValueNumber, ValueChoice, ValueRate, ValueName, ValueList, AllowRule, AllowUnused, PackageSyntax,
	PackageCycle, FileTaken, FileHeader, TaskNotStruct, TaskGeneric, TaskUnmarked, TaskNoQueue,
	QueueUndeclared, TaskNoTimeout, TaskNoRetry, TaskNameTaken, TaskAlias, TaskPriority, TaskResult,
	TaskRetention, TaskConstraint, SymbolClash, SymbolTaken, SymbolReserved, SymbolPredeclared,
	RetryConflict, UniqueField, ScheduleCron, ScheduleZone, ScheduleName, ScheduleZero,
	SchedulePayload, ScheduleOverlap, ScheduleOwner, QueueTwice, QueueDiffers, QueueDLQ, QueueLevels,
	ProviderLimit, TagUnknown, TagRepeated, TagUseless, TagPlace, RequiredType, GroupUnordered,
	GroupMissing, GroupTwice, GroupType, GroupSecret, FieldKind, FieldUnexported, FieldCollision,
	FieldMarshaler, FieldType, SecretWays, SecretShown, SecretEmbedded, FieldEmpty, FieldLost,
	FieldOneWay, FieldKey, FieldNull, FieldTag, FieldCopied, UniqueSecret,
}

// Directives and their keys.
var (
	DirectiveUnknown = rule("DIRECTIVE_UNKNOWN",
		"a //taskgen: comment names a directive that exists",
		"a misspelt directive would be ignored, and with it the policy that it declares",
		"run taskgen explain for the list of directives")
	DirectiveMalformed = rule("DIRECTIVE_MALFORMED",
		"a directive is written //taskgen:name, in lower case, without a space before or after taskgen:",
		"Go takes any other form for prose: it shows in the documentation and does nothing",
		"write it as //taskgen:name key=value")
	DirectiveDetached = rule("DIRECTIVE_DETACHED",
		"a directive stands in the comment directly above the declaration that it is for",
		"a directive that belongs to no declaration would be ignored",
		"move it into the comment directly above the struct, without a blank line between")
	DirectivePlace = rule("DIRECTIVE_PLACE",
		"a directive stands where it has a meaning: on a struct, or on the package clause",
		"elsewhere it would be ignored",
		"move it")
	DirectiveExcluded = depends(rule("DIRECTIVE_EXCLUDED",
		"directives stand in files that are built somewhere; where that is another system, or wants other tags, and code cannot be generated from here, it is a warning",
		"a test file, or one that is never built, is no part of the package that code is generated for",
		"move the declaration into a file of the package"))
	DirectiveRepeated = rule("DIRECTIVE_REPEATED",
		"a directive is given once, but for queue, schedule and allow",
		"one of the two would be ignored, and nobody knows which",
		"keep one of them")
	KeyUnknown = rule("KEY_UNKNOWN",
		"a directive has only keys that it knows",
		"a misspelt key would be ignored, and the default taken in silence",
		"run taskgen explain with the name of the directive")
	KeyRepeated = rule("KEY_REPEATED",
		"a key is given once",
		"one of the two values would be ignored",
		"keep one of them")
	KeyMissing = rule("KEY_MISSING",
		"a directive has the keys that it cannot do without",
		"there is no default that would be right for everybody",
		"add the key")
	ValueMalformed = rule("VALUE_MALFORMED",
		`options are written key=value, and a value with spaces key="a b"`,
		"what cannot be read would have to be guessed",
		`write key=value, with the value in double quotes when it holds spaces`)
	ValueDuration = rule("VALUE_DURATION",
		"a duration is written like 250ms, 30s, 1h30m or 14d, and is above zero",
		"a duration without a unit, of zero or below is mostly a mistake, and an expensive one",
		"write a number with a unit: ms, s, m, h or d")
	ValueNumber = rule("VALUE_NUMBER",
		"a number is a number, and within the bounds of its key",
		"a number that is out of bounds would fail when the program starts, or never end",
		"write a number within the bounds")
	ValueChoice = rule("VALUE_CHOICE",
		"a key with a fixed set of values has one of them",
		"any other value would be taken for the default",
		"write one of the values")
	ValueRate = rule("VALUE_RATE",
		"a rate is written like 100/s, 5/m or 1000/24h",
		"a rate needs a number and a time",
		"write a number, a slash and a time")
	ValueName = rule("VALUE_NAME",
		"names of tasks and queues have 1 to 80 characters out of a-z A-Z 0-9 _ and -; those of tasks may have dots as well",
		"a name becomes part of keys, subjects and URLs on every broker, and these are the characters that all of them take; SQS allows 80 of them",
		"use letters, digits, _ and -")
	ValueList = rule("VALUE_LIST",
		"a list is written a,b,c without repeats",
		"an empty or repeated entry is mostly a slip",
		"write each entry once, separated by commas")
	AllowRule = rule("ALLOW_RULE",
		"//taskgen:allow names a rule that warns",
		"an error stands for code that does not work, whatever the reason for it; a misspelt rule would silence nothing",
		"run taskgen explain rules for the list of rules")
	AllowUnused = warning("ALLOW_UNUSED",
		"//taskgen:allow silences a warning",
		"the warning that it was for is gone, and the directive would silence the next one, for which nobody has given the reason",
		"remove the directive")
)

// Tasks and the code that is generated for them.
var (
	PackageSyntax = rule("PACKAGE_SYNTAX",
		"files of a package with tasks parse",
		"a directive behind a syntax error may be lost",
		"mend the syntax error")
	PackageCycle = rule("PACKAGE_CYCLE",
		"a package with tasks imports no package that imports it",
		"Go does not compile it, and says so only when the whole module is built",
		"move what both packages need into a third one, which imports neither")
	FileTaken = rule("FILE_TAKEN",
		"nobody else writes the file <package>_taskgen.go",
		"it is where the code for the package goes, and would be lost",
		"rename the file, or begin it with the header of a generated file if taskgen may replace it")
	FileHeader = warning("FILE_HEADER",
		"no other file bears the header of a generated file",
		"tools take it for one that may be written anew; taskgen leaves it alone, as it does every file that is not <package>_taskgen.go",
		"remove the header if the file is kept by hand, or the file if it is left over")
	TaskNotStruct = rule("TASK_NOT_STRUCT",
		"a task is a struct type with its fields written out: type FooTask struct { … }",
		"the fields are the contract with whoever reads the queue; an alias or another type hides them",
		"declare a struct")
	TaskGeneric = rule("TASK_GENERIC",
		"a task has no type parameters",
		"a message on a queue has one type; the code that reads it cannot know the type arguments",
		"declare one struct for each instance, with a field of the generic type")
	TaskUnmarked = rule("TASK_UNMARKED",
		"retry, unique and schedule stand on a struct that is a task",
		"without //taskgen:task nothing is generated for the struct",
		"add //taskgen:task")
	TaskNoQueue = rule("TASK_NO_QUEUE",
		"a task says which queue it goes to",
		"a task that goes to a queue by accident is not found again",
		"add queue=… to //taskgen:task, or to //taskgen:defaults on the package clause")
	QueueUndeclared = rule("QUEUE_UNDECLARED",
		"the queue of a task is declared on the package clause",
		"a misspelt queue would be created and filled, and never read",
		"declare it: //taskgen:queue name=…")
	TaskNoTimeout = rule("TASK_NO_TIMEOUT",
		"a task says how long one run may take",
		"a handler that hangs without a timeout holds its worker for ever",
		"add timeout=… to //taskgen:task, or to //taskgen:defaults on the package clause")
	TaskNoRetry = rule("TASK_NO_RETRY",
		"a task says how often it is retried, even if never",
		"a handler that is not safe to run twice must not be retried by default, and one that is must not be lost by default",
		"add //taskgen:retry max=… or //taskgen:retry none to the struct, or to the package clause")
	TaskNameTaken = depends(rule("TASK_NAME_TAKEN",
		"names and aliases of tasks differ from one another, in all packages of the run; where no program of the run has both packages, it is a warning",
		"a message would find two handlers",
		"give one of them another name="))
	TaskAlias = rule("TASK_ALIAS",
		"an alias is a name of old, not the name that the task has",
		"it would say nothing",
		"remove the alias")
	TaskPriority = rule("TASK_PRIORITY",
		"a task with a priority goes to a queue of type priority that has the level",
		"other queues ignore priorities, and a level that is not there is refused at enqueue",
		"declare the queue with type=priority and enough levels, or remove priority=")
	TaskResult = rule("TASK_RESULT",
		"result= names a type that the file can name and JSON can carry",
		"the generated handler returns it",
		"name a type of the package, or of another with its whole import path (result=example.com/x/model.Embedding); an alias in the package does as well: type Embedding = model.Embedding")
	TaskRetention = rule("TASK_RETENTION",
		"a task with retention= has a result",
		"it is the result that is kept for this time; without one the option would be ignored",
		"add result=, or remove retention=; how long a task may wait is the retention= of its queue")
	TaskConstraint = rule("TASK_CONSTRAINT",
		"the tasks of a package, and what they inherit, are in files that are built in the same places, by their build constraints and by their names",
		"there is one generated file, and it would not compile where only some of the tasks are built",
		"put the tasks into one file, or those of each build constraint into a package of their own")
	SymbolClash = rule("SYMBOL_CLASH",
		"the names that are generated for two tasks differ",
		"the generated file would not compile",
		"rename one of the structs")
	SymbolTaken = rule("SYMBOL_TAKEN",
		"handwritten code declares none of the names that are generated",
		"the generated file would not compile",
		"rename your declaration, or the struct")
	SymbolReserved = rule("SYMBOL_RESERVED",
		"no task's generated names are those generated for the whole package: Handlers, RegisterHandlers, RegisterSchedules, Queues, and handlers and registerHandlers for structs that are not exported",
		"the generated file would not compile",
		"rename the struct")
	SymbolPredeclared = rule("SYMBOL_PREDECLARED",
		"the package gives nil and len no other meaning",
		"the generated file uses both, and has no other way to say them",
		"rename your declaration")
)

// Policies.
var (
	RetryConflict = rule("RETRY_CONFLICT",
		"the options of a retry policy go together",
		"an option that has no effect hides what was meant",
		"remove one of them")
	UniqueField = rule("UNIQUE_FIELD",
		"unique by= names fields of the struct that travel",
		"the key would not tell tasks apart",
		"name fields as they are declared in Go")
	ScheduleCron = rule("SCHEDULE_CRON",
		"cron= is a cron expression of five fields, or @daily and the like, that fires some day",
		"a schedule that never fires is found out when it is too late",
		`write it as "minute hour day month weekday"`)
	ScheduleZone = rule("SCHEDULE_ZONE",
		"tz= is a time zone of the IANA database",
		"the schedule would fail to start on a machine that does not know the zone",
		"write a name like Europe/Berlin or UTC")
	ScheduleName = rule("SCHEDULE_NAME",
		"schedules of one task have names and aliases that differ; one may have no name",
		"the name is what tells their jobs apart, in the store and in the constants with their IDs",
		"give one of them another name=")
	ScheduleZero = rule("SCHEDULE_ZERO",
		"a schedule without payload= is on a task that makes sense without one: no field is required or orders a group",
		"the schedule enqueues the zero value of the struct, which would be refused each time",
		"add payload=, or write schedulable on //taskgen:task and schedule the task from code")
	SchedulePayload = rule("SCHEDULE_PAYLOAD",
		"payload= is a value of the task's struct in JSON, with all that is required and without secrets",
		"the schedule enqueues it, and what no handler could take would be found out at the first firing; source code is no place for secrets",
		"write the struct as encoding/json does, with the names and the types of its fields")
	ScheduleOverlap = rule("SCHEDULE_OVERLAP",
		"overlap=skip goes without unique",
		"it works by a unique key of its own, and a task has one",
		"remove one of the two")
	ScheduleOwner = rule("SCHEDULE_OWNER",
		"no two packages declare scheduled jobs under one owner",
		"each would cancel the jobs of the other when it registers its schedules",
		"give one of them another owner=")
	QueueTwice = rule("QUEUE_TWICE",
		"a queue is declared once in a package",
		"the two declarations may differ",
		"keep one of them")
	QueueDiffers = depends(rule("QUEUE_DIFFERS",
		"packages that declare one queue declare the same; where no program of the run has both packages, it is a warning",
		"they are opened together, and one of the two declarations would not hold",
		"make the two alike, or give one of the queues another name"))
	QueueDLQ = depends(rule("QUEUE_DLQ",
		"a dead letter queue is a queue of its own, that no task is sent to",
		"dead tasks would be run again as if nothing had happened",
		"name another queue with dlq="))
	QueueLevels = rule("QUEUE_LEVELS",
		"levels are for queues of type priority",
		"other queues have one level",
		"add type=priority, or remove levels=")
	// A timeout longer than the queue's visibility is no breach: pools extend
	// leases while a handler runs. What a single provider cannot do its
	// Capabilities say, and the runtime refuses at start.
	ProviderLimit = rule("PROVIDER_LIMIT",
		"no option asks for more than any provider can do",
		"it would fail when the program starts, wherever it runs",
		"ask for less")
)

// Fields and their tags.
var (
	TagUnknown = rule("TAG_UNKNOWN",
		`a tag task:"…" holds required, group or secret, separated by commas`,
		"a misspelt tag would be ignored, and a secret shown",
		"known are required, group, secret")
	TagRepeated = rule("TAG_REPEATED",
		"a tag names each option once",
		"the repeat says nothing",
		"remove the repeat")
	TagUseless = rule("TAG_USELESS",
		"tags are on fields that travel",
		`a field that is unexported or tagged json:"-" is not in the message, whatever its tag says`,
		"export the field and give it a JSON name, or remove the tag")
	TagPlace = rule("TAG_PLACE",
		"required and group are on fields of the task's own struct; secret may be anywhere but on an embedded struct without a name",
		"elsewhere they would have no effect",
		"give the field a name, or move it into the task")
	RequiredType = rule("REQUIRED_TYPE",
		"required is on a field whose zero value can be told from a value",
		"false is a value of a bool, and a struct or array that cannot be compared has no test for zero",
		"make the field a pointer, or remove the tag")
	GroupUnordered = rule("GROUP_UNORDERED",
		"a field tagged group is in a task that goes to a queue of type fifo",
		"other queues keep no order, and refuse the task at enqueue",
		"declare the queue with type=fifo, or remove the tag")
	GroupMissing = rule("GROUP_MISSING",
		"a task that goes to a queue of type fifo has a field tagged group",
		"order is kept within a group; without one the queue refuses the task at enqueue",
		`tag the field that orders the tasks with task:"group"`)
	GroupTwice = rule("GROUP_TWICE",
		"one field is tagged group",
		"a task is in one group",
		"keep one of the tags, or make one field of the two")
	GroupType = rule("GROUP_TYPE",
		"the field tagged group is a string or an integer",
		"the group key is its text, which must be the same wherever it is written",
		"tag a field with such a type")
	GroupSecret = rule("GROUP_SECRET",
		"the field tagged group is not tagged secret",
		"the group key is the field's text, which brokers and logs show, and no key ring encrypts it",
		"group by a field that is no secret, like the id of what the secret is for")
	FieldKind = rule("FIELD_KIND",
		"a field that travels has a type that JSON can carry there and back",
		"a channel, a function, a complex number, an unsafe pointer, an interface with methods or a map with such keys cannot be encoded or cannot be decoded",
		`keep it out of the message with the tag json:"-", or use a type that travels`)
	FieldUnexported = rule("FIELD_UNEXPORTED",
		"a field with a json or task tag is exported",
		"encoding/json ignores unexported fields, tagged or not",
		"export the field, or remove the tag")
	FieldCollision = rule("FIELD_COLLISION",
		"no two fields at the same depth have the same JSON name",
		"encoding/json drops both in silence",
		"give one of them another JSON name")
	FieldMarshaler = rule("FIELD_MARSHALER",
		"no embedded type brings a MarshalJSON, UnmarshalJSON, MarshalText or UnmarshalText to a struct with other fields",
		"Go promotes the method, and encoding/json then encodes the embedded value in place of the whole struct: all other fields are lost",
		"give the embedded field a name")
	FieldType = rule("FIELD_TYPE",
		"the type of a field that travels can be resolved",
		"nothing can be said about how it is encoded",
		"mend the type error")
	SecretWays = rule("SECRET_WAYS",
		"the ways to the secrets in a field can be listed",
		"generated code lists every place of a secret, and types that hold each other in many ways have too many",
		`tag the field of the task itself with task:"secret"`)
	SecretShown = warning("SECRET_SHOWN",
		"no field of a type with secrets is called LogValue, Format or MarshalJSON, and no method unless it is the one of that name that packages fmt, log/slog or encoding/json call",
		"the method of that name is not generated, and slog's JSON handler, or package fmt with a verb such as %d, shows the secrets",
		"rename the field, and keep its name on the wire with a json tag")
	SecretEmbedded = warning("SECRET_EMBEDDED",
		"a struct that embeds a type with secrets is declared at package level, in a file that is built whenever its tasks are",
		"only there can it be given methods; without any it has those of what it embeds, and encoding/json writes no other field of it",
		"declare the struct at package level, give the embedded field a name, or embed runtime.NoMarshalJSON beside it")
	FieldEmpty = rule("FIELD_EMPTY",
		"a struct in a payload has exported fields, or encodes itself",
		"encoding/json writes {} for it, whatever its value",
		`keep it out of the message with the tag json:"-", or use a type that travels`)
	FieldLost = warning("FIELD_LOST",
		"a field of a payload's struct travels, or a tag says that it does not",
		"encoding/json passes over fields that are not exported, and over those whose JSON name a nearer field has: the handler finds their zero values",
		`export the field, or say that it stays behind with the tag json:"-"`)
	FieldOneWay = warning("FIELD_ONE_WAY",
		"a struct of another module that writes its JSON by a method reads it by one",
		"encoding/json reads it by its fields: what the method writes in another way is lost, or keeps the task from being decoded",
		"make sure that values of it arrive, or put what you need of it into a type of your own")
	FieldKey = warning("FIELD_KEY",
		"the keys of a map in a payload are written and read by methods of one form",
		"where keys have methods for JSON and for text, encoding/json writes them with MarshalText and reads them with UnmarshalJSON: that must understand the text in quotes, whatever MarshalJSON writes",
		"make sure that keys arrive, as tasktest.RoundTrip does, or take away the methods of one form")
	FieldNull = warning("FIELD_NULL",
		"a pointer in a payload points to a value that is not null in JSON",
		"null stands for the pointer and for what it points to: a pointer to nil arrives as nil",
		"drop the pointer: slices, maps and interfaces can be nil themselves")
	FieldTag = warning("FIELD_TAG",
		"the json tag of a field says what encoding/json does",
		"encoding/json passes over what it does not know: the field travels under another name, or in another way, than its tag says",
		`write it as json:"name,omitempty": the options are omitempty, omitzero and, for strings, numbers and booleans, string`)
	FieldCopied = rule("FIELD_COPIED",
		"a task can be copied: it holds no lock, and nothing else that go vet forbids to copy",
		"tasks are passed by value; the copy of a locked mutex stays locked for ever",
		"make the field a pointer, or keep what it is for out of the task")
	UniqueSecret = rule("UNIQUE_SECRET",
		"no field that makes a task unique is a secret or holds one",
		"the unique key is a hash of the fields, which brokers and dead letters show and no key ring encrypts: the secret is found by trying",
		"make the task unique by a field that is no secret, like the id of what the secret is for")
)
