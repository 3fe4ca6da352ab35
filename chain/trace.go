package chain

import (
	"encoding/json"
	"math/big"
	"slices"
	"strconv"

	"github.com/ethereum/go-ethereum"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"

	"github.com/millicent-one/signer/council"
)

// tracedAccount is an account in the answer of prestateTracer.
type tracedAccount struct {
	Balance *hexutil.Big                `json:"balance"`
	Nonce   number                      `json:"nonce"`
	Code    *hexutil.Bytes              `json:"code"`
	Storage map[common.Hash]common.Hash `json:"storage"`
}

// number is one that some clients write as a number, and others in hex.
type number uint64

func (n *number) UnmarshalJSON(b []byte) error {
	s := string(b)
	if s == "null" {
		return nil
	}
	if len(b) > 1 && b[0] == '"' {
		s = string(b[1 : len(b)-1])
	}
	v, err := strconv.ParseUint(s, 0, 64)
	*n = number(v)
	return err
}

// readDiff reads what prestateTracer says in diffMode: pre holds accounts that
// change, as they are; post their fields that become something else. A slot that
// is missing on one side is zero there, and an account that is missing in post
// is gone.
func readDiff(raw json.RawMessage) ([]council.AccountChange, error) {
	var d struct {
		Pre  map[common.Address]tracedAccount `json:"pre"`
		Post map[common.Address]tracedAccount `json:"post"`
	}
	if err := json.Unmarshal(raw, &d); err != nil || d.Pre == nil || d.Post == nil {
		return nil, unseenf("its diff can't be read")
	}
	var out []council.AccountChange
	words := 0
	for _, a := range accounts(d.Pre, d.Post) {
		pre, old := d.Pre[a]
		post, stays := d.Post[a]
		if old && !stays {
			gone := hexutil.Bytes{}
			post = tracedAccount{Balance: new(hexutil.Big), Code: &gone}
		}
		c := council.AccountChange{Address: a, BalanceBefore: balance(pre.Balance), NonceBefore: uint64(pre.Nonce), CodeBefore: codeHash(pre.Code)}
		c.BalanceAfter, c.NonceAfter, c.CodeAfter = c.BalanceBefore, c.NonceBefore, c.CodeBefore
		if post.Balance != nil {
			c.BalanceAfter = balance(post.Balance)
		}
		if post.Nonce != 0 || !stays {
			c.NonceAfter = uint64(post.Nonce)
		}
		if post.Code != nil {
			c.CodeAfter = codeHash(post.Code)
		}
		for _, slot := range slots(pre.Storage, post.Storage) {
			if before, after := pre.Storage[slot], post.Storage[slot]; before != after {
				c.Slots = append(c.Slots, council.SlotChange{Slot: slot, Before: before, After: after})
			}
		}
		if words += len(c.Slots); words > maxSlots || len(out) == maxAccounts {
			return nil, unseenf("more than %d words or %d accounts change", maxSlots, maxAccounts)
		}
		if len(c.Slots) > 0 || c.BalanceBefore.Cmp(c.BalanceAfter) != 0 || c.NonceBefore != c.NonceAfter || c.CodeBefore != c.CodeAfter {
			out = append(out, c)
		}
	}
	return out, nil
}

