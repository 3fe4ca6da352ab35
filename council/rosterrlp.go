package council

import (
	"fmt"
	"io"

	"github.com/ethereum/go-ethereum/common"
	"github.com/ethereum/go-ethereum/rlp"
)

// wireRoster is a roster as RLP has it, which knows no signed number.
type wireRoster struct {
	Version   uint64
	Threshold uint64
	Members   []Member
	Charter   common.Hash
	Prev      common.Hash
}

// EncodeRLP implements rlp.Encoder.
func (r Roster) EncodeRLP(w io.Writer) error {
	if r.Threshold < 0 {
		return fmt.Errorf("roster threshold is %d", r.Threshold)
	}
	return rlp.Encode(w, wireRoster{r.Version, uint64(r.Threshold), r.Members, r.Charter, r.Prev})
}

// DecodeRLP implements rlp.Decoder.
func (r *Roster) DecodeRLP(s *rlp.Stream) error {
	var w wireRoster
	if err := s.Decode(&w); err != nil {
		return err
	}
	if w.Threshold > MaxMembers || len(w.Members) > MaxMembers {
		return fmt.Errorf("roster of %d members with threshold %d; at most %d", len(w.Members), w.Threshold, MaxMembers)
	}
	*r = Roster{w.Version, int(w.Threshold), w.Members, w.Charter, w.Prev}
	return nil
}
