package arrows

// Module is the path that every import of ours begins with.
const Module = "github.com/millicent-one/signer"

// Room is what the plan says about one package.
type Room struct {
	Imports []string // rooms that its code may import
	Tests   []string // what its tests may import beyond that
	Any     bool     // may import every room: the commands

	// Pure rooms know no file, no network and no process, see forbidden.
	Pure bool
	// Timeless rooms never ask for the time: it comes in as an argument.
	Timeless bool
	// Goroutines names the only files that may start one. Most rooms start
	// none; nil means that any file may, and then the race detector runs over
	// the room (RACE in the Makefile).
	Goroutines []string
}

var none = []string{}

// Plan is the house, lowest room first.
func Plan() map[string]Room {
	return map[string]Room{
		"council": {Pure: true, Timeless: true, Goroutines: none},
		"policy":  {Imports: in("council", "internal/strict"), Tests: in("configs"), Pure: true, Timeless: true, Goroutines: none},
		"tss":     {Imports: in("council", "policy"), Pure: true, Timeless: true, Goroutines: in("preparams.go")},
		"agenda":  {Imports: in("council", "policy"), Tests: in("configs"), Pure: true, Timeless: true, Goroutines: none},

		"p2p":      {Imports: in("council")},
		"journal":  {Imports: in("council"), Goroutines: none},
		"keystore": {Imports: in("council"), Goroutines: none},
		"chain":    {Imports: in("council"), Tests: in("contracts")},
		"backup":   {Imports: in("council", "tss"), Tests: in("keystore"), Goroutines: none},

		"evidence": {Imports: in("council", "tss", "agenda", "p2p", "journal"), Pure: true, Timeless: true, Goroutines: none},

		"api":        {Imports: in("council")},
		"api/client": {Imports: in("council", "api"), Goroutines: none},
		"configs":    {Imports: in("council", "internal/strict"), Goroutines: none},
		"contracts":  {Goroutines: none},
		"node": {
			Imports: in("council", "policy", "tss", "agenda", "p2p", "journal", "evidence", "keystore", "chain", "api"),
			Tests:   in("contracts", "configs"),
		},

		"cmd/signer": {Any: true},
		"cmd/devnet": {Any: true},

		"internal/strict":      {Imports: in("council"), Goroutines: none},
		"internal/rosterfile":  {Imports: in("council", "internal/strict"), Tests: in("p2p"), Goroutines: none},
		"internal/wallet":      {Imports: in("council"), Goroutines: none},
		"internal/testcouncil": {Imports: in("council", "tss")},
		"internal/forge":       {Imports: in("council", "tss"), Goroutines: none},
		"internal/devchain":    {},
		"internal/slowlink":    {},
		"internal/arrows":      {Goroutines: none},
	}
}

// testRooms are made for tests, so the tests of every room may use them.
var testRooms = in("internal/testcouncil", "internal/forge", "internal/devchain", "internal/slowlink")

// engine is the one dependency that not even the tests of other rooms touch.
const engine = "github.com/bnb-chain/tss-lib"

// owners says which rooms alone may import a dependency. The longest prefix of
// the import path counts.
func owners() map[string][]string {
	return map[string][]string{
		engine:               in("tss", "internal/forge"), // which speaks as a false engine would
		"github.com/libp2p/": in("p2p", "cmd/devnet"),     // the demo plays a stranger at the door
		"github.com/libp2p/go-libp2p/core/crypto":   in("p2p", "council", "internal/testcouncil", "cmd/signer", "cmd/devnet"),
		"github.com/libp2p/go-libp2p/core/peer":     in("p2p", "council", "internal/testcouncil", "cmd/signer", "cmd/devnet"),
		"github.com/libp2p/go-libp2p/core/record":   in("p2p", "council"),
		"go.etcd.io/bbolt":                          in("journal"),
		"golang.org/x/mod/sumdb/tlog":               in("journal"),
		"filippo.io/age":                            in("keystore", "cmd/signer", "cmd/devnet"),
		"go.yaml.in/yaml":                           in("internal/strict", "configs", "policy"),
		"cel.dev/cel-go":                            in("policy"),
		"github.com/spf13/viper":                    in("configs"),
		"github.com/spf13/cobra":                    in("cmd/signer", "cmd/devnet"),
		"github.com/schollz/progressbar":            in("cmd/signer", "cmd/devnet"),
		"github.com/ethereum/go-ethereum/ethclient": in("chain", "contracts", "internal/devchain", "cmd/devnet"),
		"github.com/ethereum/go-ethereum/eth/":      in("internal/devchain"),
		"github.com/ethereum/go-ethereum/node":      in("internal/devchain"),
	}
}

// forbidden is what no pure room imports.
var forbidden = in(
	"os", "os/exec", "os/signal", "io/ioutil", "path/filepath", "syscall", "net", "net/http",
	"plugin", "unsafe", "log", "log/slog", "testing",
)

// clocks are the functions that read the time or wait for it, by package.
var clocks = map[string][]string{
	"time":    in("Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"),
	"context": in("WithTimeout", "WithTimeoutCause", "WithDeadline", "WithDeadlineCause"),
}

func in(names ...string) []string { return names }
