package council

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ethereum/go-ethereum/common"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/record"
	ma "github.com/multiformats/go-multiaddr"
)

// Card is what a member hands to whoever assembles a roster. Its two keys sign
// each other: the wallet signs the member, naming the node key; the node key
// signs the member, naming the wallet. Addresses is a libp2p signed peer record
// (node key, sequence number, multiaddresses): where to find the node today.
type Card struct {
	Member      Member `json:"member"`
	Addresses   []byte `json:"addresses"`
	NodeSig     []byte `json:"nodeSig"`
	ApproverSig []byte `json:"approverSig"`
}

// CardDocument is the card as the member's wallet shows it.
func CardDocument(m Member) Document {
	return document(domain{}, "Card", typeSet{"Card": {{Name: "member", Type: "Member"}}, "Member": memberType},
		map[string]any{"member": m.typed()})
}

// Verify checks both signatures and the address record.
func (c Card) Verify() error {
	if err := c.Member.Valid(); err != nil {
		return err
	}
	digest, err := Digest(CardDocument(c.Member))
	if err != nil {
		return err
	}
	if err := VerifyNode(c.Member.Peer, PurposeCard, digest[:], c.NodeSig); err != nil {
		return fmt.Errorf("card of %s: %w", c.Member.ID, err)
	}
	who, err := Recover(digest, c.ApproverSig)
	if err != nil {
		return fmt.Errorf("card of %s: %w", c.Member.ID, err)
	}
	if who != c.Member.Approver {
		return WithHint(fmt.Errorf("card of %s: signed by wallet %s, not by its approver %s", c.Member.ID, who.Hex(), c.Member.Approver.Hex()),
			"make the card again with 'signer id' and sign it with the approver's wallet")
	}
	if _, err := c.AddressRecord(); err != nil {
		return fmt.Errorf("card of %s: %w", c.Member.ID, err)
	}
	return nil
}

// AddressRecord opens the signed peer record and checks that it is the node's
// own.
func (c Card) AddressRecord() (*peer.PeerRecord, error) { return OpenAddresses(c.Member, c.Addresses) }

// OpenAddresses opens a signed peer record of a member's node.
func OpenAddresses(m Member, envelope []byte) (*peer.PeerRecord, error) {
	if len(envelope) == 0 {
		return nil, errors.New("address record is missing")
	}
	_, rec, err := record.ConsumeEnvelope(envelope, peer.PeerRecordEnvelopeDomain)
	if err != nil {
		return nil, fmt.Errorf("address record: %w", err)
	}
	pr, ok := rec.(*peer.PeerRecord)
	if !ok {
		return nil, errors.New("address record is of another type")
	}
	if pr.PeerID.String() != m.Peer {
		return nil, fmt.Errorf("address record is of node %s, not %s", pr.PeerID, m.Peer)
	}
	if len(pr.Addrs) == 0 || len(pr.Addrs) > MaxAddresses {
		return nil, fmt.Errorf("address record has %d addresses; want 1 to %d", len(pr.Addrs), MaxAddresses)
	}
	for _, a := range pr.Addrs {
		if a, of := peer.SplitAddr(a); of != "" && of != pr.PeerID || !Dialable(a) {
			return nil, fmt.Errorf("address record: %s is no address at which the node can be reached over TCP or QUIC", a)
		}
	}
	return pr, nil
}

// Dialable reports whether an address is one at which nodes reach each other: ip4,
// ip6 or dns, then tcp, or udp with quic-v1. What can't be dialled must not get into
// a roster: nobody could take it out of one that is in force.
func Dialable(a ma.Multiaddr) bool {
	var codes []int
	for _, p := range a.Protocols() {
		codes = append(codes, p.Code)
	}
	return len(codes) > 0 && slices.Contains([]int{ma.P_IP4, ma.P_IP6, ma.P_DNS, ma.P_DNS4, ma.P_DNS6}, codes[0]) &&
		(slices.Equal(codes[1:], []int{ma.P_TCP}) || slices.Equal(codes[1:], []int{ma.P_UDP, ma.P_QUIC_V1}))
}

// WalletSignature is one member's EIP-712 signature with its owner's name.
type WalletSignature struct {
	Member MemberID `json:"member"`
	Sig    []byte   `json:"sig"`
}

// SignedRoster is a roster with the wallet signatures of its members and where
// their nodes were last known to be.
type SignedRoster struct {
	Roster    Roster            `json:"roster"`
	Sigs      []WalletSignature `json:"signatures"`
	Addresses [][]byte          `json:"addresses"` // signed peer records, in member order
}

// Verify checks that every member signed, and each address record.
func (s SignedRoster) Verify() error {
	if err := s.Roster.Valid(); err != nil {
		return err
	}
	h, err := s.Roster.Hash()
	if err != nil {
		return err
	}
	seen := map[MemberID]bool{}
	for _, sig := range s.Sigs {
		m, ok := s.Roster.Member(sig.Member)
		if !ok {
			return fmt.Errorf("roster: signed by %s, who is not in it", sig.Member)
		}
		who, err := Recover(h, sig.Sig)
		if err != nil {
			return fmt.Errorf("roster: signature of %s: %w", m.ID, err)
		}
		if who != m.Approver {
			return WithHint(fmt.Errorf("roster: signature of %s is by %s, not by its wallet %s", m.ID, common.Address(who).Hex(), m.Approver.Hex()),
				"the member signed another version of this roster, or with another wallet: sign again")
		}
		if seen[m.ID] {
			return fmt.Errorf("roster: signed twice by %s", m.ID)
		}
		seen[m.ID] = true
	}
	if len(s.Addresses) != len(s.Roster.Members) {
		return fmt.Errorf("roster: %d address records for %d members", len(s.Addresses), len(s.Roster.Members))
	}
	var missing []MemberID
	for i, m := range s.Roster.Members {
		if !seen[m.ID] {
			missing = append(missing, m.ID)
		}
		if _, err := OpenAddresses(m, s.Addresses[i]); err != nil {
			return fmt.Errorf("roster: %s: %w", m.ID, err)
		}
	}
	if len(missing) > 0 {
		return WithHint(fmt.Errorf("roster: not yet signed by %s", Names(missing)), "each of them runs 'signer roster sign'")
	}
	return nil
}
