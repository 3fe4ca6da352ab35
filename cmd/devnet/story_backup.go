package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ethereum/go-ethereum/common"

	"github.com/millicent-one/signer/api"
	"github.com/millicent-one/signer/council"
)

// backUp is what comes before any money, and after each change of the shares: every
// member seals a backup to a safe of the own, opens it again, and the council hears of it.
func (s *story) backUp(ctx context.Context, epoch uint64) error {
	began := time.Now()
	var mu sync.Mutex
	files := map[council.MemberID]common.Hash{}
	err := each(ctx, s.members, func(ctx context.Context, m *member) error {
		sum, err := m.backUp(ctx, s.safe(m, epoch))
		mu.Lock()
		defer mu.Unlock()
		files[m.id] = sum
		return err
	})
	if err != nil {
		return err
	}
	for _, m := range s.members {
		err := s.status(ctx, m, "the backups of all", func(st api.Status) bool { return st.Backups != nil && st.Backups.Fundable })
		if err != nil {
			return err
		}
		st, err := m.client.Status(ctx)
		if err != nil {
			return err
		}
		for _, b := range st.Backups.Made {
			if files[b.Member] != b.SHA256 {
				return fmt.Errorf("%w: %s knows the backup of %s as %s; the file is %s", errDisagree, m.id, b.Member, b.SHA256, files[b.Member])
			}
		}
	}
	s.say("seven sealed backups of share epoch %d made, opened again and audited in %.1f s; only now all seven nodes call the address fundable", epoch, time.Since(began).Seconds())
	return nil
}

// safe is where a member keeps the backup of a share epoch (.age) and what opens it
// (.txt): in no node's directory.
func (s *story) safe(m *member, epoch uint64) string {
	return filepath.Join(s.dir, safeName(m, epoch))
}

func safeName(m *member, epoch uint64) string {
	return filepath.Join(fmt.Sprintf("safe-of-%s", m.id), fmt.Sprintf("epoch-%d", epoch))
}

// kept says where a backup lies, and what opens it.
func kept(m *member, epoch uint64) put {
	return put{"FILE": safeName(m, epoch) + ".age", "safe.txt": safeName(m, epoch) + ".txt"}
}

// backUp makes a member's backup and verifies it. The safe is an age identity
// whose secret half the node never sees.
func (m *member) backUp(ctx context.Context, safe string) (sum common.Hash, err error) {
	if err := os.MkdirAll(filepath.Dir(safe), 0o700); err != nil {
		return sum, fmt.Errorf("make a safe: %w", err)
	}
	recipient, err := newIdentity(safe + ".txt")
	if err != nil {
		return sum, err
	}
	type view struct {
		SHA256 common.Hash
		Told   bool
	}
	made, err := ask[view](ctx, m, "backup", "create", "--out", safe+".age", "--recipient", recipient)
	if err != nil {
		return sum, err
	}
	seen, err := ask[view](ctx, m, "backup", "verify", safe+".age", "--identity", safe+".txt")
	switch {
	case err != nil:
		return sum, err
	case seen.SHA256 != made.SHA256:
		return sum, fmt.Errorf("%s verified another file than it made: %s, %s", m.id, seen.SHA256, made.SHA256)
	case !seen.Told:
		return sum, fmt.Errorf("the council was not told of the backup of %s", m.id)
	}
	return seen.SHA256, nil
}
