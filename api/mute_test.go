package api_test

import (
	"net"
	"testing"
	"time"
)

// Who is connected and asks nothing doesn't hold up a server that ends. A process that
// is stopped for a moment measures too much: one of three is enough.
func TestMuteConnectionsDontHoldUpTheEnd(t *testing.T) {
	const soon = time.Second // the server waits three for what is asked
	took := time.Duration(0)
	for range 3 {
		path, c, stop := serve(t, &fake{})
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		c.Status(t.Context()) // the server has accepted the one before
		began := time.Now()
		stop()
		if took = time.Since(began); took < soon {
			return
		}
	}
	t.Errorf("the end took %s", took)
}
