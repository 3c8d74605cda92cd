// Composecheck reads a Compose file as Docker Compose does, by its own library, and prints what it has understood:
// anchors merged, variables filled in (with defaults alone: nothing of the environment), short forms made long.
//
//	composecheck [-profile NAME]... FILE
//
// It exits 1, and says why, when the file is none, or names a service, network or volume that is not there.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"
)

func main() {
	profiles := flag.String("profiles", "*", "which profiles are on, separated by commas")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "usage: composecheck [-profiles NAMES] FILE")
		os.Exit(2)
	}
	if err := check(flag.Arg(0), strings.Split(*profiles, ",")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func check(file string, profiles []string) error {
	path, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	details := types.ConfigDetails{
		WorkingDir:  filepath.Dir(path),
		ConfigFiles: []types.ConfigFile{{Filename: path}},
		Environment: types.Mapping{},
	}
	project, err := loader.LoadWithContext(context.Background(), details, func(options *loader.Options) {
		options.Profiles = profiles
	})
	if err != nil {
		return err
	}
	content, err := project.MarshalJSON()
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(content)
	return err
}