func accounts(ms ...map[common.Address]tracedAccount) []common.Address {
	var out []common.Address
	for _, m := range ms {
		for a := range m {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, common.Address.Cmp)
	return slices.Compact(out)
}

func slots(ms ...map[common.Hash]common.Hash) []common.Hash {
	var out []common.Hash
	for _, m := range ms {
		for s := range m {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, common.Hash.Cmp)
	return slices.Compact(out)
}

func balance(b *hexutil.Big) *big.Int {
	if b == nil {
		return new(big.Int)
	}
	return b.ToInt()
}

func codeHash(code *hexutil.Bytes) common.Hash {
	if code == nil || len(*code) == 0 {
		return common.Hash{}
	}
	return crypto.Keccak256Hash(*code)
}

// frame is a call in the answer of callTracer.
type frame struct {
	Type  string          `json:"type"`
	From  common.Address  `json:"from"`
	To    *common.Address `json:"to"`
	Value *hexutil.Big    `json:"value"`
	Error string          `json:"error"`
	Calls []frame         `json:"calls"`
	Logs  []logEntry      `json:"logs"`
}

type logEntry struct {
	Address  common.Address `json:"address"`
	Topics   []common.Hash  `json:"topics"`
	Data     hexutil.Bytes  `json:"data"`
	Position number         `json:"position"` // among the calls of its frame
}

// readCalls lists what moves in a tree of calls.
func readCalls(raw json.RawMessage, msg ethereum.CallMsg) ([]council.Movement, error) {
	var root frame
	if err := json.Unmarshal(raw, &root); err != nil {
		return nil, unseenf("its calls can't be read")
	}
	if root.Type != "CALL" || root.From != msg.From || root.To == nil || *root.To != *msg.To {
		return nil, unseenf("its calls are those of another transaction")
	}
	if root.Error != "" {
		return nil, unseenf("it says %q, and eth_call succeeded", plain(root.Error, maxText))
	}
	var m mover
	if err := m.frame(root, 0); err != nil {
		return nil, err
	}
	return m.moves, nil
}

// mover collects movements.
type mover struct{ moves []council.Movement }

// frame reads a call that did not fail, and what it calls. A delegatecall moves
// nothing: the value that a tracer shows there is that of its caller.
func (m *mover) frame(f frame, depth int) error {
	if depth > maxFrames {
		return unseenf("calls within calls deeper than %d", maxFrames)
	}
	switch f.Type {
	case "CALL", "CREATE", "CREATE2", "SELFDESTRUCT":
		if f.Value != nil && f.To != nil {
			if err := m.add(council.Movement{Asset: council.Ether, From: f.From, To: *f.To, Amount: f.Value.ToInt()}); err != nil {
				return err
			}
		}
	case "DELEGATECALL", "STATICCALL", "CALLCODE":
	default:
		return unseenf("it shows a call of an unknown kind")
	}
	logs := f.Logs
	until := func(position int) error {
		for len(logs) > 0 && int(min(logs[0].Position, maxMoves)) <= position {
			if err := m.log(logs[0], false); err != nil {
				return err
			}
			logs = logs[1:]
		}
		return nil
	}
	for i, c := range f.Calls {
		if err := until(i); err != nil {
			return err
		}
		if c.Error != "" {
			continue // undone, with all that it called
		}
		if err := m.frame(c, depth+1); err != nil {
			return err
		}
	}
	for _, l := range logs {
		if err := m.log(l, false); err != nil {
			return err
		}
	}
	return nil
}

// add notes a movement or a grant; nothing, and from an address to itself, is none.
func (m *mover) add(v council.Movement) error {
	if v.From == v.To || v.Amount != nil && v.Amount.Sign() == 0 {
		return nil
	}
	if len(m.moves) == maxMoves {
		return unseenf("more than %d movements", maxMoves)
	}
	m.moves = append(m.moves, v)
	return nil
}

var (
	transferLog = crypto.Keccak256Hash([]byte("Transfer(address,address,uint256)"))
	singleLog   = crypto.Keccak256Hash([]byte("TransferSingle(address,address,address,uint256,uint256)"))
	batchLog    = crypto.Keccak256Hash([]byte("TransferBatch(address,address,address,uint256[],uint256[])"))

	approvalLog = crypto.Keccak256Hash([]byte("Approval(address,address,uint256)"))
	operatorLog = crypto.Keccak256Hash([]byte("ApprovalForAll(address,address,bool)"))
	permit2Logs = []common.Hash{ // of Permit2, which is let move all of a token and hands that on
		crypto.Keccak256Hash([]byte("Approval(address,address,address,uint160,uint48)")),
		crypto.Keccak256Hash([]byte("Permit(address,address,address,uint160,uint48,uint48)")),
	}

	etherLogs = []common.Address{common.HexToAddress("0xEeeeeEeeeEeEeeEeEeEeeEEEeeeeEeeeeeeeEEeE"), {}} // ERC-7528; drafts of eth_simulateV1 had zero
)

// log reads what tokens say about themselves. ERC-20 and ERC-721 share an event
// and differ in what is indexed; older tokens index nothing. Ether says that
// transfers of value are shown as such events, too. A grant is read like a movement: whoever
// has it takes the token with a transaction of its own.
func (m *mover) log(l logEntry, ether bool) error {
	if len(l.Topics) == 0 || len(l.Topics) > 4 {
		return nil
	}
	words := slices.Clone(l.Topics[1:])
	for b := l.Data; len(b) >= 32 && len(words) < 8; b = b[32:] {
		words = append(words, common.BytesToHash(b[:32]))
	}
	exact := len(l.Data)%32 == 0 && len(l.Topics)-1+len(l.Data)/32 == len(words)
	v := council.Movement{Token: l.Address}
	switch l.Topics[0] {
	case transferLog:
		if len(words) != 3 || !exact {
			return nil
		}
		v.From, v.To = common.BytesToAddress(words[0][12:]), common.BytesToAddress(words[1][12:])
		switch {
		case ether && slices.Contains(etherLogs, l.Address):
			v.Asset, v.Token, v.Amount = council.Ether, common.Address{}, words[2].Big()
		case len(l.Topics) == 4:
			v.Asset, v.ID, v.Amount = council.ERC721, words[2], big.NewInt(1)
		default:
			v.Asset, v.Amount = council.ERC20, words[2].Big()
		}
		return m.add(v)
	case approvalLog:
		if len(words) != 3 || !exact {
			return nil
		}
		v.From, v.To = common.BytesToAddress(words[0][12:]), common.BytesToAddress(words[1][12:])
		if v.Asset, v.Amount = council.ERC20, words[2].Big(); len(l.Topics) == 4 {
			v.Asset, v.ID, v.Amount = council.ERC721, words[2], big.NewInt(1)
		}
		return m.grant(v)
	case operatorLog:
		if len(words) != 3 || !exact || words[2] == (common.Hash{}) {
			return nil
		}
		v.From, v.To = common.BytesToAddress(words[0][12:]), common.BytesToAddress(words[1][12:])
		v.Asset = council.ERC1155
		return m.grant(v)
	case permit2Logs[0], permit2Logs[1]:
		if len(words) < 5 || !exact {
			return nil
		}
		v.From, v.Token, v.To = common.BytesToAddress(words[0][12:]), common.BytesToAddress(words[1][12:]), common.BytesToAddress(words[2][12:])
		v.Asset, v.Amount = council.ERC20, words[3].Big()
		return m.grant(v)
	case singleLog:
		if len(words) != 5 || !exact {
			return nil
		}
		v.Asset, v.ID, v.Amount = council.ERC1155, words[3], words[4].Big()
	case batchLog:
		if len(words) < 3 {
			return nil
		}
		v.Asset = council.ERC1155
	default:
		return nil
	}
	v.From, v.To = common.BytesToAddress(words[1][12:]), common.BytesToAddress(words[2][12:])
	if v.Amount != nil {
		return m.add(v)
	}
	return m.batch(v, l)
}

// grant notes that somebody may move what is another's. Nobody, the zero address, is who a
// token names when it takes a grant back.
func (m *mover) grant(v council.Movement) error {
	if v.To == (common.Address{}) {
		return nil
	}
	v.Grant = true
	return m.add(v)
}

// batch reads the two lists of a TransferBatch. Lists that can't be read are a
// movement of an unknown amount.
func (m *mover) batch(v council.Movement, l logEntry) error {
	ids, ok := list(l.Data, 0)
	amounts, ok2 := list(l.Data, 1)
	if !ok || !ok2 || len(ids) != len(amounts) || len(l.Topics) != 4 {
		return m.add(v)
	}
	for i := range ids {
		w := v
		w.ID, w.Amount = ids[i], amounts[i].Big()
		if err := m.add(w); err != nil {
			return err
		}
	}
	return nil
}

// list reads a list of words whose offset stands in word i.
func list(data []byte, i int) ([]common.Hash, bool) {
	at := func(off uint64) (uint64, bool) {
		if off > uint64(len(data)) || uint64(len(data))-off < 32 {
			return 0, false
		}
		v := new(big.Int).SetBytes(data[off : off+32])
		return v.Uint64(), v.IsUint64()
	}
	off, ok := at(uint64(32 * i))
	if !ok {
		return nil, false
	}
	n, ok := at(off)
	if !ok || n > (uint64(len(data))-off-32)/32 {
		return nil, false
	}
	out := make([]common.Hash, n)
	for j := range out {
		start := off + 32 + 32*uint64(j)
		out[j] = common.BytesToHash(data[start : start+32])
	}
	return out, true
}
