package config

import (
	"encoding/json"
	"strings"
)

// Schema returns the JSON Schema of the file, with the options of the registered
// providers: editors use it to complete and check a file. docs/configuration.schema.json
// is the schema with all providers of this module.
func Schema() []byte {
	root := objectOf(table)
	root["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	root["title"] = "Configuration of a program on taskgen"
	text, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		panic(err) // it is made of maps and texts
	}
	return append(text, '\n')
}

type schema = map[string]any

func objectOf(fields []field) schema {
	properties := make(schema)
	for _, f := range fields {
		one := f.schema()
		one["description"] = describe(f)
		properties[f.name] = one
		if f.file {
			properties[f.name+"_file"] = schema{"type": "string", "description": "path of a file with the value of " + f.name}
		}
	}
	return schema{"type": "object", "properties": properties, "additionalProperties": false}
}

func describe(f field) string {
	text := f.doc
	if f.zero != "" {
		text += ". Default: " + f.zero
	}
	return strings.ReplaceAll(text, "`", "")
}

// variableSchema is a text with a variable in it, which any value may be.
var variableSchema = schema{"type": "string", "pattern": `\$\{`}

func (f field) schema() schema {
	or := func(one schema) schema { return schema{"anyOf": []schema{one, variableSchema}} }
	switch f.kind() {
	case "section":
		return objectOf(f.under)
	case "map":
		return schema{"type": "object", "additionalProperties": objectOf(f.under)}
	case "options":
		var each []schema
		for _, r := range registry.all() {
			one := objectOf(r.fields)
			one["title"] = r.name
			each = append(each, one)
		}
		return schema{"anyOf": each}
	case "bool":
		return or(schema{"type": "boolean"})
	case "int":
		return or(schema{"type": "integer", "minimum": 0})
	case "ratio":
		return or(schema{"type": "number", "minimum": 0, "maximum": 1})
	case "bytes":
		return schema{"type": []string{"integer", "string"}}
	case "duration":
		return schema{"anyOf": []schema{{"type": "string"}, {"const": 0}}}
	case "list":
		return or(schema{"type": "array", "items": schema{"type": "string"}})
	}
	if len(f.enum) > 0 {
		return or(schema{"enum": f.enum})
	}
	return schema{"type": "string"}
}
