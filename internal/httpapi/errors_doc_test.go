package httpapi_test

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Every error that reaches a client has a code, and the problem document points at
// the code's heading in docs/errors.md. This test reads the codes out of the
// module's sources, so that neither a code nor a heading can be forgotten.

const (
	modulePath  = "github.com/tokenledger/tokenledger"
	errorsPage  = "docs/errors.md"
	headingMark = "## "
)

func TestEveryErrorCodeHasAnEntryInTheDocumentation(t *testing.T) {
	root := moduleRoot(t)
	packages, fset := parseSources(t, root)
	codes := map[string]string{} // code → where it is made
	for _, p := range packages {
		for _, f := range p.files {
			for _, e := range f.codeExprs(p, fset) {
				if e.problem != "" {
					t.Errorf("%s: %s", e.at, e.problem)
					continue
				}
				found, err := p.values(e.expr, e.in, 0)
				if err != nil {
					t.Errorf("%s: the code of this error cannot be read from the source (%v); write it as a string", e.at, err)
				}
				for _, code := range found {
					codes[code] = e.at
				}
			}
		}
	}
	if len(codes) < 10 {
		t.Fatalf("only the codes %v were found: this test no longer finds them", slices.Sorted(maps.Keys(codes)))
	}
	headings := pageHeadings(t, filepath.Join(root, errorsPage))
	for _, code := range slices.Sorted(maps.Keys(codes)) {
		if !wellFormed.MatchString(code) {
			t.Errorf("%s: the code %q is not of the form %s", codes[code], code, wellFormed)
		}
		if _, ok := headings[code]; !ok {
			t.Errorf("%s: the code %q has no heading %q in %s", codes[code], code, headingMark+code, errorsPage)
		}
	}
	for _, heading := range slices.Sorted(maps.Keys(headings)) {
		if _, ok := codes[heading]; !ok {
			t.Errorf("%s:%d: no error bears the code %q", errorsPage, headings[heading], heading)
		}
	}
}

