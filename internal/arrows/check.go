package arrows

import (
	"fmt"
	"go/ast"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
)

// Check compares the sources with the plan. Each complaint is one line that
// begins with the place.
func Check(plan map[string]Room, sources []Source) []string {
	var out []string
	seen := map[string]bool{}
	for _, s := range sources {
		room, ok := plan[s.Room]
		if !ok {
			if !seen[s.Room] {
				out = append(out, fmt.Sprintf("%s: not in the plan: say in internal/arrows/plan.go what it may import", s.Room))
			}
			seen[s.Room] = true
			continue
		}
		seen[s.Room] = true
		out = append(out, checkFile(room, s)...)
	}
	for _, name := range slices.Sorted(maps.Keys(plan)) {
		if !seen[name] {
			out = append(out, fmt.Sprintf("%s: in the plan, but there is no such room", name))
		}
	}
	return out
}

func checkFile(room Room, s Source) []string {
	var out []string
	complain := func(n ast.Node, format string, args ...any) {
		line := s.Set.Position(n.Pos()).Line
		out = append(out, fmt.Sprintf("%s/%s:%d: ", s.Room, s.Name, line)+fmt.Sprintf(format, args...))
	}

	aliases := map[string]string{} // name in this file -> path, for the clocks
	for _, spec := range s.AST.Imports {
		to, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			complain(spec, "import path %s: %v", spec.Path.Value, err)
			continue
		}
		name := path.Base(to)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		aliases[name] = to

		if ours, ok := strings.CutPrefix(to, Module+"/"); ok {
			if !allowed(room, s, ours) {
				complain(spec, "%s may not import %s", s.Room, ours)
			}
			continue
		}
		rooms := owner(to)
		if s.Test && !strings.HasPrefix(to, engine) {
			rooms = nil
		}
		if rooms != nil && !slices.Contains(rooms, s.Room) {
			complain(spec, "%s belongs to %s alone", to, strings.Join(rooms, ", "))
		}
		if s.Test {
			continue
		}
		if room.Pure && slices.Contains(forbidden, to) {
			complain(spec, "%s is pure: no %s here", s.Room, to)
		}
		if room.Timeless && name == "." && clocks[to] != nil {
			complain(spec, "%s has no clock: no dot import of %s", s.Room, to)
		}
	}
	if s.Test {
		return out
	}
	ast.Inspect(s.AST, func(n ast.Node) bool {
		if starts(n) && room.Goroutines != nil && !slices.Contains(room.Goroutines, s.Name) {
			complain(n, "%s starts no goroutine here", s.Room)
		}
		if sel, ok := n.(*ast.SelectorExpr); ok && room.Timeless {
			x, ok := sel.X.(*ast.Ident)
			if ok && slices.Contains(clocks[aliases[x.Name]], sel.Sel.Name) {
				complain(n, "%s has no clock: no %s.%s, the time comes in", s.Room, x.Name, sel.Sel.Name)
			}
		}
		return true
	})
	return out
}

// starts reports whether n starts a goroutine: a go statement, or a call of a
// method Go, as sync.WaitGroup has it.
func starts(n ast.Node) bool {
	if _, ok := n.(*ast.GoStmt); ok {
		return true
	}
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return false
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	return ok && sel.Sel.Name == "Go"
}

func allowed(room Room, s Source, to string) bool {
	if room.Any || slices.Contains(room.Imports, to) {
		return true
	}
	if !s.Test {
		return false
	}
	return to == s.Room || strings.HasPrefix(to, s.Room+"/") ||
		slices.Contains(testRooms, to) || slices.Contains(room.Tests, to)
}

// owner returns the rooms that alone may import the path, nil for no rule.
func owner(path string) []string {
	var rooms []string
	longest := 0
	for prefix, r := range owners() {
		if strings.HasPrefix(path, prefix) && len(prefix) > longest {
			rooms, longest = r, len(prefix)
		}
	}
	return rooms
}
