package rule

// What lies in queues and what the code reads. Each rule about forms is a problem of package
// wire, after WIRE_.
var (
	WireLock = rule("WIRE_LOCK",
		"taskgen.lock is as taskgen wrote it, or is the lines of two such files together",
		"the forms of the tasks that lie in queues are known from nowhere else",
		"restore the file from version control, and run taskgen again")
	WireName = rule("WIRE_NAME",
		"a name that tasks in queues may have is that of a type, or an alias",
		"a worker takes the types that it knows; others are put back, and die when the patience of their queue is over",
		"keep the struct, or add its name to aliases= of the one that has taken its place")
	WireQueue = rule("WIRE_QUEUE",
		"a queue on which tasks of a type may lie is declared",
		"no worker of this build opens the queue, so its tasks wait for ever",
		"keep the declaration until the queue is empty")
	WireRemoved = rule("WIRE_REMOVED",
		"a member that tasks in queues have is read",
		"encoding/json skips a member that no field has, and the field that it was meant for stays zero",
		acceptRemoved)
	WireReused = rule("WIRE_REUSED",
		"a member does not get the name of another one that was removed",
		"tasks that have the old one may lie in queues, in dead letter queues for weeks",
		"give the field another name in its json tag; if no task has the old member any more, taskgen extinct removes the shapes that have it, and the note of the removal with them")
	WireRequired = rule("WIRE_REQUIRED",
		"a member is required only if all tasks in queues have it, and is written as long as a running build requires it",
		"a task without it is refused, and dies",
		"make the field optional now and required in a later deploy"+acceptElse)
	WireType = rule("WIRE_TYPE",
		"a member keeps its kind of value",
		"encoding/json refuses a value of another kind, and the task dies",
		"add a field of the new type under another name, and remove the old one in a later deploy"+acceptElse)
	WireRange = rule("WIRE_RANGE",
		"a number can hold all values that are written",
		"encoding/json refuses a number that is too large, negative or a fraction where the field holds none",
		"let workers read the wider type first, and write it in a later deploy, with //taskgen:compat level=backward; or keep the type"+acceptElse)
	WirePrecision = rule("WIRE_PRECISION",
		"a number keeps all of its digits",
		"a float64 has 53 bits: 9007199254740993 is read as 9007199254740992",
		"keep the type, or use json.Number"+acceptElse)
	WireQuoted = rule("WIRE_QUOTED",
		"the option string of a json tag stays as it is",
		"with it a number is written as \"1\", and without it as 1: encoding/json refuses the other one",
		"add a field with another name instead, and remove the old one in a later deploy"+acceptElse)
	WireLength = rule("WIRE_LENGTH",
		"an array is as long as the lists that are written",
		"encoding/json drops the elements behind its end",
		"use a slice"+acceptElse)
	WireKey = rule("WIRE_KEY",
		"the keys of a map stay of one type, or become strings",
		"encoding/json refuses a key that the type cannot hold",
		"keep the type of the keys, or use string"+acceptElse)
	WireNull = rule("WIRE_NULL",
		"null is read as what it meant",
		"a nil pointer is written as null, and read into a value it leaves the zero value: whether there was one, nobody can tell",
		"keep the pointer"+acceptElse)
	WireCodec = rule("WIRE_CODEC",
		"the type that writes a value is the one that reads it",
		"what a MarshalJSON or MarshalText writes is known to its own type only",
		"keep the type, or see that the new one reads what the old one writes"+acceptElse)
	WireCase = rule("WIRE_CASE",
		"members that differ only in the case of their letters stay apart",
		"encoding/json reads both into the one field that is left, the later over the earlier",
		"give the field the exact name in its json tag"+acceptElse)
)

const (
	acceptElse    = "; if it cannot happen or does not matter, taskgen accept -reason '…' records that in taskgen.lock"
	acceptRemoved = "keep the field; if it goes on purpose, taskgen accept -reason '…' records that in taskgen.lock"
)
