package node

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os/exec"
	"slices"
	"time"

	"github.com/millicent-one/signer/agenda"
	"github.com/millicent-one/signer/council"
)

// Hook tells a program or a web address about what happens. Either Exec or
// Webhook is set.
type Hook struct {
	On      []string // see configs.HookEvents
	Exec    []string // program and arguments; the notice comes as JSON on its standard input
	Webhook string   // the notice is posted as JSON
}

// Notice is what a hook is given.
type Notice struct {
	Event    string             `json:"event"`
	Member   council.MemberID   `json:"member"` // whose node tells
	Proposal council.ProposalID `json:"proposal"`
	Text     string             `json:"text"`
	Waiting  []council.MemberID `json:"waiting,omitempty"`
	Time     time.Time          `json:"time"`
}

// hook runs the hooks that want the notice. They have no say in anything: one
// that fails or hangs is reported and forgotten. Few run at once, and the others
// wait: much may be said in one moment, and some of it is said once.
func (n *Node) hook(e agenda.Notify) {
	if e.What == rotationCommitted && n.handsOver() {
		return // this life ends here; the next one tells it
	}
	for i, h := range n.hooks {
		if !slices.Contains(h.On, e.What) {
			continue
		}
		select {
		case n.hookQueue <- struct{}{}:
		default:
			n.tell("hook-failed", e.Proposal, n.self, fmt.Sprintf("hook %d: %d hooks are waiting already", i+1, maxHooksQueued))
			continue
		}
		notice := Notice{Event: e.What, Member: n.self, Proposal: e.Proposal, Text: e.Text, Waiting: e.Waiting, Time: n.now().UTC()}
		n.children.Go(func() {
			defer func() { <-n.hookQueue }()
			select {
			case n.hookSlots <- struct{}{}:
			case <-n.ctx.Done():
				return
			}
			defer func() { <-n.hookSlots }()
			ctx, cancel := context.WithTimeout(n.ctx, hookTimeout)
			defer cancel()
			if err := h.run(ctx, notice); err != nil {
				n.log.Warn("hook", "number", i+1, "event", e.What, "err", err)
				n.tell("hook-failed", e.Proposal, n.self, fmt.Sprintf("hook %d: %v", i+1, err))
			}
		})
	}
}

const rotationCommitted = "rotation-committed"

// handsOver reports whether this node has switched and is about to be made anew.
func (n *Node) handsOver() bool {
	if n.shift.rotation == nil {
		return false
	}
	sw, ok := n.shift.rotation.Switched()
	return ok && n.goesOn(sw)
}

// tellSwitch tells people, once for each roster, that this one holds the key. The node
// that has switched to it ends in that moment, and its hooks with it.
func (n *Node) tellSwitch() {
	k := len(n.standing.Switches)
	if k == 0 || n.holding.Roster.Version != n.standing.Holding().Roster.Version {
		return
	}
	told := fmt.Appendf(nil, "%d", n.holding.Roster.Version)
	was, _, err := n.book().Meta(metaToldSwitch)
	if err == nil && bytes.Equal(was, told) {
		return
	}
	if err == nil {
		err = n.book().PutMeta(metaToldSwitch, told)
	}
	if err != nil { // it is told all the same, and once more after the next start
		n.log.Error("note that the switch is told", "err", err)
	}
	n.notify(agenda.Notify{What: rotationCommitted, Text: n.standing.Switches[k-1].String()})
}

func (h Hook) run(ctx context.Context, notice Notice) error {
	body, err := json.Marshal(notice)
	if err != nil {
		return err
	}
	if len(h.Exec) > 0 {
		cmd := exec.CommandContext(ctx, h.Exec[0], h.Exec[1:]...)
		cmd.Stdin = bytes.NewReader(body)
		cmd.WaitDelay = time.Second
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("run %s: %w", h.Exec[0], err)
		}
		return nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.Webhook, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("webhook: %w", redact(err))
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("webhook: %w", redact(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("webhook: answered %s", resp.Status)
	}
	return nil
}

// redact drops the address from an error of the HTTP client: webhook addresses
// carry secrets.
func redact(err error) error {
	var u *url.Error
	if errors.As(err, &u) {
		return u.Err
	}
	return errors.New("the address is not valid")
}
