// Package asyncapi writes the AsyncAPI document (version 3.0, JSON) of a package: a channel
// for each queue, a message for each task, the operations that send and receive it. The
// model goes in, text comes out.
//
// A message is the envelope of a task, in which the payload is. AsyncAPI resolves references
// from the root of the document, so the definitions of payloads are schemas of it.
package asyncapi

import (
	"bytes"
	"encoding/json"
	"strings"

	"github.com/taskgen/taskgen/generator/internal/emit/schema"
	"github.com/taskgen/taskgen/generator/internal/model"
)

// object is a JSON object. It is written with sorted keys.
type object = map[string]any

// envelope names the schema that all messages have in common. No task has the name: names
// hold no spaces, and no schema of a payload has a name without a dot.
const envelope = "envelope"

// Text returns the document. The same package gives the same bytes.
func Text(p *model.Package) string {
	channels, operations, messages, schemas := object{}, object{}, object{}, object{envelope: envelopeSchema()}
	for _, q := range p.Queues {
		q = q.WithDefaults()
		channels[q.Name] = object{"address": q.Name, "title": "Queue " + q.Name, "messages": object{}, "x-taskgen-type": q.Type, "x-taskgen-dlq": q.DLQ}
	}
	for i := range p.Tasks {
		t := &p.Tasks[i]
		payload := "payload." + t.Type
		for name, s := range payloadSchemas(t, payload) {
			schemas[name] = s
		}
		messages[t.Type] = message(t, payload)
		channel := channels[t.Queue].(object)
		channel["messages"].(object)[t.Type] = ref("components", "messages", t.Type)
		for name, action := range map[string]string{"enqueue." + t.Type: "send", "handle." + t.Type: "receive"} {
			operations[name] = object{
				"action": action, "channel": ref("channels", t.Queue),
				"messages": []any{ref("channels", t.Queue, "messages", t.Type)},
			}
		}
	}
	return encode(object{
		"asyncapi": "3.0.0", "x-generated-by": model.Mark(p.Path), "defaultContentType": "application/json",
		"info": object{
			"title": "Tasks of " + p.Name, "version": "1.0.0",
			"description": "The tasks of the Go package " + p.Path + ". A channel is a queue; its name on a broker derives from that of the queue. A message is the envelope of a task.",
		},
		"channels": channels, "operations": operations,
		"components": object{"messages": messages, "schemas": schemas},
	})
}

// message is the envelope of a task.
func message(t *model.Task, payload string) object {
	properties := object{
		"type": object{"const": t.Type}, "queue": object{"const": t.Queue}, "payload": ref("components", "schemas", payload),
		"max_retries": object{"default": t.Retry.Max},
	}
	if ms := t.Timeout.Milliseconds(); ms > 0 {
		properties["timeout_ms"] = object{"default": ms}
	}
	if t.Priority > 0 {
		properties["priority"] = object{"default": t.Priority}
	}
	specific := object{"type": "object", "properties": properties}
	if t.Group() != nil {
		specific["required"] = []any{"group_key"}
	}
	m := object{
		"name": t.Type, "title": t.Struct, "contentType": "application/json",
		"payload": object{"allOf": []any{ref("components", "schemas", envelope), specific}},
	}
	if text := strings.Join(strings.Fields(t.Doc), " "); text != "" {
		m["description"] = text
	}
	if len(t.Aliases) > 0 {
		m["x-taskgen-aliases"] = t.Aliases
	}
	return m
}

// payloadSchemas are the schema of a payload and those of the types in it, by their names in
// the document: the types have that of the payload before theirs.
func payloadSchemas(t *model.Task, payload string) object {
	var root object
	dec := json.NewDecoder(strings.NewReader(schema.Of(t).Text()))
	dec.UseNumber() // bounds of integers have more digits than a float64
	if err := dec.Decode(&root); err != nil {
		panic(err) // package schema writes JSON
	}
	all := object{}
	if definitions, ok := root["$defs"].(object); ok {
		for name, s := range definitions {
			all[payload+"."+name] = relocated(s, payload)
		}
	}
	delete(root, "$defs")
	delete(root, "$schema")
	all[payload] = relocated(root, payload)
	return all
}

// relocated is a part of a payload's schema with its references where the document has what
// they refer to.
func relocated(part any, payload string) any {
	switch part := part.(type) {
	case object:
		for key, value := range part {
			if to, ok := value.(string); ok && key == "$ref" {
				name := payload
				if definition, ok := strings.CutPrefix(to, "#/$defs/"); ok {
					name += "." + definition
				}
				part[key] = ref("components", "schemas", name)["$ref"]
				continue
			}
			part[key] = relocated(value, payload)
		}
	case []any:
		for i := range part {
			part[i] = relocated(part[i], payload)
		}
	}
	return part
}

// ref refers to a part of the document.
func ref(path ...string) object {
	return object{"$ref": "#/" + strings.Join(path, "/")} // names hold neither slashes nor tildes
}

func encode(doc object) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(doc); err != nil {
		panic(err) // texts, numbers and containers
	}
	return b.String()
}
