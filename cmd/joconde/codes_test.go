package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
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

// Every code that our source can give has a page, and the pages say what the
// source says. Write them again with: go test ./cmd/joconde -run EveryCode -update
func TestEveryCodeHasItsPage(t *testing.T) {
	found := codesOfSource(t, "../..")
	if *update {
		if err := os.WriteFile("codes.go", codesFile(found), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	had := map[string]page{}
	for _, p := range pages {
		had[p.Code] = p
	}
	for _, code := range slices.Sorted(maps.Keys(found)) {
		switch p, has := had[code]; {
		case !has:
			t.Errorf("%s has no page: run go test ./cmd/joconde -run EveryCode -update", code)
		case p != found[code]:
			t.Errorf("the page of %s does not say what the source says: run go test ./cmd/joconde -run EveryCode -update", code)
		}
		if families[code[4]] == "" {
			t.Errorf("%s is of no family: add a line in explain.go", code)
		}
		if found[code].What == "" {
			t.Errorf("nothing in the source says what %s means", code)
		}
	}
	for code := range had {
		if _, is := found[code]; !is {
			t.Errorf("%s has a page and is in no source: run go test ./cmd/joconde -run EveryCode -update", code)
		}
	}
}

func codesFile(found map[string]page) []byte {
	var b bytes.Buffer
	b.WriteString("// Code generated from the source of all errors by codes_test.go. DO NOT EDIT.\n\npackage main\n\n" +
		"// pages are all codes in order; … stands for what an error says of its case.\nvar pages = []page{\n")
	for _, code := range slices.Sorted(maps.Keys(found)) {
		p := found[code]
		fmt.Fprintf(&b, "{%q, %s, %s, %s},\n", p.Code, strconv.Quote(p.What), strconv.Quote(p.Why), strconv.Quote(p.Do))
	}
	b.WriteString("}\n")
	text, err := format.Source(b.Bytes())
	if err != nil {
		panic(err)
	}
	return text
}

// reader reads what errors say out of the syntax trees of our packages. It
// follows the functions through which a code goes until it stands in a
// Problem, with what was given to them.
type reader struct {
	funcs  map[string][]*ast.FuncDecl // by name
	home   map[*ast.FuncDecl]string   // the folder of a function
	values map[string]ast.Expr        // by folder and name: constants and variables of packages
	found  map[string]page
}

var isCode = regexp.MustCompile(`^JOC-[A-Z][0-9]+$`)

func codesOfSource(t *testing.T, root string) map[string]page {
	t.Helper()
	r := &reader{map[string][]*ast.FuncDecl{}, map[*ast.FuncDecl]string{}, map[string]ast.Expr{}, map[string]page{}}
	files := map[string]*ast.File{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name := d.Name(); name == "testdata" || len(name) > 2 && name[0] == '.' {
				return filepath.SkipDir
			}
			return nil
		}
		name := d.Name()
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") || path == filepath.Join(root, "cmd/joconde/codes.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files[path] = file
		r.declarations(filepath.Dir(path), file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		r.codes(filepath.Dir(path), files[path])
	}
	r.rulesOfTables(filepath.Join(root, "dplane/table"), files)
	return r.found
}

func (r *reader) declarations(dir string, file *ast.File) {
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			r.funcs[d.Name.Name] = append(r.funcs[d.Name.Name], d)
			r.home[d] = dir
		case *ast.GenDecl:
			for _, s := range d.Specs {
				if v, is := s.(*ast.ValueSpec); is && len(v.Values) == len(v.Names) {
					for i, name := range v.Names {
						r.values[dir+" "+name.Name] = v.Values[i]
					}
				}
			}
		}
	}
}

