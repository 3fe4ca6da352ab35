package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

func (a *app) proposeStatement() *cobra.Command {
	var f proposeFlags
	var text, file string
	cmd := &cobra.Command{
		Use:   "statement (--text TEXT | --file FILE) --reason TEXT",
		Short: "Propose a public statement, to be signed with the council's key",
		Long: `Propose a public statement, to be signed with the council's key (EIP-191, what
wallets call personal_sign). A file is taken without the newline at its end.
'signer show ID --signature' prints the signature once it exists; anybody can
verify it, with the text, against the council's address.`,
		Example: "  signer propose statement --file incident.txt --reason 'users have to know'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := f.request()
			if err != nil {
				return err
			}
			if r.Statement, err = a.textOr(file, text, "statement", council.MaxStatement); err != nil {
				return err
			}
			r.Statement = strings.TrimSuffix(r.Statement, "\n")
			return a.propose(cmd, r)
		},
	}
	f.add(cmd.Flags())
	cmd.Flags().StringVar(&text, "text", "", "the text")
	cmd.Flags().StringVar(&file, "file", "", "file with the text; - reads it from standard input")
	cmd.MarkFlagsOneRequired("text", "file")
	cmd.MarkFlagsMutuallyExclusive("text", "file")
	return cmd
}

func (a *app) proposeTypedData() *cobra.Command {
	var f proposeFlags
	var file string
	cmd := &cobra.Command{
		Use:   "typed-data --file FILE --reason TEXT",
		Short: "Propose an EIP-712 document, to be signed with the council's key",
		Long: `Propose an EIP-712 document, to be signed with the council's key. The file holds
what eth_signTypedData_v4 takes: types, primaryType, domain with chainId, message.
The charter has to allow its domain and primary type; permits, orders and the
like no charter can allow.`,
		Example: "  signer propose typed-data --file record.json --reason 'the incident is over'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := f.request()
			if err != nil {
				return err
			}
			if r.TypedData, err = a.textOr(file, "", "document", council.MaxTypedData); err != nil {
				return err
			}
			return a.propose(cmd, r)
		},
	}
	f.add(cmd.Flags())
	cmd.Flags().StringVar(&file, "file", "", "file with the document in JSON; - reads it from standard input")
	if err := cmd.MarkFlagRequired("file"); err != nil {
		panic("signer: " + err.Error())
	}
	return cmd
}

// textOr reads what is to be signed, from a file if one is named.
func (a *app) textOr(file, text, what string, limit int) (string, error) {
	if file != "" {
		b, err := a.bytesOf(file, what, limit)
		if err != nil {
			return "", err
		}
		text = string(b)
	}
	switch {
	case strings.TrimSpace(text) == "":
		return "", usagef("give it with --text or --file", "an empty %s", what)
	case len(text) > limit+1: // the newline at the end may still go
		return "", usagef("shorten it", "%s of more than %d bytes", what, limit)
	}
	return text, nil
}

func (a *app) bytesOf(file, what string, limit int) ([]byte, error) {
	if file != "-" {
		return readPublic(file, what, "check the path")
	}
	b, err := io.ReadAll(io.LimitReader(a, int64(limit)+2))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", what, err)
	}
	return b, nil
}

// isMessage reports whether a proposal is a statement or typed data.
func isMessage(p api.Proposal) bool {
	return p.Intent.Kind == council.KindStatement || p.Intent.Kind == council.KindTypedData
}

// writeMessage shows the whole of what would be signed, each line marked, so
// that no text can pass for a part of the page.
func writeMessage(w io.Writer, p api.Proposal) {
	text := p.Intent.Text
	if p.Intent.Kind == council.KindTypedData {
		var b bytes.Buffer
		if text = p.Intent.Document; json.Indent(&b, []byte(text), "", "  ") == nil {
			text = b.String()
		}
	}
	fmt.Fprintln(w)
	for line := range strings.SplitSeq(text, "\n") {
		fmt.Fprintf(w, "  | %s\n", line)
	}
}

// writeSignature prints the signature alone, for a pipe.
func (a *app) writeSignature(p api.Proposal) error {
	switch {
	case !isMessage(p):
		return council.WithHint(fmt.Errorf("proposal %s is a transaction: its signature is on chain", p.Short), "'signer show "+p.Short+"' prints the transaction's hash")
	case len(p.Signature) == 0 && p.Instead != (council.ProposalID{}):
		return council.WithHint(fmt.Errorf("proposal %s is over: the same is signed as %s", p.Short, p.Instead.Short()), "'signer show "+p.Instead.Short()+" --signature'")
	case len(p.Signature) == 0:
		return council.WithHint(fmt.Errorf("proposal %s is %s: there is no signature yet", p.Short, p.State), "'signer show "+p.Short+"' says what it waits for")
	}
	return a.print(struct {
		Proposal  council.ProposalID `json:"proposal"`
		Digest    *common.Hash       `json:"digest"`
		Signature string             `json:"signature"`
	}{p.ID, p.Digest, p.Signature.String()}, func(w io.Writer) { fmt.Fprintln(w, p.Signature) })
}
