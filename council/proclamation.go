package council

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/ethereum/go-ethereum/accounts"
	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/common/hexutil"
	"github.com/ethereum/go-ethereum/crypto"
)

// Proclamation is the council's word to the public, under its own key, that a roster
// holds that key from now on. Whoever knows the address can check it with any tool
// that verifies personal messages (EIP-191). It takes effect nowhere: a roster is in
// force by its certificate, with a proclamation or without one.
type Proclamation struct {
	Council   common.Hash    `json:"council"` // council id: the hash of the birth record
	Key       common.Address `json:"key"`
	Version   uint64         `json:"version"` // of the roster
	Roster    common.Hash    `json:"roster"`
	Epoch     uint64         `json:"shareEpoch"`
	Signature hexutil.Bytes  `json:"signature"` // 65 bytes r || s || v, v in {27, 28}, as wallets give it
}

// Proclamation is what a council says of who holds its key, not signed yet.
func (h Holding) Proclamation() (Proclamation, error) {
	roster, err := h.Roster.Hash()
	if err != nil {
		return Proclamation{}, err
	}
	return Proclamation{Council: h.Council, Key: h.Key, Version: h.Roster.Version, Roster: roster, Epoch: h.Epoch}, nil
}

// What the nodes sign with the council's key by themselves begins with one of these.
const (
	testTitle         = "Millicent Security Council: test signature, without effect."
	proclamationTitle = "Millicent Security Council: this roster holds this key from now on."
)

// OwnWords reports whether a text begins like one that nodes sign by themselves: the
// signature of another text with such a beginning could be taken for theirs. What nobody
// sees before the first word makes no other beginning.
func OwnWords(text string) bool {
	text = strings.TrimLeftFunc(text, func(r rune) bool { return unicode.IsSpace(r) || Hidden(r) })
	return strings.HasPrefix(text, testTitle) || strings.HasPrefix(text, proclamationTitle)
}

// Text is what is signed, under EIP-191's personal-message prefix, which keeps it from
// ever being a transaction. It has the same few lines for every roster.
func (p Proclamation) Text() string {
	return fmt.Sprintf("%s\nkey %s\nroster version %d\nroster %s\nshare epoch %d\ncouncil %s\n",
		proclamationTitle, p.Key.Hex(), p.Version, p.Roster.Hex(), p.Epoch, p.Council.Hex())
}

// Digest is the EIP-191 hash of the text.
func (p Proclamation) Digest() common.Hash {
	return common.BytesToHash(accounts.TextHash([]byte(p.Text())))
}

// Same reports whether two say the same, whatever their signatures.
func (p Proclamation) Same(o Proclamation) bool { return p.Text() == o.Text() }

// Seal puts an engine's signature (65 bytes r || s || v, v in {0, 1}) to it, and
// checks it.
func (p Proclamation) Seal(sig []byte) (Proclamation, error) {
	p.Signature = append(hexutil.Bytes{}, sig...)
	if len(sig) == crypto.SignatureLength && sig[64] < 27 {
		p.Signature[64] += 27
	}
	return p, p.Verify()
}

// Verify checks that the council's key has signed the text. Whether the council of
// that id has this key, its birth record tells; who the members are, the lineage.
func (p Proclamation) Verify() error {
	if len(p.Signature) == crypto.SignatureLength && p.Signature[64] < 27 {
		return fmt.Errorf("proclamation of roster %d: v is %d; want 27 or 28", p.Version, p.Signature[64])
	}
	who, err := Recover(p.Digest(), p.Signature)
	if err != nil {
		return fmt.Errorf("proclamation of roster %d: %w", p.Version, err)
	}
	if who != p.Key {
		return WithHint(fmt.Errorf("proclamation of roster %d: signed by %s, not by the council's %s", p.Version, who.Hex(), p.Key.Hex()),
			"ask another member for it: it was changed, or is of another council")
	}
	return nil
}

// Covers says why a proclamation is not about a roster, or nil.
func (p Proclamation) Covers(r Roster) error {
	h, err := r.Hash()
	switch {
	case err != nil:
		return err
	case p.Version != r.Version || p.Roster != h:
		return WithHint(fmt.Errorf("proclamation: it is about roster %d, %s; this is roster %d, %s", p.Version, p.Roster.Hex(), r.Version, h.Hex()),
			"give the rosters up to the one that it is about, and no others")
	}
	return nil
}
