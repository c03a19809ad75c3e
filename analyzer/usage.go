package analyzer

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"slices"
	"strings"

	"golang.org/x/tools/go/analysis"
)

// A collector gathers what a package does with tasks.
type collector struct {
	pass     *analysis.Pass
	all      usage                // of this package and its imports
	enqueued map[string]token.Pos // by key: the first place in this package
	pool     token.Pos            // where this package makes a pool
	neutral  map[*ast.Ident]bool  // uses of specs that register nothing
}

func (c *collector) add(u usage) {
	c.all.Specs = append(c.all.Specs, u.Specs...)
	c.all.Enqueued = append(c.all.Enqueued, u.Enqueued...)
	c.all.Handled = append(c.all.Handled, u.Handled...)
	c.all.Pools = append(c.all.Pools, u.Pools...)
	c.all.Anything = c.all.Anything || u.Anything
}

// specs reads the specs that a file declares, and which of them RegisterSchedules schedules.
func (c *collector) specs(f *ast.File) {
	scheduled := make(map[types.Object]bool)
	ast.Inspect(f, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && calls(c.pass.TypesInfo, call, schedulePath, "Recurring", "RecurringWith") {
			for _, id := range c.specArgs(call) {
				scheduled[c.pass.TypesInfo.Uses[id]] = true
			}
		}
		return true
	})
	for _, d := range f.Decls {
		d, ok := d.(*ast.GenDecl)
		if !ok || d.Tok != token.VAR {
			continue
		}
		for _, s := range d.Specs {
			s := s.(*ast.ValueSpec)
			if len(s.Names) != 1 || len(s.Values) != 1 {
				continue
			}
			v, _ := c.pass.TypesInfo.Defs[s.Names[0]].(*types.Var)
			lit, ok := s.Values[0].(*ast.CompositeLit)
			if v == nil || !ok || v.Parent() != c.pass.Pkg.Scope() || payloadOf(v) == nil {
				continue
			}
			queue, _ := c.constant(valueOf(lit, "Queue"))
			name := c.pass.Pkg.Name() + "."
			base := strings.TrimSuffix(v.Name(), "Spec")
			register := name + "Register" + base
			if !v.Exported() {
				register = name + "register" + strings.ToUpper(base[:1]) + base[1:]
			}
			task := types.TypeString(payloadOf(v), func(p *types.Package) string { return p.Name() })
			c.all.Specs = append(c.all.Specs, spec{keyOf(v), task, register, queue, scheduled[v]})
		}
	}
}

// specArgs are the specs among the arguments of a call: MailSpec in &tasks.MailSpec.
func (c *collector) specArgs(call *ast.CallExpr) (ids []*ast.Ident) {
	for _, arg := range call.Args {
		if u, ok := ast.Unparen(arg).(*ast.UnaryExpr); ok && u.Op == token.AND {
			arg = u.X
		}
		id, _ := ast.Unparen(arg).(*ast.Ident)
		if x, ok := ast.Unparen(arg).(*ast.SelectorExpr); ok {
			id = x.Sel
		}
		if id == nil {
			continue
		}
		if v, ok := c.pass.TypesInfo.Uses[id].(*types.Var); ok && isSpec(v) {
			ids = append(ids, id)
		}
	}
	return ids
}

// isSpec reports whether a variable is a spec at package level.
func isSpec(v *types.Var) bool {
	return v.Pkg() != nil && v.Parent() == v.Pkg().Scope() && payloadOf(v) != nil
}

// visit looks at a call before its arguments.
func (c *collector) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.CallExpr:
		c.call(n)
	case *ast.Ident:
		switch obj := c.pass.TypesInfo.Uses[n].(type) {
		case *types.Func:
			c.mention(taskFuncOf(obj), n.Pos())
		case *types.Var:
			if isSpec(obj) && !c.neutral[n] {
				c.all.Handled = append(c.all.Handled, keyOf(obj))
			}
		}
	}
	return true
}

