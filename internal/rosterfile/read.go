package rosterfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/strict"
)

// Read reads a signed roster. It is well formed; its signatures are not
// checked, and some may be missing.
func Read(path string) (council.SignedRoster, error) {
	data, err := load(path, "roster", "ask another member for the council's first roster; a new council makes its own with 'signer roster new'")
	if err != nil {
		return council.SignedRoster{}, err
	}
	return Parse(filepath.Base(path), data)
}

// Parse is Read of bytes; file is the name that errors print.
func Parse(file string, data []byte) (council.SignedRoster, error) {
	var out council.SignedRoster
	doc, err := strict.Parse(file, data)
	if err != nil {
		return out, err
	}
	var s signed
	if err := doc.Decode(&s); err != nil {
		return out, err
	}
	if out.Roster, err = s.Roster.roster(doc); err != nil {
		return out, err
	}
	if out.Addresses, err = records(doc, out.Roster, s.Addresses); err != nil {
		return out, err
	}
	out.Sigs, err = signatures(doc, "signatures", s.Signatures, out.Roster)
	return out, err
}

// signatures reads a list of signatures by members of any of the rosters.
func signatures(doc *strict.Document, where string, list []signature, of ...council.Roster) ([]council.WalletSignature, error) {
	var out []council.WalletSignature
	seen := map[string]bool{}
	for i, sig := range list {
		at := fmt.Sprintf("%s[%d]", where, i)
		if len(of) > 0 && !slices.ContainsFunc(of, func(r council.Roster) bool { _, ok := r.Member(council.MemberID(sig.Member)); return ok }) {
			return nil, doc.Errorf(at, "", "signature of %q, who is not a member of this roster", sig.Member)
		}
		if seen[sig.Member] {
			return nil, doc.Errorf(at, "keep one of the two", "signed twice by %s", sig.Member)
		}
		seen[sig.Member] = true
		out = append(out, council.WalletSignature{Member: council.MemberID(sig.Member), Sig: sig.Sig})
	}
	return out, nil
}

// roster checks the shape of a roster and says where it is wrong.
func (s roster) roster(doc *strict.Document) (council.Roster, error) {
	out := council.Roster{Version: s.Version, Threshold: s.Threshold, Charter: common.Hash(s.Charter), Prev: common.Hash(s.Prev)}
	for i, m := range s.Members {
		if err := m.member().Valid(); err != nil {
			return out, doc.Errorf(fmt.Sprintf("roster.members[%d]", i), "", "%v", err)
		}
		out.Members = append(out.Members, m.member())
		for j, o := range s.Members[:i] {
			if same := shared(o, m); same != "" {
				return out, doc.Errorf(fmt.Sprintf("roster.members[%d]", i), fmt.Sprintf("the other one is members[%d]; every seat has a member, a node and a wallet of its own", j),
					"members %s and %s have the same %s", o.ID, m.ID, same)
			}
		}
	}
	if err := out.Valid(); err != nil {
		return out, doc.Errorf("roster", "make the roster from member cards with 'signer roster new' or 'signer term propose'", "%v", err)
	}
	return out, nil
}

// ReadSuccession reads a succession. It is well formed; whether it may follow and
// who agrees is for council.Succession.Verify.
func ReadSuccession(path string) (council.Succession, error) {
	data, err := load(path, "succession", "make one with 'signer term propose'")
	if err != nil {
		return council.Succession{}, err
	}
	return ParseSuccession(filepath.Base(path), data)
}

// ParseSuccession is ReadSuccession of bytes; file is the name that errors print.
func ParseSuccession(file string, data []byte) (council.Succession, error) {
	var out council.Succession
	doc, err := strict.Parse(file, data)
	if err != nil {
		return out, err
	}
	var s succession
	if err := doc.Decode(&s); err != nil {
		return out, err
	}
	out.Effective = uint64(s.Effective)
	if out.Roster, err = s.Roster.roster(doc); err != nil {
		return out, err
	}
	if out.Addresses, err = records(doc, out.Roster, s.Addresses); err != nil {
		return out, err
	}
	if out.Approvals, err = signatures(doc, "approvals", s.Approvals); err != nil { // leavers are not in this roster
		return out, err
	}
	out.Accepts, err = signatures(doc, "accepts", s.Accepts, out.Roster)
	return out, err
}

// shared names what two members must not have in common.
func shared(a, b member) string {
	switch {
	case a.ID == b.ID:
		return "id"
	case a.Peer == b.Peer:
		return "node key"
	case a.Approver == b.Approver:
		return "approver"
	}
	return ""
}

// records puts the address records into member order.
func records(doc *strict.Document, r council.Roster, list []address) ([][]byte, error) {
	by := map[council.MemberID][]byte{}
	for i, a := range list {
		at := fmt.Sprintf("addresses[%d]", i)
		id := council.MemberID(a.Member)
		if _, ok := r.Member(id); !ok {
			return nil, doc.Errorf(at, "", "address of %q, who is not a member of this roster", a.Member)
		}
		if by[id] != nil {
			return nil, doc.Errorf(at, "keep the newer one", "two addresses of %s", a.Member)
		}
		by[id] = a.Record
	}
	var out [][]byte
	for _, m := range r.Members {
		if by[m.ID] == nil {
			return nil, doc.Errorf("addresses", "take the record from the member's card", "the address of %s is missing", m.ID)
		}
		out = append(out, by[m.ID])
	}
	return out, nil
}

// ReadCard reads a member card. It is well formed; its signatures are not
// checked, and the wallet's may be missing.
func ReadCard(path string) (council.Card, error) {
	data, err := load(path, "member card", "the member makes it with 'signer id'")
	if err != nil {
		return council.Card{}, err
	}
	return ParseCard(filepath.Base(path), data)
}

// ParseCard is ReadCard of bytes; file is the name that errors print.
func ParseCard(file string, data []byte) (council.Card, error) {
	doc, err := strict.Parse(file, data)
	if err != nil {
		return council.Card{}, err
	}
	var c card
	if err := doc.Decode(&c); err != nil {
		return council.Card{}, err
	}
	out := council.Card{Member: c.Member.member(), Addresses: c.Addresses, NodeSig: c.NodeSig}
	if len(c.ApproverSig) > 0 {
		out.ApproverSig = c.ApproverSig
	}
	if err := out.Member.Valid(); err != nil {
		return council.Card{}, doc.Errorf("member", "the member makes the card with 'signer id'", "%v", err)
	}
	return out, nil
}

// ReadProclamation reads what a council's key has signed about a roster, as 'signer
// roster proclamation' writes it. It is well formed; whether the key has signed it is for
// council.Proclamation.Verify.
func ReadProclamation(path string) (council.Proclamation, error) {
	data, err := load(path, "proclamation", "get it from a member: 'signer roster proclamation --out FILE'")
	if err != nil {
		return council.Proclamation{}, err
	}
	return ParseProclamation(filepath.Base(path), data)
}

// ParseProclamation is ReadProclamation of bytes; file is the name that errors print.
func ParseProclamation(file string, data []byte) (council.Proclamation, error) {
	var p proclamation
	doc, err := strict.Parse(file, data)
	if err == nil {
		err = doc.Decode(&p)
	}
	if err != nil {
		return council.Proclamation{}, err
	}
	return council.Proclamation(p), nil
}

func load(path, what, hint string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, council.WithHint(fmt.Errorf("no %s at %s", what, path), hint)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", what, err)
	case len(b) > maxFile:
		return nil, fmt.Errorf("read %s: %s has more than %d bytes", what, path, maxFile)
	}
	return b, nil
}
