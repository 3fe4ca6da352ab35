package arrows

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Source is one parsed file: the room it belongs to (its directory, relative
// to the root of the module, with slashes), its name, and its syntax.
type Source struct {
	Room string
	Name string
	Test bool
	AST  *ast.File
	Set  *token.FileSet
}

// Read parses every Go file of the module under root. Other modules inside it
// (tools), what npm installed, and test data are not part of it.
func Read(root string) ([]Source, error) {
	var out []Source
	set := token.NewFileSet()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			return enter(root, path, d.Name())
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		dir, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		file, err := parser.ParseFile(set, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return fmt.Errorf("parse %s: %w", path, err)
		}
		out = append(out, source(filepath.ToSlash(dir), d.Name(), set, file))
		return nil
	})
	return out, err
}

func source(room, name string, set *token.FileSet, file *ast.File) Source {
	return Source{Room: room, Name: name, Test: strings.HasSuffix(name, "_test.go"), AST: file, Set: set}
}

func enter(root, path, name string) error {
	if path == root {
		return nil
	}
	if name == "testdata" || name == "node_modules" || name == "bin" || strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") {
		return fs.SkipDir
	}
	if _, err := os.Stat(filepath.Join(path, "go.mod")); err == nil {
		return fs.SkipDir
	}
	return nil
}
