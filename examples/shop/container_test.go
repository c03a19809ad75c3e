//go:build unix

package shop

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// root is that of the repository, from which images are built.
const root = "../.."

var programs = []string{"producer", "consumer", "scheduler"}

// A containerfile is what the tests read of one.
type containerfile struct {
	bases      []string
	user       string
	entrypoint []string
	sources    [][2]string // what the build stage copies of the repository, and where to
	build      string      // the command of the build stage
	files      [][2]string // what the image has of the repository, by its path there
	built      [][2]string // and of the build stage
}

func readContainerfile(program string) (*containerfile, error) {
	text, err := os.ReadFile(filepath.Join(root, "examples", program, "Containerfile"))
	if err != nil {
		return nil, err
	}
	c := new(containerfile)
	for line := range strings.Lines(string(text)) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		args := strings.Fields(rest)
		switch word {
		case "", "#", "WORKDIR", "ENV", "EXPOSE":
		case "FROM":
			c.bases = append(c.bases, args[0])
		case "USER":
			c.user = rest
		case "RUN":
			c.build = rest
		case "ENTRYPOINT":
			err = json.Unmarshal([]byte(rest), &c.entrypoint)
		case "COPY":
			c.copies(args)
		default:
			err = fmt.Errorf("the test does not know %s", word)
		}
		if err != nil {
			return nil, fmt.Errorf("the Containerfile of %s: %w", program, err)
		}
	}
	return c, nil
}

func (c *containerfile) copies(args []string) {
	into := &c.sources
	if len(c.bases) > 1 {
		into = &c.files
	}
	if args[0] == "--from=build" {
		args, into = args[1:], &c.built
	}
	to := args[len(args)-1]
	for _, from := range args[:len(args)-1] {
		if strings.HasSuffix(to, "/") {
			*into = append(*into, [2]string{from, to + path.Base(from)})
		} else {
			*into = append(*into, [2]string{from, to})
		}
	}
}

// buildDir is the folder of what was built; "" before that.
var buildDir string

// built are the programs as their Containerfiles build them: of nothing but what these copy,
// by their commands.
var built = sync.OnceValues(func() (dir string, err error) {
	if dir, err = os.MkdirTemp("", "taskgen-shop-"); err != nil {
		return "", err
	}
	buildDir = dir
	for _, program := range programs {
		c, err := readContainerfile(program)
		if err != nil {
			return dir, err
		}
		src := filepath.Join(dir, "src")
		for _, one := range c.sources {
			if err := copyTo(filepath.Join(root, one[0]), filepath.Join(src, one[1])); err != nil {
				return dir, err
			}
		}
		command := strings.ReplaceAll(c.build, "/out/", dir+"/out/")
		cmd := exec.Command("sh", "-c", command)
		cmd.Dir = src
		if out, err := cmd.CombinedOutput(); err != nil {
			return dir, fmt.Errorf("%s: %w\n%s", command, err, out)
		}
		if err := os.RemoveAll(src); err != nil {
			return dir, err
		}
	}
	return dir, nil
})

func copyTo(from, to string) error {
	info, err := os.Stat(from)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return os.CopyFS(to, os.DirFS(from))
	}
	text, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	return os.WriteFile(to, text, 0o644)
}

// binary is the path of a program.
func binary(t *testing.T, program string) string {
	t.Helper()
	dir, err := built()
	require.NoError(t, err)
	return filepath.Join(dir, "out", program)
}

func TestTheContainerfilesMakeImagesThatRun(t *testing.T) {
	for _, program := range programs {
		t.Run(program, func(t *testing.T) {
			c, err := readContainerfile(program)
			require.NoError(t, err)
			info, err := os.Stat(binary(t, program))
			require.NoError(t, err)
			assert.True(t, info.Mode().IsRegular() && info.Mode()&0o111 != 0, info.Mode())

			assert.Equal(t, "scratch", c.bases[len(c.bases)-1])
			assert.Regexp(t, regexp.MustCompile(`^[1-9][0-9]*:[1-9][0-9]*$`), c.user, "not root, and by number, as Kubernetes checks it")
			assert.Contains(t, c.built, [2]string{"/out/" + program, c.entrypoint[0]})
			assert.Contains(t, c.files, [2]string{"examples/" + program + "/config.yaml", c.entrypoint[2]})
			for _, file := range c.files {
				_, err := fs.Stat(os.DirFS(root), file[0])
				assert.NoError(t, err)
			}
			goMod, err := os.ReadFile(filepath.Join(root, "go.mod"))
			require.NoError(t, err)
			version, _, _ := strings.Cut(string(goMod[strings.Index(string(goMod), "\ngo ")+4:]), "\n")
			assert.Equal(t, "golang:"+strings.TrimSuffix(version, ".0"), c.bases[0], "go.mod needs Go %s", version)
		})
	}
}
