package node_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/node"
)

// secretsOf are the numbers of a stored share that nobody else may know.
func secretsOf(t *testing.T, stored []byte) map[string]*big.Int {
	t.Helper()
	var e struct {
		Kind    string
		Version uint64
		Sum     common.Hash
		Body    rlp.RawValue
	}
	var parts []rlp.RawValue
	err := rlp.DecodeBytes(stored, &e)
	if err == nil {
		err = rlp.DecodeBytes(e.Body, &parts)
	}
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*big.Int{}
	for i, name := range []string{"first prime of Paillier", "second prime of Paillier", "p", "q", "alpha", "beta", "the share"} {
		n := new(big.Int)
		if err := rlp.DecodeBytes(parts[5+i], n); err != nil || n.BitLen() < 200 {
			t.Fatalf("%s: %d bits, %v", name, n.BitLen(), err)
		}
		out[name] = n
	}
	return out
}

// guises are the forms in which a number is written by mistake. Its beginning is enough:
// what is long is cut.
func guises(n *big.Int) map[string]string {
	quoted, b := strconv.Quote(string(n.Bytes())), n.Bytes()[:16]
	out := map[string]string{
		"bytes": string(b), "quoted": quoted[1:25], "list": strings.Trim(fmt.Sprint(b), "[]"), "decimal": n.String()[:36],
		"hex": hex.EncodeToString(b), "HEX": strings.ToUpper(hex.EncodeToString(b)),
	}
	for k := range 3 { // wherever in the text it begins
		for name, enc := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
			out[name+strconv.Itoa(k)] = enc.EncodeToString(append(make([]byte, k), b...))[(8*k+5)/6 : 8*(k+len(b))/6]
		}
	}
	return out
}

// leaks looks for secrets in what anyone may read.
func leaks(text []byte, secrets map[string]*big.Int) (found []string) {
	for name, n := range secrets {
		for form, s := range guises(n) {
			if bytes.Contains(text, []byte(s)) {
				found = append(found, name+" as "+form)
			}
		}
	}
	return found
}

// debugLog writes all that a daemon says in either of its formats.
func debugLog(text, lines *bytes.Buffer) *slog.Logger {
	o := &slog.HandlerOptions{Level: slog.LevelDebug}
	return slog.New(slog.NewMultiHandler(slog.NewTextHandler(text, o), slog.NewJSONHandler(lines, o)))
}

// Nothing of a share is in what a node says or writes, but sealed: its log when it says
// most, its events, its status, and every file of its, after a key generation and a
// signature.
func TestNoSecretIsTold(t *testing.T) {
	c := smallCabinet(t)
	c.opens()
	c.genesis, c.shares = nil, nil
	ids := c.size.IDs()
	logs := map[council.MemberID]*[2]bytes.Buffer{}
	for _, m := range ids {
		logs[m] = new([2]bytes.Buffer)
		c.change[m] = func(cfg *node.Config) { cfg.Log = debugLog(&logs[m][0], &logs[m][1]) }
		c.start(m)
	}
	for m, d := range c.drawn(ids) {
		if d.err != nil {
			t.Fatalf("%s: %v", m, d.err)
		}
		c.genesis = &d.genesis
	}
	c.signs("all is well", "member-01", "member-01", "member-02")
	secrets, said := map[string]*big.Int{}, map[string][]byte{}
	for _, m := range ids {
		r := c.rooms[m]
		_, stored, err := r.keys.Current()
		if err != nil {
			t.Fatal(err)
		}
		for name, n := range secretsOf(t, stored) {
			secrets[name+" of "+string(m)] = n
		}
		status, err := r.Status(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(status)
		if err != nil {
			t.Fatal(err)
		}
		said["status of "+string(m)] = b
		var events bytes.Buffer
		end := errors.New("the end")
		r.Tell("test", end.Error())
		if err := r.Events(t.Context(), 0, func(e api.Event) error {
			if e.Text == end.Error() {
				return end
			}
			return json.NewEncoder(&events).Encode(e)
		}); !errors.Is(err, end) {
			t.Fatal(err)
		}
		said["events of "+string(m)] = events.Bytes()
	}
	for _, m := range ids {
		c.stop(m)
		said["log of "+string(m)] = bytes.Join([][]byte{logs[m][0].Bytes(), logs[m][1].Bytes()}, nil)
		if err := filepath.WalkDir(c.path(m, ""), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			said[path], err = os.ReadFile(path)
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	for what, text := range said {
		if len(text) == 0 && strings.HasPrefix(what, "log") {
			t.Errorf("the %s is empty", what)
		}
		for _, found := range leaks(text, secrets) {
			t.Errorf("%s has %s", what, found)
		}
	}

	// It would have been found.
	for name, n := range secrets {
		b := n.Bytes()
		for what, value := range map[string]any{"bytes": b, "number": n, "hex": common.Bytes2Hex(b), "list": fmt.Sprint(b), "url": base64.URLEncoding.EncodeToString(append([]byte("s="), b...))} {
			var text, lines bytes.Buffer
			debugLog(&text, &lines).Info("a slip", "value", value)
			for _, told := range [][]byte{text.Bytes(), lines.Bytes()} {
				if len(leaks(told, map[string]*big.Int{name: n})) == 0 {
					t.Errorf("%s in %s: nothing is found", what, told)
				}
			}
		}
	}
}
