// Command dockerlint prints, as JSON, what BuildKit's own parser and linter make of a Dockerfile.
package main

import (
	"bytes"
	"encoding/json"
	"log"
	"os"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	"github.com/moby/buildkit/frontend/dockerfile/linter"
	"github.com/moby/buildkit/frontend/dockerfile/parser"
)

type stage struct {
	Name     string
	Base     string
	Commands []command
}

type command struct {
	Name string
	Text string
	Line int
	What any
}

func main() {
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	tree, err := parser.Parse(bytes.NewReader(text))
	if err != nil {
		log.Fatal(err)
	}
	warnings := []string{}
	lint := linter.New(&linter.Config{Warn: func(rule, _, _, message string, where []parser.Range) {
		warnings = append(warnings, rule+": "+message)
	}})
	stages, _, err := instructions.Parse(tree.AST, lint)
	if err != nil {
		log.Fatal(err)
	}
	found := []stage{}
	for _, each := range stages {
		one := stage{Name: each.Name, Base: each.BaseName}
		for _, cmd := range each.Commands {
			line := 0
			if at := cmd.Location(); len(at) > 0 {
				line = at[0].Start.Line
			}
			text := cmd.Name()
			if s, ok := cmd.(interface{ String() string }); ok {
				text = s.String()
			}
			one.Commands = append(one.Commands, command{cmd.Name(), text, line, cmd})
		}
		found = append(found, one)
	}
	if err := json.NewEncoder(os.Stdout).Encode(map[string]any{"stages": found, "warnings": warnings}); err != nil {
		log.Fatal(err)
	}
}
