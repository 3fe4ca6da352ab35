package rosterfile

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/millicent-one/signer/council"
)

// Format is the signed roster as it stands in its file.
func Format(s council.SignedRoster) ([]byte, error) {
	where, err := fromRecords(s.Roster, s.Addresses)
	if err != nil {
		return nil, err
	}
	return indent(signed{Roster: fromRoster(s.Roster), Signatures: fromSignatures(s.Sigs), Addresses: where})
}

// FormatSuccession is the succession as it stands in its file.
func FormatSuccession(s council.Succession) ([]byte, error) {
	where, err := fromRecords(s.Roster, s.Addresses)
	if err != nil {
		return nil, err
	}
	return indent(succession{Roster: fromRoster(s.Roster), Effective: moment(s.Effective),
		Approvals: fromSignatures(s.Approvals), Accepts: fromSignatures(s.Accepts), Addresses: where})
}

func fromRoster(r council.Roster) roster {
	out := roster{Version: r.Version, Threshold: r.Threshold, Charter: word(r.Charter), Prev: word(r.Prev)}
	for _, m := range r.Members {
		out.Members = append(out.Members, fromMember(m))
	}
	return out
}

func fromSignatures(sigs []council.WalletSignature) []signature {
	out := []signature{}
	for _, g := range sigs {
		out = append(out, signature{string(g.Member), g.Sig})
	}
	return out
}

func fromRecords(r council.Roster, records [][]byte) ([]address, error) {
	if len(records) != len(r.Members) {
		return nil, fmt.Errorf("write roster: %d address records for %d members", len(records), len(r.Members))
	}
	var out []address
	for i, m := range r.Members {
		out = append(out, address{string(m.ID), records[i]})
	}
	return out, nil
}

// FormatCard is the card as it stands in its file.
func FormatCard(c council.Card) ([]byte, error) {
	return indent(card{Member: fromMember(c.Member), Addresses: c.Addresses, NodeSig: c.NodeSig, ApproverSig: c.ApproverSig})
}

func indent(v any) ([]byte, error) {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	return append(b, '\n'), nil
}

// Save replaces a file in one step: a reader sees the old or the new content,
// also after a crash.
func Save(path string, data []byte, mode os.FileMode) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
			err = fmt.Errorf("write %s: %w", path, err)
		}
	}()
	_, err = f.Write(data)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
