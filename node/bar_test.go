package node_test

import (
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/node"
)

// Whoever puts the bar down waits for who is passing it, and then nobody passes.
func TestBar(t *testing.T) {
	var b node.Bar
	var order []string
	inside, leave, passed, down := make(chan struct{}), make(chan struct{}), make(chan error), make(chan struct{})
	go func() {
		passed <- b.Pass(func() error {
			close(inside)
			<-leave
			order = append(order, "revealed")
			return nil
		})
	}()
	<-inside
	go func() {
		b.Down()
		order = append(order, "ledger read")
		close(down)
	}()
	for late := time.After(minute); !blocked("(*bar).set("); {
		select {
		case <-down:
			t.Fatal("the bar is down, and somebody is passing it")
		case <-late:
			t.Fatal("whoever puts the bar down neither waits nor goes on")
		default:
			runtime.Gosched()
		}
	}
	close(leave)
	if err := <-passed; err != nil {
		t.Error(err)
	}
	<-down
	if !slices.Equal(order, []string{"revealed", "ledger read"}) {
		t.Errorf("%v", order)
	}
	if err := b.Pass(func() error { t.Error("passed a bar that is down"); return nil }); err == nil || council.Hint(err) == "" {
		t.Errorf("%v", err)
	}
}

// blocked reports whether a goroutine is held up in a function.
func blocked(in string) bool {
	buf := make([]byte, 1<<20)
	return slices.ContainsFunc(strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n"), func(g string) bool {
		head, calls, _ := strings.Cut(g, "\n")
		return strings.Contains(calls, in) && !atWork.MatchString(head)
	})
}

// atWork is in the first line about a goroutine that waits for nothing.
var atWork = regexp.MustCompile(`\[(running|runnable)`)
