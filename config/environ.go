package config

import (
	"fmt"
	"os"
	"strings"
)

// lookup returns the value of an environment variable. That of NAME may be in a file which
// NAME_FILE names, as Docker and Kubernetes hand out secrets.
func lookup(name string) (value string, ok bool, err error) {
	value, ok = os.LookupEnv(name)
	file, inFile := os.LookupEnv(name + "_FILE")
	switch {
	case ok && inFile && file != "":
		return "", false, fmt.Errorf("the variables %s and %s_FILE are both set: unset one", name, name)
	case !inFile || file == "" || strings.HasSuffix(name, "_FILE"):
		return value, ok, nil
	}
	value, err = fromFile(file)
	if err != nil {
		return "", false, fmt.Errorf("the variable %s_FILE: %w", name, err)
	}
	return value, true, nil
}

// fromFile reads a secret from a file, without the line break at its end.
func fromFile(path string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	return strings.TrimRight(string(data), "\r\n"), nil
}
