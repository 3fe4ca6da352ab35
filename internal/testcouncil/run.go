package testcouncil

import (
	"errors"
	"fmt"
	"sync"

	"github.com/millicent-one/signer/tss"
)

// Result is what one party's session has delivered.
type Result struct {
	Share     *tss.Share
	Signature *tss.Signature
	Armed     *tss.Armed
}

// Run carries the messages of all parties of one session between them, in
// lockstep, until everyone is done. Results are in the order of sessions.
func Run(sessions []*tss.Session) ([]Result, error) {
	results := make([]Result, len(sessions))
	inbox := make([][]tss.Message, len(sessions))
	outbox := make([][]tss.Message, len(sessions))
	errs := make([]error, len(sessions))
	take := func(i int, r tss.Ready, err error) {
		if r.Dropped != nil {
			err = r.Dropped
		}
		if err != nil && errs[i] == nil {
			errs[i] = fmt.Errorf("party %d: %w", i, err)
		}
		outbox[i] = append(outbox[i], r.Messages...)
		if r.Share != nil {
			results[i].Share = r.Share
		}
		if r.Signature != nil {
			results[i].Signature = r.Signature
		}
		if r.Armed != nil {
			results[i].Armed = r.Armed
		}
	}
	each(sessions, func(i int, s *tss.Session) {
		r, err := s.Start()
		take(i, r, err)
	})
	for {
		if err := errors.Join(errs...); err != nil {
			return nil, err
		}
		quiet := true
		for i := range outbox {
			for _, m := range outbox[i] {
				for j, s := range sessions {
					if j != i && (m.To == "" || m.To == s.Self()) {
						inbox[j] = append(inbox[j], m)
						quiet = false
					}
				}
			}
			outbox[i] = nil
		}
		if quiet {
			break
		}
		each(sessions, func(i int, s *tss.Session) {
			for _, m := range inbox[i] {
				r, err := s.Step(m)
				take(i, r, err)
				if errs[i] != nil {
					break
				}
			}
			inbox[i] = nil
		})
	}
	for i, s := range sessions {
		if !s.Done() {
			return nil, fmt.Errorf("party %d waits for %v", i, s.Waiting())
		}
	}
	return results, nil
}

func each(sessions []*tss.Session, f func(int, *tss.Session)) {
	var wg sync.WaitGroup
	for i, s := range sessions {
		wg.Go(func() { f(i, s) })
	}
	wg.Wait()
}