// codes finds each code that is written out, and what stands around it.
func (r *reader) codes(dir string, file *ast.File) {
	var stack []ast.Node
	ast.Inspect(file, func(n ast.Node) bool {
		if n == nil {
			stack = stack[:len(stack)-1]
			return true
		}
		stack = append(stack, n)
		lit, is := n.(*ast.BasicLit)
		if !is || lit.Kind != token.STRING {
			return true
		}
		code, err := strconv.Unquote(lit.Value)
		if err != nil || !isCode.MatchString(code) {
			return true
		}
		if _, has := r.found[code]; !has {
			r.found[code] = page{Code: code}
		}
		for i := len(stack) - 2; i >= 0; i-- {
			if p, ok := r.around(dir, stack[i], code, map[string]string{}, 0); ok {
				r.keep(p)
				break
			}
		}
		return true
	})
}

// keep keeps the page that says most.
func (r *reader) keep(p page) {
	had := r.found[p.Code]
	says := func(p page) (n int) {
		for _, text := range []string{p.What, p.Why, p.Do} {
			if strings.Trim(text, "… ") != "" {
				n++
			}
		}
		return n
	}
	if says(p) > says(had) || had.What == "" {
		r.found[p.Code] = p
	}
}

// around reads a page from the node in which a code stands.
func (r *reader) around(dir string, n ast.Node, code string, env map[string]string, depth int) (page, bool) {
	p := page{Code: code}
	fill := func(name string, text string) {
		switch name {
		case "What", "what":
			p.What = text
		case "Why", "why":
			p.Why = text
		case "Do", "do":
			p.Do = text
		}
	}
	switch n := n.(type) {
	case *ast.CompositeLit:
		plain := 0
		for _, e := range n.Elts {
			if kv, is := e.(*ast.KeyValueExpr); is {
				if key, is := kv.Key.(*ast.Ident); is {
					fill(key.Name, r.text(dir, kv.Value, env))
				}
				if r.text(dir, kv.Value, env) == code && p.What == "" { // a list of errors with their codes
					p.What = strings.TrimPrefix(r.text(dir, kv.Key, env), "Code")
				}
				continue
			}
			if text := r.text(dir, e, env); text != code && strings.Contains(text, " ") { // a row of a table
				fill([]string{"What", "Why", "Do"}[min(plain, 2)], text)
				plain++
			}
		}
		return p, p.What != ""
	case *ast.AssignStmt:
		for i := range n.Lhs {
			if field, is := n.Lhs[i].(*ast.SelectorExpr); is && len(n.Rhs) == len(n.Lhs) {
				fill(field.Sel.Name, r.text(dir, n.Rhs[i], env))
			}
		}
		return p, p.What != ""
	case *ast.CallExpr:
		return r.called(dir, n, code, env, depth)
	}
	return p, false
}

// called follows a code into the function that it is given to.
func (r *reader) called(dir string, call *ast.CallExpr, code string, env map[string]string, depth int) (page, bool) {
	name := ""
	switch f := call.Fun.(type) {
	case *ast.Ident:
		name = f.Name
	case *ast.SelectorExpr:
		name = f.Sel.Name
	}
	near := slices.SortedStableFunc(slices.Values(r.funcs[name]), func(a, b *ast.FuncDecl) int {
		return strings.Compare(fmt.Sprint(r.home[a] != dir), fmt.Sprint(r.home[b] != dir))
	})
	for _, f := range near {
		inner := map[string]string{}
		i := 0
		for _, field := range f.Type.Params.List {
			for _, param := range field.Names {
				if i < len(call.Args) {
					inner[param.Name] = r.text(dir, call.Args[i], env)
				}
				i++
			}
		}
		if !slices.Contains(slices.Collect(maps.Values(inner)), code) {
			continue
		}
		best := page{Code: code, What: inner["what"], Why: inner["why"], Do: inner["do"]}
		if depth < 4 && f.Body != nil {
			ast.Inspect(f.Body, func(n ast.Node) bool {
				if !mentions(n, inner, code) {
					return true
				}
				if p, ok := r.around(r.home[f], n, code, inner, depth+1); ok {
					if best.What == "" || best.Why == "" || best.Do == "" {
						best = page{Code: code, What: either(p.What, best.What), Why: either(p.Why, best.Why), Do: either(p.Do, best.Do)}
					}
				}
				return true
			})
		}
		if best.What != "" {
			return best, true
		}
	}
	return page{}, false
}

