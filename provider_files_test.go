package taskgen_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// providerFiles are the files that each provider has, so that a reader of one finds their
// way through the others, and what is in them: the type Provider, its methods, and methods
// of the queue.
var providerFiles = []struct {
	file  string
	holds []string
}{
	{"provider.go", []string{"Provider", "Provider.Name", "Provider.Open", "Provider.Close"}},
	{"names.go", nil}, // what builds the names of everything at the backend
	{"queue.go", []string{"Config", "Capabilities", "Close"}},
	{"enqueue.go", []string{"Enqueue"}},
	{"dequeue.go", []string{"Dequeue"}},
	{"settle.go", []string{"Complete", "Extend", "Release", "DeadLetter"}},
	{"dead.go", []string{"Redrive", "OnRedrive", "Discard"}},
	{"admin.go", []string{"Cancel", "Reschedule", "Purge", "PurgeAll", "Pause", "Resume", "Paused"}},
	{"delete.go", []string{"Delete"}},
	{"browse.go", []string{"Browse", "Find"}},
	{"stats.go", []string{"Stats"}},
}

// providersWithout are the files that a provider has no code for, with the reason.
var providersWithout = map[string]string{
	"memory/names.go":    "its queues are values of one map",
	"sqlite/names.go":    "its tables have fixed names, and the name of a queue is a value in a row",
	"rabbitmq/browse.go": "RabbitMQ cannot show a message without handing it out",
	"sqs/browse.go":      "SQS cannot show a message without handing it out",
}

func TestTheFilesOfEachProviderHaveTheSameNames(t *testing.T) {
	for _, provider := range []string{"memory", "sqlite", "redis", "nats", "rabbitmq", "sqs"} {
		in := filesOfMethods(t, filepath.Join("runtime", provider))
		for _, name := range []string{"Provider", "Provider.Open", "Enqueue", "Dequeue", "Complete", "Redrive", "Stats"} {
			require.Contains(t, in, name, provider)
		}
		for _, f := range providerFiles {
			_, err := os.Stat(filepath.Join("runtime", provider, f.file))
			if why, without := providersWithout[provider+"/"+f.file]; without {
				assert.ErrorIs(t, err, os.ErrNotExist, "%s/%s is there, and the table says: %s", provider, f.file, why)
			} else {
				assert.NoError(t, err, "%s has no %s: a reader of another provider looks for it", provider, f.file)
			}
			for _, name := range f.holds {
				if file, has := in[name]; has {
					assert.Equal(t, f.file, file, "%s of package %s is in another file than on the other providers", name, provider)
				}
			}
		}
	}
}

// filesOfMethods are the files in which a provider declares its type Provider, and each method
// of it and of its queue.
func filesOfMethods(t *testing.T, dir string) map[string]string {
	t.Helper()
	in := make(map[string]string)
	paths, err := filepath.Glob(dir + "/*.go")
	require.NoError(t, err)
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				switch of := receiver(d); {
				case strings.EqualFold(of, "queue"):
					in[d.Name.Name] = filepath.Base(path)
				case of == "Provider":
					in[of+"."+d.Name.Name] = filepath.Base(path)
				}
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					if spec, ok := spec.(*ast.TypeSpec); ok && spec.Name.Name == "Provider" {
						in["Provider"] = filepath.Base(path)
					}
				}
			}
		}
	}
	return in
}

// receiver is the name of the type that a method belongs to; "" for a function.
func receiver(d *ast.FuncDecl) string {
	if d.Recv == nil {
		return ""
	}
	typ := d.Recv.List[0].Type
	if star, ok := typ.(*ast.StarExpr); ok {
		typ = star.X
	}
	name, _ := typ.(*ast.Ident)
	if name == nil {
		return ""
	}
	return name.Name
}
