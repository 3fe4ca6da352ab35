package contracts

import (
	"embed"
	"encoding/json"
	"fmt"
	"strings"
	"sync"

	"github.com/ethereum/go-ethereum/accounts/abi"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
)

//go:embed artifacts
var files embed.FS

// Artifact is one compiled contract.
type Artifact struct {
	Name     string
	Compiler string // e.g. solc 0.8.37+commit...
	ABI      abi.ABI
	Bytecode []byte // creation code, without constructor arguments
	JSON     []byte // the ABI as JSON, for files that people write
}

// The contracts. Each call gives the same value; don't change it.
var (
	Protocol   = sync.OnceValue(func() *Artifact { return mustLoad("Protocol") })
	ProtocolV2 = sync.OnceValue(func() *Artifact { return mustLoad("ProtocolV2") })
	Treasury   = sync.OnceValue(func() *Artifact { return mustLoad("Treasury") })
	Timelock   = sync.OnceValue(func() *Artifact { return mustLoad("TimelockController") })
	Proxy      = sync.OnceValue(func() *Artifact { return mustLoad("ERC1967Proxy") })
)

// Where the state that a policy asks about lies in a Protocol's proxy.
var (
	// ImplementationSlot holds the implementation's address (ERC-1967).
	ImplementationSlot = common.HexToHash("0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc")
	// PausedSlot holds 1 while the protocol is paused (ERC-7201, openzeppelin.storage.Pausable).
	PausedSlot = namespace("openzeppelin.storage.Pausable")

	PauserRole   = crypto.Keccak256Hash([]byte("PAUSER_ROLE"))
	UpgraderRole = crypto.Keccak256Hash([]byte("UPGRADER_ROLE"))
)

// RoleSlot holds 1 while account has role in a Protocol (ERC-7201,
// openzeppelin.storage.AccessControl: mapping role -> {mapping account -> bool}).
func RoleSlot(role common.Hash, account common.Address) common.Hash {
	members := crypto.Keccak256Hash(role[:], namespace("openzeppelin.storage.AccessControl").Bytes())
	return crypto.Keccak256Hash(common.LeftPadBytes(account[:], 32), members[:])
}

// namespace is ERC-7201's root: keccak256(keccak256(id) - 1) with the last byte
// cleared.
func namespace(id string) common.Hash {
	n := crypto.Keccak256Hash([]byte(id)).Big()
	h := crypto.Keccak256Hash(common.BigToHash(n.Sub(n, common.Big1)).Bytes())
	h[31] = 0
	return h
}

// Creation is the code that deploys the contract with these constructor
// arguments.
func (a *Artifact) Creation(args ...any) ([]byte, error) {
	packed, err := a.ABI.Pack("", args...)
	if err != nil {
		return nil, fmt.Errorf("pack constructor of %s: %w", a.Name, err)
	}
	return append(append([]byte(nil), a.Bytecode...), packed...), nil
}

// Calldata packs a call; a wrong name or wrong arguments are a mistake of the
// program, and panic.
func (a *Artifact) Calldata(method string, args ...any) []byte {
	b, err := a.ABI.Pack(method, args...)
	if err != nil {
		panic(fmt.Sprintf("contracts: pack %s.%s: %v", a.Name, method, err))
	}
	return b
}

func mustLoad(name string) *Artifact {
	a, err := load(name)
	if err != nil {
		panic("contracts: " + err.Error()) // embedded: only a broken build gets here
	}
	return a
}

func load(name string) (*Artifact, error) {
	b, err := files.ReadFile("artifacts/" + name + ".json")
	if err != nil {
		return nil, err
	}
	var f struct {
		Compiler string
		ABI      json.RawMessage
		Bytecode hexutil.Bytes
	}
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, fmt.Errorf("parse artifact %s: %w", name, err)
	}
	parsed, err := abi.JSON(strings.NewReader(string(f.ABI)))
	if err != nil {
		return nil, fmt.Errorf("parse ABI of %s: %w", name, err)
	}
	return &Artifact{Name: name, Compiler: f.Compiler, ABI: parsed, Bytecode: f.Bytecode, JSON: f.ABI}, nil
}
