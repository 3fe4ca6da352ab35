package main

import (
	"context"
	"fmt"
	"io"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/millicent-one/signer/configs"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/tss"
)

func (a *app) shareCmd() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "share",
		Short: "Look after this member's share of the council's key",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.shareAuditCmd())
	return cmd
}

func (a *app) shareAuditCmd() *cobra.Command {
	return &cobra.Command{
		Use:   "audit",
		Short: "Check everything about the share in this node's keystore",
		Long: `Check everything about the share in this node's keystore that one member can check
alone: that its primes are primes and all its numbers fit together, that the public
shares of any four members make the council's key, that it is this member's, of the
current epoch, and that the birth record carries the signatures of all nodes. It works
with the daemon running or not, and writes nothing.

What it prints is no secret. All members of a share epoch have the same public
numbers: compare the last line with another member's.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.load()
			if err != nil {
				return err
			}
			return a.auditShare(cmd.Context(), c)
		},
	}
}

// audited is what an audit has found to be sound.
type audited struct {
	Member       council.MemberID   `json:"member"`
	Key          common.Address     `json:"key"`
	CouncilID    common.Hash        `json:"council"`
	ShareEpoch   uint64             `json:"shareEpoch"`
	Threshold    int                `json:"threshold"`
	Members      []council.MemberID `json:"members"`
	ComparedWith string             `json:"comparedWith"`
	Public       common.Hash        `json:"publicNumbers"`
}

// auditShare asks of the share on the disk what a backup of it would be asked.
func (a *app) auditShare(ctx context.Context, c *configs.Loaded) error {
	b, err := a.gather(c)
	if err != nil {
		return err
	}
	defer clear(b.Share)
	defer clear(b.NodeKey)
	now, _, with, err := a.inForce(ctx, c)
	if err != nil {
		return err
	}
	if err := b.Check(now); err != nil {
		return council.WithHint(fmt.Errorf("this node's own share: %w", err),
			"see that signer.yaml, roster.json and the data directory are those of one node; if they are, stop the daemon, keep the keystore as it is, and restore the last backup with 'signer backup restore': the others can sign without this node")
	}
	share, err := tss.UnmarshalShare(b.Share)
	if err != nil {
		return err
	}
	v := audited{b.Member, b.Genesis.Key, b.Genesis.ID(), b.Epoch, share.Threshold(), share.Members(), with, share.Public().Hash()}
	return a.print(v, func(w io.Writer) {
		fmt.Fprintf(w, "The share is sound: whole, current, and %s's.\n\n", v.Member)
		table(w, [][]string{
			{"member", string(v.Member)}, {"address", v.Key.Hex()}, {"council id", v.CouncilID.Hex()}, {"share epoch", fmt.Sprint(v.ShareEpoch)},
			{"signers", fmt.Sprintf("%d of %d: %s", v.Threshold, len(v.Members), join(v.Members))}, {"compared with", v.ComparedWith},
			{"public numbers", v.Public.Hex()},
		})
	})
}
