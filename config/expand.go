package config

import (
	"fmt"
	"strings"
)

// expand replaces the variables in a text:
//
//	${NAME}           the value; it is an error if there is none
//	${NAME:-default}  the default if there is no value or an empty one
//	${NAME:?message}  an error with the message if there is no value or an empty one
//	$${               the characters ${
//
// A default may have variables in it. The text is a value of the parsed file: what a
// variable holds cannot add keys to it. used reports whether there was a variable.
func expand(text string, lookup func(name string) (string, bool, error)) (out string, used bool, err error) {
	var b strings.Builder
	for {
		i := strings.Index(text, "${")
		if i < 0 {
			b.WriteString(text)
			return b.String(), used, nil
		}
		if i > 0 && text[i-1] == '$' {
			b.WriteString(text[:i-1] + "${")
			text = text[i+2:]
			continue
		}
		b.WriteString(text[:i])
		end := closing(text[i:])
		if end < 0 {
			return "", true, fmt.Errorf("${ has no } behind it: write the two characters as $${")
		}
		value, err := variable(text[i+2:i+end], lookup)
		if err != nil {
			return "", true, err
		}
		b.WriteString(value)
		text, used = text[i+end+1:], true
	}
}

// closing is where the } is that ends a text's first ${, or -1.
func closing(text string) int {
	depth := 0
	for i := 0; i < len(text); i++ {
		switch {
		case strings.HasPrefix(text[i:], "${"):
			depth++
			i++
		case text[i] == '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

// variable is the value of the text between the braces.
func variable(text string, lookup func(name string) (string, bool, error)) (string, error) {
	name, rest, _ := strings.Cut(text, ":")
	if !isVariable(name) {
		return "", fmt.Errorf("between ${ and } belongs the name of a variable: letters, digits and _")
	}
	value, ok, err := lookup(name)
	if err != nil {
		return "", err
	}
	hasRest := len(text) > len(name)
	switch {
	case !hasRest && ok, hasRest && value != "" && (strings.HasPrefix(rest, "-") || strings.HasPrefix(rest, "?")):
		return value, nil
	case !hasRest:
		return "", fmt.Errorf("the variable %s is not set: set it, or write ${%s:-default}", name, name)
	case strings.HasPrefix(rest, "-"):
		value, _, err := expand(rest[1:], lookup)
		return value, err
	case strings.HasPrefix(rest, "?"):
		return "", fmt.Errorf("the variable %s is not set: %s", name, rest[1:])
	}
	return "", fmt.Errorf("behind ${%s: belongs - and a default, or ? and a message", name)
}

func isVariable(name string) bool {
	if name == "" || name[0] >= '0' && name[0] <= '9' {
		return false
	}
	return strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == ""
}
