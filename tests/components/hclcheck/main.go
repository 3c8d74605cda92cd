// Hclcheck evaluates a Terraform module by the library that Terraform reads its files with, as far as that goes without
// providers: validations of variables, locals, and every attribute of resources and data. What only a provider knows
// (an ARN, a rendered policy) is a text that says so.
//
//	hclcheck FOLDER < arguments.json
//
// It prints {"refused": [messages of validations that do not hold], "wrong": [what cannot be evaluated], "locals": {…}}.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// Of a resource, what is known before it is made: attributes that a provider gives, by name.
var computed = []string{"arn", "id", "json", "bucket", "name", "namespace", "version"}

type result struct {
	Refused []string                   `json:"refused"`
	Wrong   []string                   `json:"wrong"`
	Locals  map[string]json.RawMessage `json:"locals"`
}

type module struct {
	blocks  []*hclsyntax.Block
	context *hcl.EvalContext
	result  result
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: hclcheck FOLDER < arguments.json")
		os.Exit(2)
	}
	if err := run(os.Args[1], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(folder string, in io.Reader, out io.Writer) error {
	m := &module{
		context: &hcl.EvalContext{Functions: functions(), Variables: map[string]cty.Value{}},
		result:  result{Refused: []string{}, Wrong: []string{}, Locals: map[string]json.RawMessage{}},
	}
	if err := m.parse(folder); err != nil {
		return err
	}
	if err := m.variables(in); err != nil {
		return err
	}
	m.resources()
	if err := m.locals(); err != nil {
		return err
	}
	m.attributes()
	return json.NewEncoder(out).Encode(m.result)
}

func (m *module) parse(folder string) error {
	files, err := filepath.Glob(filepath.Join(folder, "*.tf"))
	if err != nil {
		return err
	}
	parser := hclparse.NewParser()
	for _, name := range files {
		file, problems := parser.ParseHCLFile(name)
		if problems.HasErrors() {
			return problems
		}
		m.blocks = append(m.blocks, file.Body.(*hclsyntax.Body).Blocks...)
	}
	return nil
}

// Arguments, defaults of those that are not given, and what the validations say.
func (m *module) variables(in io.Reader) error {
	var given map[string]json.RawMessage
	if err := json.NewDecoder(in).Decode(&given); err != nil {
		return err
	}
	values := map[string]cty.Value{}
	for name, raw := range given {
		kind, err := ctyjson.ImpliedType(raw)
		if err != nil {
			return err
		}
		if values[name], err = ctyjson.Unmarshal(raw, kind); err != nil {
			return err
		}
	}
	for _, block := range m.of("variable") {
		if _, there := values[block.Labels[0]]; there {
			continue
		}
		standard, there := block.Body.Attributes["default"]
		if !there {
			return fmt.Errorf("%s is not given", block.Labels[0])
		}
		value, problems := standard.Expr.Value(m.context)
		if problems.HasErrors() {
			return problems
		}
		values[block.Labels[0]] = value
	}
	m.context.Variables["var"] = cty.ObjectVal(values)
	for _, block := range m.of("variable") {
		for _, rule := range block.Body.Blocks {
			holds, problems := rule.Body.Attributes["condition"].Expr.Value(m.context)
			if problems.HasErrors() {
				m.wrong(block.Labels, "condition", problems)
			} else if holds.False() {
				message, _ := rule.Body.Attributes["error_message"].Expr.Value(m.context)
				m.result.Refused = append(m.result.Refused, message.AsString())
			}
		}
	}
	return nil
}

// Every resource and data source under its name: one, or, where it has for_each, whichever key is asked for, or, where it
// has count, the first.
func (m *module) resources() {
	for _, kind := range []string{"resource", "data"} {
		types := map[string]map[string]cty.Value{}
		for _, block := range m.of(kind) {
			if types[block.Labels[0]] == nil {
				types[block.Labels[0]] = map[string]cty.Value{}
			}
			types[block.Labels[0]][block.Labels[1]] = unknown(block)
		}
		found := map[string]cty.Value{}
		for name, each := range types {
			found[name] = cty.ObjectVal(each)
		}
		if kind == "data" {
			m.context.Variables["data"] = cty.ObjectVal(found)
			continue
		}
		for name, each := range found {
			m.context.Variables[name] = each
		}
	}
	m.context.Variables["path"] = cty.ObjectVal(map[string]cty.Value{"module": cty.StringVal(".")})
}

func unknown(block *hclsyntax.Block) cty.Value {
	of := func(key string) cty.Value {
		attributes := map[string]cty.Value{}
		for _, name := range computed {
			attributes[name] = cty.StringVal(strings.Join([]string{block.Labels[0], key, name}, "/"))
		}
		return cty.ObjectVal(attributes)
	}
	if _, counted := block.Body.Attributes["count"]; counted {
		return cty.TupleVal([]cty.Value{of(block.Labels[1])})
	}
	if _, many := block.Body.Attributes["for_each"]; !many {
		return of(block.Labels[1])
	}
	instances := map[string]cty.Value{}
	for _, key := range []string{
		"gateway", "notary", "monitor", "controller", "auditor", "eraser", "sealed", "archive", "payloads", "buckets",
	} {
		instances[key] = of(key)
	}
	return cty.MapVal(instances)
}

// Locals refer to each other: those that can be evaluated are, until nothing more can.
func (m *module) locals() error {
	left := map[string]hcl.Expression{}
	for _, block := range m.of("locals") {
		for name, attribute := range block.Body.Attributes {
			left[name] = attribute.Expr
		}
	}
	done := map[string]cty.Value{}
	for len(left) > 0 {
		m.context.Variables["local"] = cty.ObjectVal(done)
		before := len(left)
		var last hcl.Diagnostics
		for name, expression := range left {
			value, problems := expression.Value(m.context)
			if problems.HasErrors() {
				last = problems
				continue
			}
			raw, err := ctyjson.Marshal(value, value.Type())
			if err != nil {
				return err
			}
			m.result.Locals[name] = raw
			done[name] = value
			delete(left, name)
		}
		if len(left) == before {
			m.wrong([]string{"locals"}, "", last)
			return nil
		}
	}
	m.context.Variables["local"] = cty.ObjectVal(done)
	return nil
}

func (m *module) attributes() {
	for _, block := range m.blocks {
		switch block.Type {
		case "output":
			m.body(block.Labels, block.Body, m.context)
		case "resource", "data":
			m.instances(block)
		}
	}
}

func (m *module) instances(block *hclsyntax.Block) {
	many, there := block.Body.Attributes["for_each"]
	if !there {
		m.body(block.Labels, block.Body, m.context)
		return
	}
	each, problems := many.Expr.Value(m.context)
	if problems.HasErrors() {
		m.wrong(block.Labels, "for_each", problems)
		return
	}
	for it := each.ElementIterator(); it.Next(); {
		key, value := it.Element()
		m.body(block.Labels, block.Body, with(m.context, "each", map[string]cty.Value{"key": key, "value": value}))
	}
}

func (m *module) body(labels []string, body *hclsyntax.Body, context *hcl.EvalContext) {
	for name, attribute := range body.Attributes {
		if name == "for_each" || name == "depends_on" {
			continue
		}
		if _, problems := attribute.Expr.Value(context); problems.HasErrors() {
			m.wrong(labels, name, problems)
		}
	}
	for _, block := range body.Blocks {
		if block.Type != "dynamic" {
			m.body(labels, block.Body, context)
			continue
		}
		each, problems := block.Body.Attributes["for_each"].Expr.Value(context)
		if problems.HasErrors() {
			m.wrong(labels, "dynamic", problems)
			continue
		}
		for it := each.ElementIterator(); it.Next(); {
			_, value := it.Element()
			for _, content := range block.Body.Blocks {
				m.body(labels, content.Body, with(context, block.Labels[0], map[string]cty.Value{"value": value}))
			}
		}
	}
}

func (m *module) of(kind string) []*hclsyntax.Block {
	var found []*hclsyntax.Block
	for _, block := range m.blocks {
		if block.Type == kind {
			found = append(found, block)
		}
	}
	return found
}

func (m *module) wrong(labels []string, name string, problems hcl.Diagnostics) {
	m.result.Wrong = append(m.result.Wrong, fmt.Sprintf("%s %s: %s", strings.Join(labels, "."), name, problems.Error()))
}

func with(context *hcl.EvalContext, name string, values map[string]cty.Value) *hcl.EvalContext {
	child := context.NewChild()
	child.Variables = map[string]cty.Value{name: cty.ObjectVal(values)}
	return child
}

// Terraform's functions that the module uses; most of them are the library's own.
func functions() map[string]function.Function {
	return map[string]function.Function{
		"alltrue": function.New(&function.Spec{
			Params: []function.Parameter{{Name: "list", Type: cty.List(cty.Bool)}},
			Type:   function.StaticReturnType(cty.Bool),
			Impl: func(given []cty.Value, _ cty.Type) (cty.Value, error) {
				for _, each := range given[0].AsValueSlice() {
					if each.False() {
						return cty.False, nil
					}
				}
				return cty.True, nil
			},
		}),
		"can":         tryfunc.CanFunc,
		"concat":      stdlib.ConcatFunc,
		"contains":    stdlib.ContainsFunc,
		"distinct":    stdlib.DistinctFunc,
		"flatten":     stdlib.FlattenFunc,
		"floor":       stdlib.FloorFunc,
		"jsondecode":  stdlib.JSONDecodeFunc,
		"length":      stdlib.LengthFunc,
		"merge":       stdlib.MergeFunc,
		"regex":       stdlib.RegexFunc,
		"startswith":  ofTexts(strings.HasPrefix),
		"strcontains": ofTexts(strings.Contains),
		"toset":       stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)),
		"tostring":    stdlib.MakeToFunc(cty.String),
		"trimprefix":  stdlib.TrimPrefixFunc,
		"values":      stdlib.ValuesFunc,
		"yamlencode":  stdlib.JSONEncodeFunc, // JSON is YAML
	}
}

func ofTexts(holds func(string, string) bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "text", Type: cty.String}, {Name: "part", Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(given []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(holds(given[0].AsString(), given[1].AsString())), nil
		},
	})
}
