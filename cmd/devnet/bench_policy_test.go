package main

import (
	"testing"
	"time"
)

// What is measured is what the row says: a call that the last of 200 rules
// allows. Ten times the aim is left for a machine that does other things, too.
func TestPolicyRow(t *testing.T) {
	var res results
	if err := res.judge(); err != nil {
		t.Fatal(err)
	}
	if m := median(res.evaluate); m <= 0 || m > 10*aimEvaluate*time.Microsecond {
		t.Errorf("a plain call takes %s", m)
	}
	if m := median(res.evaluateBatch); m <= median(res.evaluate) || m > 10*aimBatch*time.Microsecond {
		t.Errorf("a batch takes %s, a plain call %s", m, median(res.evaluate))
	}
	rows := map[string]row{}
	for _, r := range res.rows() {
		rows[r.Name] = r
	}
	for name, aim := range map[string]float64{"policy_evaluate": aimEvaluate, "policy_evaluate_batch": aimBatch} {
		r, ok := rows[name]
		if !ok || r.Unit != "us" || r.Baseline != aim || r.Ratio <= 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
	t.Logf("plain %s, batch of 20 %s", median(res.evaluate), median(res.evaluateBatch))
}
