package main

import (
	"fmt"
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// A corpus is a package of tasks.
type corpus struct {
	name    string // of the package, and of its queue
	about   string
	pointer bool // the payloads are pointers, as the module itself hands them out
	from    []source
	wanted  func(*types.TypeName, *types.Struct, parts) bool
}

// A source is a package with types.
type source struct {
	path   string
	alias  string // by which it is imported
	prefix string // of the tasks' names, where two sources share a name
}

// A typ is a type that gets a task.
type typ struct {
	source
	name    string
	pointer bool
}

func (t typ) String() string { return t.alias + "." + t.name }

var corpora = []corpus{
	{"github", "the webhooks of GitHub", true, []source{{path: "github.com/google/go-github/v82/github", alias: "github"}}, isEvent},
	{"lambda", "what AWS Lambda hands to functions and takes from them", false, []source{{path: "github.com/aws/aws-lambda-go/events", alias: "events"}}, isWhole},
	{"kubernetes", "the objects of Kubernetes", false, []source{
		{"k8s.io/api/apps/v1", "appsv1", "Apps"},
		{"k8s.io/api/autoscaling/v2", "autoscalingv2", "Autoscaling"},
		{"k8s.io/api/batch/v1", "batchv1", "Batch"},
		{"k8s.io/api/coordination/v1", "coordinationv1", "Coordination"},
		{"k8s.io/api/core/v1", "corev1", "Core"},
		{"k8s.io/api/discovery/v1", "discoveryv1", "Discovery"},
		{"k8s.io/api/events/v1", "eventsv1", "Events"},
		{"k8s.io/api/networking/v1", "networkingv1", "Networking"},
		{"k8s.io/api/policy/v1", "policyv1", "Policy"},
		{"k8s.io/api/rbac/v1", "rbacv1", "RBAC"},
		{"k8s.io/api/storage/v1", "storagev1", "Storage"},
	}, isObject},
	{"stripe", "the resources of Stripe", true, []source{{path: "github.com/stripe/stripe-go/v82", alias: "stripe", prefix: "Stripe"}}, isResource},
}

// refused are the types that no task can carry. The tests of the module say why.
var refused = map[string]bool{
	"events.APIGatewayProxyStreamingResponse":   true,
	"events.LambdaFunctionURLStreamingResponse": true,
}

// isEvent: go-github calls them so.
func isEvent(t *types.TypeName, _ *types.Struct, _ parts) bool {
	return strings.HasSuffix(t.Name(), "Event")
}

// isWhole: it is no field of another type.
func isWhole(t *types.TypeName, st *types.Struct, in parts) bool {
	return st.NumFields() > 0 && !in[t]
}

// isObject: it says which kind it is and what it is called.
func isObject(_ *types.TypeName, st *types.Struct, _ parts) bool {
	return embeds(st, "TypeMeta") && embeds(st, "ObjectMeta")
}

// isResource: Stripe answers with it, and knows it by an ID.
func isResource(_ *types.TypeName, st *types.Struct, _ parts) bool {
	for v := range st.Fields() {
		if v.Name() == "ID" {
			return embeds(st, "APIResource")
		}
	}
	return false
}

func embeds(st *types.Struct, name string) bool {
	for v := range st.Fields() {
		if v.Embedded() && v.Name() == name {
			return true
		}
	}
	return false
}

// types are those that get a task, package by package.
func (c *corpus) types() ([]typ, error) {
	paths := make([]string, len(c.from))
	for i, s := range c.from {
		paths[i] = s.path
	}
	loaded, err := packages.Load(&packages.Config{Mode: packages.LoadTypes}, paths...)
	if err != nil {
		return nil, err
	}
	var found []typ
	for _, p := range loaded {
		if len(p.Errors) > 0 {
			return nil, p.Errors[0]
		}
		s := c.from[slices.IndexFunc(c.from, func(s source) bool { return s.path == p.PkgPath })]
		in := partsOf(p.Types)
		for _, name := range p.Types.Scope().Names() {
			t, ok := p.Types.Scope().Lookup(name).(*types.TypeName)
			if !ok || !t.Exported() {
				continue
			}
			if st, ok := t.Type().Underlying().(*types.Struct); ok && c.wanted(t, st, in) {
				found = append(found, typ{s, name, c.pointer})
			}
		}
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("no type of %s is wanted", c.name)
	}
	return found, nil
}

// parts are the types of fields, embedded ones aside.
type parts map[*types.TypeName]bool

func partsOf(pkg *types.Package) parts {
	in := make(parts)
	for _, name := range pkg.Scope().Names() {
		st, ok := pkg.Scope().Lookup(name).Type().Underlying().(*types.Struct)
		if !ok {
			continue
		}
		for v := range st.Fields() {
			if !v.Embedded() {
				in.add(v.Type())
			}
		}
	}
	return in
}

func (in parts) add(t types.Type) {
	switch t := types.Unalias(t).(type) {
	case *types.Named:
		in[t.Obj()] = true
	case interface{ Elem() types.Type }: // pointers, lists, maps
		in.add(t.Elem())
	}
}