// mention notes a function that is called or passed on.
func (c *collector) mention(f taskFunc, at token.Pos) {
	switch {
	case f.role == registers && f.spec != nil:
		c.all.Handled = append(c.all.Handled, keyOf(f.spec))
	case f.role == registersAll:
		scope := f.fn.Pkg().Scope()
		for _, name := range scope.Names() {
			if v, ok := scope.Lookup(name).(*types.Var); ok && v.Exported() == f.fn.Exported() && payloadOf(v) != nil {
				c.all.Handled = append(c.all.Handled, keyOf(v))
			}
		}
	case f.role == declares:
		for _, s := range c.all.Specs {
			if s.Scheduled && strings.HasPrefix(s.Key, f.fn.Pkg().Path()+".") {
				c.enqueue(s.Key, at)
			}
		}
	}
}

func (c *collector) call(call *ast.CallExpr) {
	fn := callee(c.pass.TypesInfo, call)
	if fn == nil || fn.Pkg() == nil {
		return
	}
	f := taskFuncOf(fn)
	used := c.specArgs(call)
	if f.role != registers && isLibrary(fn.Pkg().Path()) {
		for _, id := range used {
			c.neutral[id] = true
		}
	}
	switch name := fn.Name(); {
	case f.role == enqueues || f.role == enqueuesBatch || f.role == schedules:
		if c.elsewhere(call) {
			return
		}
		if f.spec != nil {
			c.enqueue(keyOf(f.spec), call.Pos())
		} else if len(used) == 1 {
			c.enqueue(keyOf(c.pass.TypesInfo.Uses[used[0]]), call.Pos())
		}
	case fn.Pkg().Path() == runtimePath && name == "NewPool" && len(call.Args) == 3:
		c.newPool(call)
	case fn.Pkg().Path() == runtimePath && name == "Handle" && fn.Signature().Recv() != nil && is(fn.Signature().Recv().Type(), runtimePath, "Router"):
		c.all.Anything = true
	case fn.Pkg().Path() == configPath && name == "Build" && len(call.Args) == 2:
		if lit, ok := ast.Unparen(call.Args[1]).(*ast.CompositeLit); ok && valueOf(lit, "Handlers") != nil {
			c.pool = call.Pos()
			c.all.Pools = append(c.all.Pools, workPool{})
		}
	}
}

func (c *collector) enqueue(key string, at token.Pos) {
	if _, ok := c.enqueued[key]; !ok {
		c.enqueued[key] = at
	}
}

// elsewhere reports whether the options of a call may choose another queue.
func (c *collector) elsewhere(call *ast.CallExpr) (may bool) {
	if call.Ellipsis.IsValid() {
		return true
	}
	for _, arg := range call.Args {
		ast.Inspect(arg, func(n ast.Node) bool {
			e, ok := n.(ast.Expr)
			may = may || ok && calls(c.pass.TypesInfo, e, runtimePath, "WithQueue")
			return !may
		})
	}
	return may
}

func (c *collector) newPool(call *ast.CallExpr) {
	lit, ok := ast.Unparen(call.Args[2]).(*ast.CompositeLit)
	if !ok || valueOf(lit, "Types") != nil || len(lit.Elts) > 0 && !isKeyed(lit) {
		return
	}
	c.pool = call.Pos()
	queues := valueOf(lit, "Queues")
	if queues == nil {
		c.all.Pools = append(c.all.Pools, workPool{All: true})
		return
	}
	p := workPool{}
	if list, ok := queues.(*ast.CompositeLit); ok {
		for _, e := range list.Elts {
			one, ok := e.(*ast.CompositeLit)
			if !ok {
				p.Queues = nil
				break
			}
			name, ok := c.constant(valueOf(one, "Name"))
			if !ok {
				p.Queues = nil
				break
			}
			p.Queues = append(p.Queues, name)
		}
	}
	slices.Sort(p.Queues)
	c.all.Pools = append(c.all.Pools, p)
}

func isKeyed(lit *ast.CompositeLit) bool {
	_, keyed := lit.Elts[0].(*ast.KeyValueExpr)
	return keyed
}

// valueOf returns the value of a field in a literal, or nil.
func valueOf(lit *ast.CompositeLit, field string) ast.Expr {
	for _, e := range lit.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			if key, ok := kv.Key.(*ast.Ident); ok && key.Name == field {
				return kv.Value
			}
		}
	}
	return nil
}

func (c *collector) constant(e ast.Expr) (string, bool) {
	if e == nil {
		return "", false
	}
	v := c.pass.TypesInfo.Types[e].Value
	if v == nil || v.Kind() != constant.String {
		return "", false
	}
	return constant.StringVal(v), true
}
