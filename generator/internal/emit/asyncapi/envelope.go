package asyncapi

// envelopeSchema is the envelope of every task, as docs/envelope.md defines it.
func envelopeSchema() object {
	text := func(description string) object { return object{"type": "string", "description": description} }
	name := func(description string) object {
		return object{"type": "string", "minLength": 1, "description": description}
	}
	count := func(description string) object {
		return object{"type": "integer", "minimum": 0, "description": description}
	}
	at := func(description string) object {
		return object{"type": "string", "format": "date-time", "description": description}
	}
	return object{
		"type": "object", "required": []any{"v", "id", "type", "queue", "payload"},
		"description": "The envelope of a task, version 1. Readers skip members that they do not know.",
		"properties": object{
			"v":              object{"const": 1, "description": "Version of the envelope."},
			"id":             name("Identifies the task. A UUIDv7 is best."),
			"type":           name("Wire name of the task's type."),
			"queue":          name("Name of the queue that the task is on."),
			"payload":        object{"description": "The payload."},
			"priority":       count("Level on a priority queue; a higher one goes first."),
			"group_key":      text("Tasks of one group run one at a time and in order, on a fifo queue."),
			"unique_key":     text("Only one task with this key is on the queue."),
			"unique_for_ms":  count("How long the key stays taken after the enqueue. Left out: until the task is done or dead."),
			"metadata":       object{"type": "object", "additionalProperties": object{"type": "string"}, "description": "Text that travels with the task."},
			"created_at":     at("When the task was enqueued first."),
			"scheduled_for":  at("When the task becomes due. Left out: at once."),
			"max_retries":    count("How often the task is tried again after its first failure."),
			"retry_count":    count("How often it was retried so far."),
			"timeout_ms":     count("How long one run may take. Left out: no limit."),
			"schema_version": count("Version of the payload's schema. Left out: not versioned."),
			"shape":          object{"type": "string", "pattern": "^[0-9a-f]{12}$", "description": "Names the JSON form of the payload's Go type. Only taskgen sets it."},
		},
	}
}
