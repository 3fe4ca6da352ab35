package main

import (
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/millicent-one/signer/keystore"
)

// lock DIR IDENTITY holds a keystore as a running daemon does, to the end of
// the script.
func lock(ts *testscript.TestScript, _ bool, args []string) {
	s, err := keystore.Open(ts.MkAbs(args[0]), keystore.Identity(ts.MkAbs(args[1])))
	ts.Check(err)
	ts.Defer(func() { ts.Check(s.Close()) })
}
