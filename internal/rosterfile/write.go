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
	if len(s.Addresses) != len(s.Roster.Members) {
		return nil, fmt.Errorf("write roster: %d address records for %d members", len(s.Addresses), len(s.Roster.Members))
	}
	out := signed{Roster: roster{Version: s.Roster.Version, Threshold: s.Roster.Threshold, Charter: word(s.Roster.Charter), Prev: word(s.Roster.Prev)},
		Signatures: []signature{}}
	for i, m := range s.Roster.Members {
		out.Roster.Members = append(out.Roster.Members, fromMember(m))
		out.Addresses = append(out.Addresses, address{string(m.ID), s.Addresses[i]})
	}
	for _, g := range s.Sigs {
		out.Signatures = append(out.Signatures, signature{string(g.Member), g.Sig})
	}
	return indent(out)
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
