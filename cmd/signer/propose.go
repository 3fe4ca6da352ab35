package main

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/policy"
)

// proposeFlags are what all ways to propose share, and the ceilings of those that
// end in a transaction.
type proposeFlags struct {
	reason, replaces, maxFee, maxTip, salt string
	validFor                               time.Duration
	maxGas                                 uint64
	preview                                bool
	expect                                 []string
}

func (f *proposeFlags) add(fs *pflag.FlagSet) {
	fs.StringVar(&f.reason, "reason", "", "why; the members and the public will read it")
	fs.DurationVar(&f.validFor, "valid-for", 0, "how long the council may act on it (default: by the charter)")
	fs.StringVar(&f.salt, "salt", "", "32 bytes that tell equal proposals apart (default: random)")
	fs.BoolVar(&f.preview, "preview", false, "decode and judge it, but tell nobody")
}

func (f *proposeFlags) addCeilings(fs *pflag.FlagSet) {
	fs.StringVar(&f.replaces, "replaces", "", "the proposal whose nonce this one takes over: its id, or the beginning")
	fs.StringArrayVar(&f.expect, "expect", nil, "a word of storage that it leaves behind, as 0xADDRESS:0xSLOT=0xVALUE; once for each")
	fs.Uint64Var(&f.maxGas, "max-gas", 0, "ceiling of gas (default: by the charter)")
	fs.StringVar(&f.maxFee, "max-fee", "", "ceiling for each gas, such as '50 gwei' (default: by the charter)")
	fs.StringVar(&f.maxTip, "max-tip", "", "ceiling of the tip for each gas, such as '2 gwei'")
}

func (f *proposeFlags) request() (api.ProposeRequest, error) {
	r := api.ProposeRequest{Reason: f.reason, MaxGas: f.maxGas, Preview: f.preview, Seconds: uint64(f.validFor / time.Second)}
	if strings.TrimSpace(f.reason) == "" {
		return r, usagef("add --reason 'what happened, and why this is the answer'", "no reason")
	}
	if f.validFor < 0 || f.validFor%time.Second != 0 {
		return r, usagef("write it as 30m or 24h", "--valid-for %s: want whole seconds", f.validFor)
	}
	for _, w := range []struct {
		flag, text string
		to         **api.Wei
	}{{"--max-fee", f.maxFee, &r.MaxFee}, {"--max-tip", f.maxTip, &r.MaxTip}} {
		if w.text == "" {
			continue
		}
		v, err := policy.ParseWei(w.text)
		if err != nil {
			return r, usage{fmt.Errorf("%s: %w", w.flag, err)}
		}
		*w.to = api.NewWei(v)
	}
	for _, s := range f.expect {
		x, err := council.ParseExpected(s)
		if err != nil {
			return r, usage{fmt.Errorf("--expect: %w", err)}
		}
		r.Expect = append(r.Expect, x)
	}
	if f.salt != "" {
		r.Salt = new(common.Hash)
		if err := r.Salt.UnmarshalText([]byte(f.salt)); err != nil {
			return r, usagef("give 0x and 64 hex digits", "--salt: %w", err)
		}
	}
	if f.replaces != "" {
		if err := api.CheckPrefix(f.replaces); err != nil {
			return r, usagef("give the id, or its beginning: 'signer status' shows who holds a nonce", "--replaces: %w", err)
		}
		r.Replaces = f.replaces
	}
	return r, nil
}

