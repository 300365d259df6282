package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"parley/mls/suite"
	"parley/mls/vector"
	"parley/mls/wire"
)

func mlsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "mls",
		Short: "Tools around the MLS engine",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	vectors := &cobra.Command{
		Use:   "vectors",
		Short: "Test vectors in the MLS working group's JSON format",
		Args:  noArgs,
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	vectors.AddCommand(vectorsVerifyCommand(), vectorsGenerateCommand())
	c.AddCommand(vectors)
	return c
}

// vectorFlags are what both commands take.
type vectorFlags struct {
	kinds  []string
	suite  uint16
	hybrid []string
	json   *bool
}

func (f *vectorFlags) add(c *cobra.Command) {
	c.Flags().StringSliceVar(&f.kinds, "type", nil, "only these types: "+strings.Join(vector.Kinds(), ", "))
	c.Flags().Uint16Var(&f.suite, "suite", 0, "only this cipher suite; 0 means all that are offered")
	c.Flags().StringSliceVar(&f.hybrid, "hybrid", nil, "offer a hybrid post-quantum suite too, with a number of its own: NAME or NAME=0xf701")
	f.json = jsonFlag(c)
}

// options reads the flags.
func (f *vectorFlags) options() (vector.Options, error) {
	table, err := suiteTable(f.hybrid)
	if err != nil {
		return vector.Options{}, usageError{fmt.Errorf("--hybrid: %w", err)}
	}
	o := vector.Options{Suites: table, Only: wire.CipherSuite(f.suite)}
	if o.Only != 0 && !slices.Contains(table.All(), o.Only) {
		return o, usageError{fmt.Errorf("--suite: %d is not among the suites %v", f.suite, table.All())}
	}
	for _, kind := range f.kinds {
		if !slices.Contains(vector.Kinds(), kind) {
			return o, usageError{fmt.Errorf("--type: %q is none of %s", kind, strings.Join(vector.Kinds(), ", "))}
		}
	}
	return o, nil
}

// parsePoint reads NAME or NAME=NUMBER.
func parsePoint(text string) (suite.Point, error) {
	name, number, given := strings.Cut(text, "=")
	p := suite.Point{Hybrid: suite.Hybrid(name)}
	if !given {
		return p, nil
	}
	var id uint16
	if _, err := fmt.Sscanf(number, "0x%x", &id); err != nil || id == 0 {
		return p, fmt.Errorf("%q is not a number like 0xf701", number)
	}
	p.ID = wire.CipherSuite(id)
	return p, nil
}

func vectorsVerifyCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "verify FILE|DIR...",
		Short: "Check files of test vectors",
		Long: `Check files of test vectors against this engine. The type of a file is its name without ".json", or the one given with --type; of a
directory all files of known types are checked. Cases of cipher suites that are not offered are skipped and counted.

Exit code 0 when every case that was not skipped holds and at least one was checked, else 1.`,
		Example: "  parley mls vectors verify --suite 1 test-vectors/",
	}
	var f vectorFlags
	f.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return exactArgs(1)(c, args)
		}
		o, err := f.options()
		if err != nil {
			return err
		}
		files, err := f.files(args)
		if err != nil {
			return err
		}
		return f.verify(c, files, o)
	}
	return c
}

// vectorFile is a file with its type.
type vectorFile struct{ path, kind string }

// files finds what the arguments name.
func (f *vectorFlags) files(args []string) ([]vectorFile, error) {
	var out []vectorFile
	for _, path := range args {
		info, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !info.IsDir() {
			kind := strings.TrimSuffix(filepath.Base(path), ".json")
			if len(f.kinds) == 1 {
				kind = f.kinds[0]
			}
			if !slices.Contains(vector.Kinds(), kind) {
				return nil, usageError{fmt.Errorf("%s: its name is no type of vectors; say it with --type", path)}
			}
			out = append(out, vectorFile{path, kind})
			continue
		}
		for _, kind := range vector.Kinds() {
			name := filepath.Join(path, kind+".json")
			if _, err := os.Stat(name); err == nil && (len(f.kinds) == 0 || slices.Contains(f.kinds, kind)) {
				out = append(out, vectorFile{name, kind})
			}
		}
	}
	if len(out) == 0 {
		return nil, errors.New("no file of test vectors there")
	}
	return out, nil
}

