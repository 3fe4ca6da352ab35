package configs

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
)

// SignerYAML is a commented signer.yaml that loads as it is.
//
//go:embed signer.yaml
var SignerYAML string

// Sample is what 'signer init' knows when it writes the first signer.yaml.
// Empty fields keep the sample's words.
type Sample struct {
	Member     string
	Approver   string
	Listen     []string
	Announce   []string
	Identity   string // path
	Passphrase string // path
}

// YAML is the sample with these values in it.
func (s Sample) YAML() (string, error) {
	out := SignerYAML
	var err error
	put := func(old, new string) {
		if strings.Count(out, old) != 1 && err == nil {
			err = fmt.Errorf("sample signer.yaml: %q stands there %d times; want once", old, strings.Count(out, old))
		}
		out = strings.Replace(out, old, new, 1)
	}
	if s.Member != "" {
		put("\nmember: core-1\n", "\nmember: "+quote(s.Member)+"\n")
	}
	if s.Approver != "" {
		put("\n#approver: \"0x…\"\n", "\napprover: "+quote(s.Approver)+"\n")
	}
	if len(s.Listen) > 0 {
		put("  - /ip4/0.0.0.0/tcp/4100\n  - /ip4/0.0.0.0/udp/4100/quic-v1\n", items(s.Listen))
	}
	if len(s.Announce) > 0 && !slices.Equal(s.Announce, s.Listen) {
		put("#announce:\n#  - /dns4/signer.example.org/tcp/4100\n", "announce:\n"+items(s.Announce))
	}
	if s.Identity != "" {
		put("  #identity-file: /etc/signer/identity.txt\n", "  identity-file: "+quote(s.Identity)+"\n")
	}
	if s.Passphrase != "" {
		put("  #passphrase-file: /run/credentials/signer/passphrase\n", "  passphrase-file: "+quote(s.Passphrase)+"\n")
	}
	return out, err
}

func items(list []string) string {
	var b strings.Builder
	for _, s := range list {
		b.WriteString("  - " + quote(s) + "\n")
	}
	return b.String()
}

// quote writes a YAML text: single quotes leave nothing to be interpreted.
func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
