package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/rosterfile"
	"github.com/millicent-one/signer/keystore"
)

func (a *app) idCmd() *cobra.Command {
	var w walletFlags
	var s seat
	var out string
	var renew bool
	cmd := &cobra.Command{
		Use:   "id",
		Short: "Show your member card, or sign it with your wallet",
		Long: `Show your member card, or sign it with your wallet. The card says who you are,
which node and which wallet are yours, and where the node is; node and wallet
sign each other. Hand the signed card to whoever assembles the roster.

--renew makes a new card, after 'announce' in signer.yaml, your wallet or your
term has changed. It needs your wallet's signature again, and works with the
daemon running or not. Where the old card is lost, it starts from the roster.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.load()
			if err != nil {
				return err
			}
			path := filepath.Join(filepath.Dir(c.File), cardFile)
			card, err := a.ownCard(c, path, renew)
			if err != nil {
				return err
			}
			if renew {
				if card, err = a.renewCard(card, s, c.Announced()); err != nil {
					return err
				}
			} else if s != (seat{}) {
				return usagef("add --renew", "the card exists; its member changes only with --renew")
			}
			if w.typedData {
				if renew {
					if err := saveCard(path, card); err != nil {
						return err
					}
				}
				return a.document(council.CardDocument(card.Member))
			}
			if w.given() {
				wal, err := w.wallet(a)
				if err != nil {
					return err
				}
				if card.ApproverSig, err = signed(cmd.Context(), wal, council.CardDocument(card.Member), card.Member.Approver); err != nil {
					return err
				}
				if err := card.Verify(); err != nil {
					return err
				}
			}
			if w.given() || renew {
				if err := saveCard(path, card); err != nil {
					return err
				}
			}
			if out != "" {
				if err := card.Verify(); err != nil {
					return council.WithHint(err, walletHint)
				}
				if err := saveCard(out, card); err != nil {
					return err
				}
				path = out
			}
			return a.showCard(card, path)
		},
	}
	w.add(cmd)
	s.add(cmd)
	cmd.Flags().StringVar(&out, "out", "", "write the signed card to this file, to hand it on")
	cmd.Flags().BoolVar(&renew, "renew", false, "make the card anew, signed by the node's key")
	return cmd
}

func saveCard(path string, c council.Card) error {
	b, err := rosterfile.FormatCard(c)
	if err != nil {
		return err
	}
	return rosterfile.Save(path, b, 0o644)
}

// ownCard reads this node's card. No backup has it in it: on a new machine it is made
// again from the last roster of the files that has this member.
func (a *app) ownCard(c *configs.Loaded, path string, renew bool) (council.Card, error) {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return rosterfile.ReadCard(path)
	}
	if !renew {
		return council.Card{}, council.WithHint(fmt.Errorf("no member card at %s", path), "'signer id --renew' makes it again, from the roster")
	}
	l, err := a.lineage(nil)
	if err != nil {
		return council.Card{}, err
	}
	for _, r := range slices.Backward(rostersIn(l)) {
		if m, ok := r.Member(council.MemberID(c.Member)); ok {
			return council.Card{Member: m}, nil
		}
	}
	return council.Card{}, council.WithHint(fmt.Errorf("no member card at %s, and no roster has %s", path, c.Member), "correct 'member' in signer.yaml; who is to join makes a node with 'signer init'")
}

// renewCard signs the card anew with the node's key, beside a daemon that may be
// running on it.
func (a *app) renewCard(old council.Card, s seat, announce []string) (card council.Card, err error) {
	m := old.Member
	if err := s.into(&m); err != nil {
		return card, err
	}
	m.ID = council.MemberID(a.loaded.Member)
	r, err := keystore.Look(a.loaded.KeyDir(), a.unlock(a.loaded.Unlock, false))
	if err != nil {
		return card, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	key, err := nodeKey(r)
	if err != nil {
		return card, err
	}
	return newCard(m, key, announce, a.unix())
}

func (a *app) showCard(c council.Card, path string) error {
	rec, err := c.AddressRecord()
	if err != nil {
		return err
	}
	full := c.Verify()
	if a.json {
		b, err := rosterfile.FormatCard(c)
		if err != nil {
			return err
		}
		_, err = a.out.Write(b)
		return err
	}
	return a.print(nil, func(w io.Writer) {
		signed := "yes"
		if full != nil {
			signed = "not yet"
		}
		rows := [][]string{
			{"member", string(c.Member.ID)}, {"seat", string(c.Member.Seat)},
			{"term", stamp(c.Member.Term.Start) + " to " + stamp(c.Member.Term.End)},
			{"node", c.Member.Peer}, {"wallet", c.Member.Approver.Hex()},
		}
		for _, addr := range rec.Addrs {
			rows = append(rows, []string{"address", addr.String()})
		}
		rows = append(rows, []string{"signed by wallet", signed}, []string{"file", path})
		table(w, rows)
		if full != nil {
			fmt.Fprintln(w, "\nNext: sign it with your wallet: signer id --keystore FILE, --clef URL, or --typed-data.")
		} else {
			fmt.Fprintf(w, "\nNext: hand %s to whoever assembles the roster.\n", path)
		}
	})
}
