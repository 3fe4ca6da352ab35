// Package policy decides what the council's key may sign. It is where the
// sentence "powers limited to security matters" becomes code.
//
// Two files speak. The charter is the council's: chains, contracts with their
// pinned functions, ready actions, rules; its hash stands in the roster. A
// member's own policy can only narrow it. A third, the catalogue of actions,
// gives functions their names, classes and sentences.
//
// A decision is a pure function of the intent's bytes, these files, facts that
// the node fetched for itself, and the time: Needs says which facts, Evaluate
// answers and explains itself, Authorize judges the final transaction once more
// and mints the Permit without which no signing session starts. Four things hold
// whatever the files say:
//
//   - Deny is the default: no rule, a missing or old fact, bytes that can't be
//     decoded in the one canonical way, an unknown contract.
//   - An explicit deny wins over every allow.
//   - The never-list (never.go) wins over everything: value out, tokens moved or
//     approved, contracts created. Renouncing needs to be named by the charter.
//   - Calls within calls are unwrapped (unwrap.go) and judged one by one, as made
//     by the contract that will make them; what can't be unwrapped is denied.
//
// Read it in this order: signature.go and codec.go (what bytes mean),
// catalogue.go and template.go (what people call it), charter.go and rule.go
// (what is allowed), condition.go and predicate.go (what args asks),
// addresslist.go, when.go (where an expression stands), expression.go, dialect.go
// and celvalue.go (what it is), call.go (the tree), evaluate.go and match.go (the
// answer), term.go, window.go and history.go (when, how often, and by whose
// approvals), proxy.go, role.go and simulation.go (what has to be true on chain, and
// what a simulation may show), authorize.go and permit.go (the proof of it),
// playbook.go and rehearsal.go (ready actions), check.go and mistakes.go (mistakes
// in a charter). docs/policy.md teaches the language.
//
// The rest is for people who write policies: explain.go (the whole tree behind a
// decision; explain_rows.go has one row for each thing that a rule can ask, and a
// new one joins there), cases.go (tables of cases, which test a policy), diff.go
// (what becomes allowed and what forbidden; diff_rules.go compares rules,
// diff_search.go finds examples), matrix.go (whose node takes part in what),
// replay.go (the past under a new policy), assume.go (facts where there is no
// chain), prove.go (what a charter can allow at most: effects.go knows what
// functions do, reach.go finds the ways, witness.go the examples).
//
// The package knows no file, no network, no clock and no goroutine.
package policy