// vectorResult is the result of one file.
type vectorResult struct {
	File string `json:"file"`
	*vector.Result
}

var errVectors = errors.New("some vectors do not hold")

func (f *vectorFlags) verify(c *cobra.Command, files []vectorFile, o vector.Options) error {
	results := []vectorResult{}
	passed, failed := 0, 0
	for _, file := range files {
		text, err := os.ReadFile(file.path)
		if err != nil {
			return err
		}
		r, err := vector.Verify(file.kind, text, o)
		if err != nil {
			return fmt.Errorf("%s: %w", file.path, err)
		}
		results = append(results, vectorResult{file.path, r})
		passed, failed = passed+r.Passed, failed+len(r.Failed)
		if *f.json {
			continue
		}
		if err := printVectors(c, file, r); err != nil {
			return err
		}
	}
	if *f.json {
		if err := printJSON(c, results); err != nil {
			return err
		}
	}
	switch {
	case failed > 0:
		return errVectors
	case passed == 0:
		return errors.New("every case is of a suite that is not offered or not asked for; nothing was checked")
	}
	return nil
}

func printVectors(c *cobra.Command, file vectorFile, r *vector.Result) error {
	if err := printf(c, "%-32s %4d passed, %d failed, %d skipped\n", file.kind, r.Passed, len(r.Failed), r.Skipped); err != nil {
		return err
	}
	for _, x := range r.Failed {
		if err := printf(c, "  case %d, suite %d: %s\n", x.Case, x.Suite, x.Error); err != nil {
			return err
		}
	}
	return nil
}

func vectorsGenerateCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "generate FILE|DIR",
		Short: "Make files of test vectors",
		Long: `Make test vectors that nobody has seen before, for another engine to check. A directory gets one file for each type, a file ending in
.json the vectors of its type. Files that exist are replaced. All keys in them are made for the purpose.`,
		Example: "  parley mls vectors generate --type treekem --suite 2 treekem.json",
		Args:    exactArgs(1),
	}
	var f vectorFlags
	f.add(c)
	c.RunE = func(c *cobra.Command, args []string) error {
		o, err := f.options()
		if err != nil {
			return err
		}
		files, err := f.targets(args[0])
		if err != nil {
			return err
		}
		return f.generate(c, files, o)
	}
	return c
}

// targets are the files to make.
func (f *vectorFlags) targets(path string) ([]vectorFile, error) {
	if strings.HasSuffix(path, ".json") {
		kind := strings.TrimSuffix(filepath.Base(path), ".json")
		if len(f.kinds) == 1 {
			kind = f.kinds[0]
		}
		if !slices.Contains(vector.Kinds(), kind) || len(f.kinds) > 1 {
			return nil, usageError{fmt.Errorf("%s: its name is no type of vectors; say one with --type", path)}
		}
		return []vectorFile{{path, kind}}, nil
	}
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, err
	}
	var out []vectorFile
	for _, kind := range vector.Kinds() {
		if len(f.kinds) == 0 || slices.Contains(f.kinds, kind) {
			out = append(out, vectorFile{filepath.Join(path, kind+".json"), kind})
		}
	}
	return out, nil
}

func (f *vectorFlags) generate(c *cobra.Command, files []vectorFile, o vector.Options) error {
	made := []string{}
	for _, file := range files {
		text, err := vector.Generate(file.kind, o)
		if err != nil {
			return err
		}
		if err := os.WriteFile(file.path, append(text, '\n'), 0o644); err != nil {
			return err
		}
		made = append(made, file.path)
		if *f.json {
			continue
		}
		if err := printf(c, "made  %s\n", file.path); err != nil {
			return err
		}
	}
	if *f.json {
		return printJSON(c, made)
	}
	return nil
}
