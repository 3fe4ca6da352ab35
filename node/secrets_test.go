package node_test

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"math/big"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
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
	return numbersOf(t, stored, map[int]string{
		5: "first prime of Paillier", 6: "second prime of Paillier", 7: "p", 8: "q", 9: "alpha", 10: "beta", 11: "the share",
	})
}

// primesOf are those of stored pre-parameters.
func primesOf(t *testing.T, stored []byte) map[string]*big.Int {
	t.Helper()
	return numbersOf(t, stored, map[int]string{0: "first prime of Paillier", 1: "second prime of Paillier", 2: "p", 3: "q", 5: "alpha", 6: "beta"})
}

// numbersOf are numbers of what is stored, named by the places at which they stand.
func numbersOf(t *testing.T, stored []byte, names map[int]string) map[string]*big.Int {
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
	for i, name := range names {
		n := new(big.Int)
		if err := rlp.DecodeBytes(parts[i], n); err != nil || n.BitLen() < 200 {
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
	type guise struct{ what, text string }
	by := make([][]guise, 1<<16) // its first two bytes
	for name, n := range secrets {
		for form, s := range guises(n) {
			k := int(s[0])<<8 | int(s[1])
			by[k] = append(by[k], guise{name + " as " + form, s})
		}
	}
	for i := range max(len(text)-1, 0) {
		for _, g := range by[int(text[i])<<8|int(text[i+1])] {
			if bytes.HasPrefix(text[i:], []byte(g.text)) && !slices.Contains(found, g.what) {
				found = append(found, g.what)
			}
		}
	}
	return found
}

// debugLog writes all that a daemon says in either of its formats.
func debugLog(text, lines io.Writer) *slog.Logger {
	o := &slog.HandlerOptions{Level: slog.LevelDebug}
	return slog.New(slog.NewMultiHandler(slog.NewTextHandler(text, o), slog.NewJSONHandler(lines, o)))
}

// diary keeps what is written to it, up to some MiB.
type diary struct {
	mu   sync.Mutex
	text []byte
}

func (d *diary) Write(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.text) < 8<<20 {
		d.text = append(d.text, b...)
	}
	return len(b), nil
}

func (d *diary) bytes() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return bytes.Clone(d.text)
}

// keeps has a node write all that it says into a diary, too.
func (d *diary) keeps(c *node.Config) {
	c.Log = slog.New(slog.NewMultiHandler(c.Log.Handler(), debugLog(d, d).Handler()))
}

// events are all that a node has told so far, as an owner reads it.
func (h *house) events(m council.MemberID) []byte {
	h.t.Helper()
	var out bytes.Buffer
	r, end := h.rooms[m], errors.New("the end of the events")
	text := fmt.Sprint(end, rand.Uint64()) // it may be asked again
	r.Tell("test", text)
	if err := r.Events(h.t.Context(), 0, func(e api.Event) error {
		if e.Text == text {
			return end
		}
		return json.NewEncoder(&out).Encode(e)
	}); !errors.Is(err, end) {
		h.t.Fatal(err)
	}
	return out.Bytes()
}

// files are those of a node, by their paths.
func (h *house) files(m council.MemberID) map[string][]byte {
	h.t.Helper()
	out := map[string][]byte{}
	if err := filepath.WalkDir(h.path(m, ""), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		out[path], err = os.ReadFile(path)
		return err
	}); err != nil {
		h.t.Fatal(err)
	}
	return out
}

// discreet holds that nothing of a share of the honest is in their logs, events and files,
// nor in anything that they have sent to the traitor.
func (c *cabal) discreet() {
	c.t.Helper()
	secrets, said := map[string]*big.Int{}, map[string][]byte{"what the traitor has heard": c.x.heard.bytes()}
	for _, m := range c.honest {
		for name, n := range secretsOf(c.t, c.shares[m]) {
			secrets[name+" of "+string(m)] = n
		}
		said["log of "+string(m)], said["events of "+string(m)] = c.diaries[m].bytes(), c.events(m)
		maps.Copy(said, c.files(m))
	}
	c.untold(secrets, said)
}

// untold holds that none of the secrets is in what was said: texts by what they are, files
// by their paths.
func (h *house) untold(secrets map[string]*big.Int, said map[string][]byte) {
	h.t.Helper()
	for what, text := range said {
		if len(text) == 0 && !filepath.IsAbs(what) {
			h.t.Errorf("the %s is empty", what)
		}
		if found := leaks(text, secrets); len(found) > 0 {
			h.t.Errorf("%s has %s, and %d more", what, found[0], len(found)-1)
		}
	}
}

// overheard is all that the nodes of a cabinet say, and what the node of one of them hears.
type overheard struct {
	logs  map[council.MemberID]*diary
	heard diary
}

// overhear listens to nodes that are not started yet.
func (c *cabinet) overhear(members ...council.MemberID) *overheard {
	o := &overheard{logs: map[council.MemberID]*diary{}}
	for _, m := range members {
		o.logs[m] = new(diary)
		c.alters(m, o.logs[m].keeps)
	}
	return o
}

// discreet holds the same of members who have made shares, or tried to, with a liar: of the
// shares that they had before, and of the numbers that they came with.
func (c *cabinet) discreet(o *overheard, honest ...council.MemberID) {
	c.t.Helper()
	secrets, said := map[string]*big.Int{}, map[string][]byte{"what the liar has heard": o.heard.bytes()}
	for _, m := range honest {
		of := primesOf(c.t, c.sets[slices.Index(slices.Concat(c.size.IDs(), c.heirs), m)])
		if c.shares[m] != nil {
			for name, n := range secretsOf(c.t, c.shares[m]) {
				of[name+" of before"] = n
			}
		}
		for name, n := range of {
			secrets[name+" of "+string(m)] = n
		}
		said["log of "+string(m)], said["events of "+string(m)] = o.logs[m].bytes(), c.events(m)
		maps.Copy(said, c.files(m))
	}
	c.untold(secrets, said)
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
		said["events of "+string(m)] = c.events(m)
	}
	for _, m := range ids {
		c.stop(m)
		said["log of "+string(m)] = bytes.Join([][]byte{logs[m][0].Bytes(), logs[m][1].Bytes()}, nil)
		maps.Copy(said, c.files(m))
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