var wellFormed = regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`)

func moduleRoot(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("no go.mod in this directory or above it")
		}
		dir = parent
	}
}

// pageHeadings gives the page's headings of the second level and their lines.
func pageHeadings(t *testing.T, path string) map[string]int {
	t.Helper()
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	headings := map[string]int{}
	for i, line := range strings.Split(string(page), "\n") {
		heading, ok := strings.CutPrefix(line, headingMark)
		if !ok {
			continue
		}
		heading = strings.TrimSpace(heading)
		if first, twice := headings[heading]; twice {
			t.Errorf("%s:%d: the heading %q stands at line %d already", errorsPage, i+1, heading, first)
		}
		headings[heading] = i + 1
	}
	return headings
}

type sourcePackage struct {
	dir   string // relative to the module's root, with slashes
	files []*sourceFile
}

type sourceFile struct {
	tree *ast.File
	// commands and api are the names under which the file knows those packages.
	commands, api string
}

// What does not run in a node cannot make an answer of one.
var notInNode = []string{"client", "cmd"}

// parseSources gives the module's packages, without their tests, by directory.
func parseSources(t *testing.T, root string) (map[string]*sourcePackage, *token.FileSet) {
	t.Helper()
	packages, fset := map[string]*sourcePackage{}, token.NewFileSet()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := d.Name()
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if path != root && (strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") || name == "testdata" || slices.Contains(notInNode, rel)) {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		parsed, err := parser.ParseFile(fset, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(rel))
		if packages[dir] == nil {
			packages[dir] = &sourcePackage{dir: dir}
		}
		packages[dir].files = append(packages[dir].files, &sourceFile{
			tree: parsed, commands: importName(parsed, modulePath+"/commands"), api: importName(parsed, modulePath+"/client/api"),
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return packages, fset
}

// importName gives the name under which a file knows a package; "" if it does not
// import it.
func importName(f *ast.File, path string) string {
	for _, spec := range f.Imports {
		if imported, err := strconv.Unquote(spec.Path.Value); err != nil || imported != path {
			continue
		}
		if spec.Name != nil {
			return spec.Name.Name
		}
		return path[strings.LastIndexByte(path, '/')+1:]
	}
	return ""
}

// codeExpr is an expression that gives an error its code.
type codeExpr struct {
	expr ast.Expr
	in   *ast.FuncDecl // the function around it; nil at package level
	at   string
	// problem says why there is no expression to read.
	problem string
}

// codeExprs finds where the file gives an error its code.
func (f *sourceFile) codeExprs(p *sourcePackage, fset *token.FileSet) (all []codeExpr) {
	for _, decl := range f.tree.Decls {
		in, _ := decl.(*ast.FuncDecl)
		ast.Inspect(decl, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CompositeLit:
				if f.isError(p, n.Type) {
					all = append(all, codesOf(n, in, fset)...)
				}
			case *ast.AssignStmt:
				// err.Code = "…", wherever errors of the commands are known.
				if p.dir != "commands" && f.commands == "" || len(n.Lhs) != len(n.Rhs) {
					return true
				}
				for i, target := range n.Lhs {
					if s, ok := target.(*ast.SelectorExpr); ok && s.Sel.Name == "Code" {
						all = append(all, codeExpr{expr: n.Rhs[i], in: in, at: fset.Position(n.Pos()).String()})
					}
				}
			}
			return true
		})
	}
	return all
}

// codesOf gives the code in the literal of an error. An error without one is for
// code that sets it afterwards.
func codesOf(lit *ast.CompositeLit, in *ast.FuncDecl, fset *token.FileSet) (all []codeExpr) {
	for _, element := range lit.Elts {
		at := fset.Position(element.Pos()).String()
		field, ok := element.(*ast.KeyValueExpr)
		if !ok {
			return []codeExpr{{at: at, problem: "this error is written without the names of its fields, so its code cannot be found; name them"}}
		}
		if key, ok := field.Key.(*ast.Ident); ok && key.Name == "Code" {
			all = append(all, codeExpr{expr: field.Value, in: in, at: at})
		}
	}
	return all
}

// isError reports whether a literal of the type is an error for clients: an Error
// of the commands, or what the wire makes of one.
func (f *sourceFile) isError(p *sourcePackage, typ ast.Expr) bool {
	switch typ := typ.(type) {
	case *ast.Ident:
		return p.dir == "commands" && typ.Name == "Error"
	case *ast.SelectorExpr:
		from, ok := typ.X.(*ast.Ident)
		if !ok {
			return false
		}
		return f.commands != "" && from.Name == f.commands && typ.Sel.Name == "Error" ||
			f.api != "" && from.Name == f.api && (typ.Sel.Name == "Problem" || typ.Sel.Name == "ImportResult")
	}
	return false
}

// values gives what an expression in the function may be. A parameter is what the
// package's calls of the function give for it; the Code of another error is that
// error's own and gives nothing.
func (p *sourcePackage) values(e ast.Expr, in *ast.FuncDecl, depth int) ([]string, error) {
	if depth > 8 {
		return nil, fmt.Errorf("the functions that pass it on go too deep")
	}
	switch e := e.(type) {
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return nil, fmt.Errorf("it is not a string")
		}
		s, err := strconv.Unquote(e.Value)
		return []string{s}, err
	case *ast.SelectorExpr:
		if e.Sel.Name == "Code" {
			return nil, nil
		}
	case *ast.BinaryExpr:
		left, errLeft := p.values(e.X, in, depth)
		right, errRight := p.values(e.Y, in, depth)
		if e.Op != token.ADD || errLeft != nil || errRight != nil {
			return nil, errors.Join(fmt.Errorf("it is an expression with %s", e.Op), errLeft, errRight)
		}
		var all []string
		for _, l := range left {
			for _, r := range right {
				all = append(all, l+r)
			}
		}
		return all, nil
	case *ast.Ident:
		if c := p.constant(e.Name); c != nil {
			return p.values(c, nil, depth+1)
		}
		if i := parameter(in, e.Name); i >= 0 {
			return p.arguments(in, i, depth)
		}
		return nil, fmt.Errorf("%s is neither a constant nor a parameter", e.Name)
	}
	return nil, fmt.Errorf("it is a %T", e)
}

// parameter gives the number of the function's parameter of that name, or -1.
func parameter(in *ast.FuncDecl, name string) int {
	if in == nil {
		return -1
	}
	i := 0
	for _, group := range in.Type.Params.List {
		for _, param := range group.Names {
			if param.Name == name {
				return i
			}
			i++
		}
	}
	return -1
}

// constant gives the expression of the package's constant of that name, or nil.
func (p *sourcePackage) constant(name string) ast.Expr {
	for _, f := range p.files {
		for _, decl := range f.tree.Decls {
			g, ok := decl.(*ast.GenDecl)
			if !ok || g.Tok != token.CONST {
				continue
			}
			for _, spec := range g.Specs {
				v := spec.(*ast.ValueSpec)
				for i, n := range v.Names {
					if n.Name == name && i < len(v.Values) {
						return v.Values[i]
					}
				}
			}
		}
	}
	return nil
}

// arguments gives what the package's calls of the function have for its i-th
// parameter. An exported function may be called from elsewhere, so its parameters
// cannot be known.
func (p *sourcePackage) arguments(fn *ast.FuncDecl, i, depth int) (all []string, err error) {
	if fn.Name.IsExported() {
		return nil, fmt.Errorf("it is a parameter of the exported %s", fn.Name.Name)
	}
	for _, f := range p.files {
		for _, decl := range f.tree.Decls {
			in, _ := decl.(*ast.FuncDecl)
			ast.Inspect(decl, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if !ok || err != nil || calledName(call) != fn.Name.Name || i >= len(call.Args) {
					return err == nil
				}
				var found []string
				found, err = p.values(call.Args[i], in, depth+1)
				all = append(all, found...)
				return err == nil
			})
		}
	}
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("nothing calls %s", fn.Name.Name)
	}
	return all, err
}

func calledName(call *ast.CallExpr) string {
	switch fn := call.Fun.(type) {
	case *ast.Ident:
		return fn.Name
	case *ast.SelectorExpr:
		return fn.Sel.Name
	}
	return ""
}