func either(a, b string) string {
	if strings.Trim(a, "… ") != "" {
		return a
	}
	return b
}

// mentions says whether a call or a literal is directly given the code.
func mentions(n ast.Node, env map[string]string, code string) bool {
	given := func(e ast.Expr) bool {
		if kv, is := e.(*ast.KeyValueExpr); is {
			e = kv.Value
		}
		id, is := e.(*ast.Ident)
		return is && env[id.Name] == code
	}
	switch n := n.(type) {
	case *ast.CompositeLit:
		return slices.ContainsFunc(n.Elts, given)
	case *ast.CallExpr:
		return slices.ContainsFunc(n.Args, given)
	}
	return false
}

var verb = regexp.MustCompile(`%[-+# 0-9.]*[a-zA-Z]`)

// text is what an expression says, with … for what only a run knows.
func (r *reader) text(dir string, e ast.Expr, env map[string]string) string {
	switch e := e.(type) {
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil && e.Kind == token.STRING {
			return text
		}
	case *ast.ParenExpr:
		return r.text(dir, e.X, env)
	case *ast.BinaryExpr:
		if e.Op == token.ADD {
			return r.text(dir, e.X, env) + r.text(dir, e.Y, env)
		}
	case *ast.Ident:
		if text, has := env[e.Name]; has {
			return text
		}
		if value, has := r.values[dir+" "+e.Name]; has {
			return r.text(dir, value, nil)
		}
	case *ast.CallExpr:
		f, is := e.Fun.(*ast.SelectorExpr)
		switch {
		case is && f.Sel.Name == "Sprintf" && len(e.Args) > 0:
			return strings.ReplaceAll(verb.ReplaceAllString(r.text(dir, e.Args[0], env), "…"), "%%", "%")
		case is && f.Sel.Name == "New" && len(e.Args) == 1:
			return r.text(dir, e.Args[0], env)
		case is && f.Sel.Name == "Error" && len(e.Args) == 0:
			return r.text(dir, f.X, env)
		}
	}
	return "…"
}

// rulesOfTables reads what package table says of its rules: their numbers are
// the codes.
func (r *reader) rulesOfTables(dir string, files map[string]*ast.File) {
	numbers := map[string]string{}
	for _, file := range files {
		ast.Inspect(file, func(n ast.Node) bool {
			if v, is := n.(*ast.ValueSpec); is && len(v.Values) == 1 {
				if kind, is := v.Type.(*ast.Ident); is && kind.Name == "rule" {
					if lit, is := v.Values[0].(*ast.BasicLit); is && lit.Value != "0" {
						numbers[v.Names[0].Name] = lit.Value
					}
				}
			}
			return true
		})
	}
	rule := func(e ast.Expr) (code string, is bool) {
		id, is := e.(*ast.Ident)
		if !is || numbers[id.Name] == "" {
			return "", false
		}
		code = "JOC-D" + numbers[id.Name]
		if _, has := r.found[code]; !has {
			r.found[code] = page{Code: code}
		}
		return code, true
	}
	for _, path := range slices.Sorted(maps.Keys(files)) {
		if filepath.Dir(path) != dir {
			continue
		}
		ast.Inspect(files[path], func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.KeyValueExpr:
				code, is := rule(n.Key)
				if said, plain := n.Value.(*ast.CompositeLit); is && plain && len(said.Elts) == 4 {
					text := func(i int) string {
						return strings.ReplaceAll(verb.ReplaceAllString(r.text(dir, said.Elts[i], nil), "…"), "%%", "%")
					}
					r.keep(page{code, text(0), text(2), text(3)})
				}
			case *ast.CallExpr:
				if f, is := n.Fun.(*ast.SelectorExpr); is && len(n.Args) >= 4 && (f.Sel.Name == "whole" || f.Sel.Name == "problem") {
					if code, is := rule(n.Args[0]); is {
						last := n.Args[len(n.Args)-3:]
						r.keep(page{code, r.text(dir, last[0], nil), r.text(dir, last[1], nil), r.text(dir, last[2], nil)})
					}
				}
			}
			return true
		})
	}
}
