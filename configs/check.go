package configs

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ethereum/go-ethereum/common"
	ma "github.com/multiformats/go-multiaddr"

	"github.com/millicent-one/signer/council"
)

// wrong is a mistake in the value of a key, with its place: in the file, in the
// environment, or on the command line.
func (l *Loaded) wrong(path, hint, format string, args ...any) error {
	key, _, _ := strings.Cut(path, "[")
	if src, ok := l.source[key]; ok && src != "default" && !l.fromFileKey(key) {
		return council.WithHint(fmt.Errorf("%s: %s", src, fmt.Sprintf(format, args...)), hint)
	}
	return l.doc.Errorf(path, hint, format, args...)
}

func (l *Loaded) check() error {
	for _, f := range []func() error{l.checkMember, l.checkAddresses, l.checkChains, l.checkHooks, l.checkRest, l.checkWaits, l.checkStandby} {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

func (l *Loaded) checkMember() error {
	if l.Member == "" {
		return l.wrong("member", "add a line such as 'member: core-1'; it is the name of your seat in the roster", "member is missing")
	}
	if err := council.MemberID(l.Member).Valid(); err != nil {
		return l.wrong("member", "use the name of your seat in the roster, such as core-1", "%v", err)
	}
	if l.Approver == "" {
		return nil
	}
	if !common.IsHexAddress(l.Approver) || !strings.HasPrefix(l.Approver, "0x") {
		return l.wrong("approver", "copy the whole address from your wallet", "approver %q is not 0x and 40 hex digits", clip(l.Approver))
	}
	if want := common.HexToAddress(l.Approver).Hex(); want != l.Approver {
		return l.wrong("approver", "compare every digit with your wallet before you take over the corrected form",
			"approver %s has a wrong checksum; with these digits it is %s", l.Approver, want)
	}
	return nil
}

func (l *Loaded) checkAddresses() error {
	if n := len(l.Listen); n == 0 || n > maxListen {
		return l.wrong("listen", "name at least one address, such as /ip4/0.0.0.0/tcp/4100", "listen has %d addresses; want 1 to %d", n, maxListen)
	}
	if n := len(l.Announce); n > maxAddrs {
		return l.wrong("announce", "", "announce has %d addresses; at most %d", n, maxAddrs)
	}
	if n := len(l.Peers); n > maxPeers {
		return l.wrong("peers", "", "%d peers; at most %d", n, maxPeers)
	}
	lists := map[string][]string{"listen": l.Listen, "announce": l.Announce}
	keys := []string{"listen", "announce"}
	for i, p := range l.Peers {
		at := fmt.Sprintf("peers[%d]", i)
		if err := council.MemberID(p.Member).Valid(); err != nil {
			return l.wrong(at+".member", "", "%v", err)
		}
		if slices.ContainsFunc(l.Peers[:i], func(q Peer) bool { return q.Member == p.Member }) {
			return l.wrong(at+".member", "put all its addresses into one entry", "peer %s is listed twice", p.Member)
		}
		if p.Member == l.Member {
			return l.wrong(at+".member", "remove the entry; this node's own addresses are 'listen' and 'announce'", "peer %s is this node itself", p.Member)
		}
		if n := len(p.Addrs); n == 0 || n > maxAddrs {
			return l.wrong(at+".addrs", "", "peer %s has %d addresses; want 1 to %d", p.Member, n, maxAddrs)
		}
		lists[at+".addrs"] = p.Addrs
		keys = append(keys, at+".addrs")
	}
	for _, key := range keys {
		for i, s := range lists[key] {
			if _, err := ma.NewMultiaddr(s); err != nil {
				return l.wrong(fmt.Sprintf("%s[%d]", key, i), "write it as /ip4/203.0.113.7/tcp/4100, /dns4/signer.example.org/tcp/4100 or /ip4/203.0.113.7/udp/4100/quic-v1",
					"address %q: %v", clip(s), err)
			}
		}
	}
	return nil
}

func (l *Loaded) checkChains() error {
	if n := len(l.Chains); n == 0 || n > maxChains {
		return l.wrong("chains", "list the chains that the council acts on, each with 'id' and 'rpcs'", "%d chains; want 1 to %d", n, maxChains)
	}
	for i, c := range l.Chains {
		at := fmt.Sprintf("chains[%d]", i)
		switch {
		case c.ID == 0:
			return l.wrong(at+".id", "Ethereum is 1", "chain id is 0")
		case slices.ContainsFunc(l.Chains[:i], func(o Chain) bool { return o.ID == c.ID }):
			return l.wrong(at+".id", "put all its RPCs into one entry", "chain %d is listed twice", c.ID)
		case len(c.RPCs) == 0 || len(c.RPCs) > maxRPCs:
			return l.wrong(at+".rpcs", "name your own node first; a second RPC is used when the first fails", "chain %d has %d RPCs; want 1 to %d", c.ID, len(c.RPCs), maxRPCs)
		case c.Poll != 0 && (c.Poll < minPoll || c.Poll > maxPoll):
			return l.wrong(at+".poll", "", "poll %s: want %s to %s", c.Poll, minPoll, maxPoll)
		case c.MaxLag != 0 && (c.MaxLag < time.Second || c.MaxLag > maxWait):
			return l.wrong(at+".max-lag", "", "max-lag %s: want %s to %s", c.MaxLag, time.Second, maxWait)
		case c.Confirmations > maxConfirm:
			return l.wrong(at+".confirmations", "", "%d confirmations; at most %d", c.Confirmations, maxConfirm)
		}
		for j, u := range c.RPCs {
			if w := u.valid("http", "https"); w != "" {
				return l.wrong(fmt.Sprintf("%s.rpcs[%d]", at, j), "write it as https://rpc.example.org", "RPC %d of chain %d: %s", j+1, c.ID, w)
			}
		}
	}
	return nil
}

func (l *Loaded) checkHooks() error {
	if n := len(l.Hooks); n > maxHooks {
		return l.wrong("hooks", "", "%d hooks; at most %d", n, maxHooks)
	}
	for i, h := range l.Hooks {
		at := fmt.Sprintf("hooks[%d]", i)
		if len(h.On) == 0 {
			return l.wrong(at+".on", "", "hook names no event; known are %s", strings.Join(HookEvents, ", "))
		}
		for j, e := range h.On {
			if !slices.Contains(HookEvents, e) {
				return l.wrong(fmt.Sprintf("%s.on[%d]", at, j), "known events: "+strings.Join(HookEvents, ", "), "unknown event %q", clip(e))
			}
		}
		switch {
		case (len(h.Exec) == 0) == (h.Webhook == ""):
			return l.wrong(at, "give 'exec: [/path/to/program]' or 'webhook: https://…'", "hook wants exactly one of exec and webhook")
		case len(h.Exec) > maxExec:
			return l.wrong(at+".exec", "", "%d words; at most %d", len(h.Exec), maxExec)
		case len(h.Exec) > 0 && !filepath.IsAbs(h.Exec[0]):
			return l.wrong(at+".exec", "write the program's whole path; no shell and no PATH is used", "program %q is not an absolute path", clip(h.Exec[0]))
		}
		if h.Webhook != "" {
			if w := h.Webhook.valid("http", "https"); w != "" {
				return l.wrong(at+".webhook", "write it as https://hooks.example.org/…", "webhook %s", w)
			}
		}
	}
	return nil
}

func (l *Loaded) checkRest() error {
	if !slices.Contains([]string{"text", "json"}, l.Log.Format) {
		return l.wrong("log.format", "", "log format %q: want text or json", clip(l.Log.Format))
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, l.Log.Level) {
		return l.wrong("log.level", "", "log level %q: want debug, info, warn or error", clip(l.Log.Level))
	}
	if l.Unlock.Identity != "" && l.Unlock.Passphrase != "" {
		return l.wrong("unlock", "keep one; with neither the daemon asks for a passphrase", "both identity-file and passphrase-file are set")
	}
	for key, v := range map[string]string{"data": l.Data, "socket": l.Socket, "roster": l.Roster, "charter": l.Charter, "policy": l.Policy} {
		if v == "" {
			return l.wrong(key, "", "%s is empty", key)
		}
	}
	if n := len(l.Successions); n > council.MaxSteps {
		return l.wrong("successions", "", "%d successions; at most %d", n, council.MaxSteps)
	}
	for i, f := range l.Successions {
		if f == "" {
			return l.wrong(fmt.Sprintf("successions[%d]", i), "name the files that were agreed on since the first roster, in order", "succession %d names no file", i+1)
		}
	}
	if d := l.Rehearse.Every; d != 0 && (d < minRehearse || d > maxRehearse) {
		return l.wrong("rehearse.every", "0s turns the trials off", "every %s: want %s to %s", d, minRehearse, maxRehearse)
	}
	return nil
}

func (l *Loaded) checkWaits() error {
	w := l.Waits
	for _, d := range []struct {
		key string
		v   time.Duration
	}{{"attempt", w.Attempt}, {"grace", w.Grace}, {"retry", w.Retry}, {"rejudge", w.Rejudge}, {"rebroadcast", w.Rebroadcast},
		{"bump", w.Bump}, {"remind", w.Remind}, {"ceremony", w.Ceremony}, {"clock-skew", w.ClockSkew}} {
		if d.v < minWait || d.v > maxWait {
			return l.wrong("deadlines."+d.key, "", "%s %s: want %s to %s", d.key, d.v, minWait, maxWait)
		}
	}
	return nil
}

func (l *Loaded) checkStandby() error {
	s := l.Standby
	switch {
	case s.Depth < 0 || s.Depth > maxDepth:
		return l.wrong("standby.depth", "1 is enough for a council that signs now and then; 0 turns standby off", "depth %d: want 0 to %d", s.Depth, maxDepth)
	case s.CPU < 1 || s.CPU > 100:
		return l.wrong("standby.cpu", "it is a percentage: 25 is a quarter of the processor", "cpu %d: want 1 to 100", s.CPU)
	case s.TTL < minTTL || s.TTL > maxTTL:
		return l.wrong("standby.ttl", "to make all slots again costs each node of a council of seven about 20 seconds of processor", "ttl %s: want %s to %s", s.TTL, minTTL, maxTTL)
	}
	return nil
}

// checkMode refuses a file that others can change, and one with secrets that
// others can read.
func (l *Loaded) checkMode(mode fs.FileMode) error {
	if mode.Perm()&0o022 != 0 {
		return council.WithHint(fmt.Errorf("%s can be changed by others (mode %04o)", l.File, mode.Perm()), "chmod 600 "+l.File)
	}
	if mode.Perm()&0o044 == 0 {
		return nil
	}
	secret := func(where string) error {
		return council.WithHint(fmt.Errorf("%s can be read by others (mode %04o), and %s carries a secret", l.File, mode.Perm(), where), "chmod 600 "+l.File)
	}
	for _, c := range l.Chains {
		for _, u := range c.RPCs {
			if u.Secret() {
				return secret("RPC " + u.String())
			}
		}
	}
	for _, h := range l.Hooks {
		if h.Webhook.Secret() {
			return secret("webhook " + h.Webhook.String())
		}
	}
	return nil
}
