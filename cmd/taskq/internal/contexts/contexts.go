// Package contexts keeps the servers that an operator has named, in a file that only the
// operator can read.
package contexts

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// A Context is a server and how to reach it.
type Context struct {
	URL string `json:"url"`
	// TokenFile is the path of the file that has the token, and Token the token itself; at most
	// one is set.
	TokenFile string `json:"token_file,omitempty"`
	Token     string `json:"token,omitempty"`
	CAFile    string `json:"ca_file,omitempty"`
	CertFile  string `json:"cert_file,omitempty"`
	KeyFile   string `json:"key_file,omitempty"`
}

// A File is the contexts of an operator.
type File struct {
	// Current is the name of the one in use; empty for none.
	Current  string             `json:"current,omitempty"`
	Contexts map[string]Context `json:"contexts"`

	path string
}

// Path is where the file is: taskq/contexts.json in XDG_CONFIG_HOME, or in the folder for
// configuration of the system.
func Path(getenv func(string) string) (string, error) {
	dir := getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(dir) { // as the standard has it
		var err error
		if dir, err = os.UserConfigDir(); err != nil {
			return "", fmt.Errorf("there is no folder for configuration: set XDG_CONFIG_HOME: %w", err)
		}
	}
	return filepath.Join(dir, "taskq", "contexts.json"), nil
}

// Load reads the file. One that is missing has no contexts.
func Load(path string) (*File, error) {
	f := &File{Contexts: make(map[string]Context), path: path}
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return f, nil
	case err != nil:
		return nil, err
	}
	if err := json.Unmarshal(text, f); err != nil {
		return nil, fmt.Errorf("%s is damaged: mend or remove it: %w", path, err)
	}
	return f, nil
}

// Names are those of the contexts, in order.
func (f *File) Names() []string { return slices.Sorted(maps.Keys(f.Contexts)) }

// Save writes the file, in place of what it had: all of it or nothing. Only its owner can read it.
func (f *File) Save() error {
	text, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(f.path), 0o700); err != nil {
		return err
	}
	next, err := os.CreateTemp(filepath.Dir(f.path), ".contexts-*") // with mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(next.Name()) // if it is still there
	_, err = next.Write(append(text, '\n'))
	if err = errors.Join(err, next.Close()); err != nil {
		return err
	}
	return os.Rename(next.Name(), f.path)
}