func (a *app) proposeCmd() *cobra.Command {
	var f proposeFlags
	var target string
	var params map[string]string
	cmd := &cobra.Command{
		Use:   "propose PLAYBOOK --target NAME --reason TEXT [--param NAME=VALUE]...",
		Short: "Put an action before the council",
		Long: `Put an action before the council: a playbook from the charter, with no hex to
type, or with 'propose raw' any transaction, with 'propose statement' a public
text, with 'propose typed-data' an EIP-712 document. Each node decodes and judges
it for itself; the members approve what their own nodes show them.`,
		Example: "  signer propose pause --target bridge --reason 'forged message in block 1234'",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := f.request()
			if err != nil {
				return err
			}
			r.Playbook, r.Target, r.Params = args[0], target, params
			return a.propose(cmd, r)
		},
	}
	f.add(cmd.Flags())
	f.addCeilings(cmd.Flags())
	cmd.Flags().StringVar(&target, "target", "", "what to act on, by its name in the charter")
	cmd.Flags().StringToStringVar(&params, "param", nil, "a parameter of the playbook")
	cmd.AddCommand(a.proposeRaw(), a.proposeStatement(), a.proposeTypedData())
	return cmd
}

func (a *app) proposeRaw() *cobra.Command {
	var f proposeFlags
	var chain uint64
	var to, value, data, dataFile string
	cmd := &cobra.Command{
		Use:     "raw --chain ID --to ADDRESS --data 0x… --reason TEXT",
		Short:   "Propose any transaction",
		Long:    "Propose any transaction. What the charter's actions can't decode, no node allows.",
		Example: "  signer propose raw --chain 1 --to 0x5290…9EE7 --data 0x8456cb59 --reason 'pause by hand'",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := f.request()
			if err != nil {
				return err
			}
			r.Raw = &api.RawTransaction{Chain: chain}
			if r.Raw.To, err = policy.ParseAddress(to); err != nil {
				return usage{fmt.Errorf("--to: %w", err)}
			}
			if value != "" {
				v, err := policy.ParseWei(value)
				if err != nil {
					return usage{fmt.Errorf("--value: %w", err)}
				}
				r.Raw.Value = api.NewWei(v)
			}
			if dataFile != "" {
				b, err := readPublic(dataFile, "calldata", "check the path")
				if err != nil {
					return err
				}
				data = strings.TrimSpace(string(b))
			}
			if r.Raw.Data, err = calldata(data); err != nil {
				return err
			}
			return a.propose(cmd, r)
		},
	}
	f.add(cmd.Flags())
	f.addCeilings(cmd.Flags())
	fs := cmd.Flags()
	fs.Uint64Var(&chain, "chain", 0, "chain id")
	fs.StringVar(&to, "to", "", "the contract to call, with its checksum")
	fs.StringVar(&value, "value", "", "value to send, such as '0.1 ether' (no policy can allow any)")
	fs.StringVar(&data, "data", "", "calldata in hex")
	fs.StringVar(&dataFile, "data-file", "", "file with calldata in hex")
	for _, f := range []string{"chain", "to"} {
		if err := cmd.MarkFlagRequired(f); err != nil {
			panic("signer: " + err.Error())
		}
	}
	cmd.MarkFlagsMutuallyExclusive("data", "data-file")
	return cmd
}

func calldata(s string) ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	digits, ok := strings.CutPrefix(s, "0x")
	b, err := hex.DecodeString(digits)
	if !ok || err != nil {
		return nil, usagef("write 0x and an even number of hex digits", "calldata is not hex")
	}
	if len(b) > council.MaxCalldata {
		return nil, usagef("", "calldata has %d bytes; at most %d", len(b), council.MaxCalldata)
	}
	return b, nil
}

func (a *app) propose(cmd *cobra.Command, r api.ProposeRequest) error {
	if r.Reason == "-" { // a long one, from a file
		b, err := io.ReadAll(io.LimitReader(a, council.MaxReason+1))
		if err != nil {
			return fmt.Errorf("read reason: %w", err)
		}
		r.Reason = strings.TrimSpace(string(b))
	}
	c, err := a.client()
	if err != nil {
		return err
	}
	p, err := c.Propose(cmd.Context(), r)
	if err != nil {
		return err
	}
	return a.print(p, func(w io.Writer) {
		writeProposal(w, p, a.now())
		if r.Preview {
			fmt.Fprintln(w, "\nOnly a preview: nobody was told.")
		} else {
			fmt.Fprintf(w, "\nNext: signer approve %s\n", oneLine(p.Short))
		}
	})
}
