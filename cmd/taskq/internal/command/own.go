package command

import "encoding/json"

// showList prints a list whose items are no messages of the API, in the form of --output: a
// document has them under a name.
func showList[T any](a *app, name string, items []T, print func() error) error {
	e := json.NewEncoder(a.Out)
	e.SetEscapeHTML(false)
	switch a.format {
	case "json":
		e.SetIndent("", "  ")
		return e.Encode(map[string][]T{name: append([]T{}, items...)})
	case "jsonl":
		for _, item := range items {
			if err := e.Encode(item); err != nil {
				return err
			}
		}
		return nil
	}
	return print()
}

// showOne is showList for what is no list.
func showOne(a *app, item any, print func() error) error {
	if a.format == "table" {
		return print()
	}
	e := json.NewEncoder(a.Out)
	if a.format == "json" {
		e.SetIndent("", "  ")
	}
	return e.Encode(item)
}
