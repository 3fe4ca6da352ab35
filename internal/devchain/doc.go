// Package devchain is a small Ethereum chain for tests and for the demo: the
// pieces of go-ethereum itself (node, eth backend, filters, tracers and the
// simulated beacon), all in memory, behind an ordinary HTTP RPC on loopback.
//
// It is a real chain as far as a client can tell: transactions are pooled,
// executed and mined; "finalized" moves; debug_traceCall, eth_simulateV1 and
// calls at a block hash (EIP-1898) answer. What it lacks is peers: one process
// decides which block comes next, and so can also take blocks back (Reorg).
//
// With a Period it mines by the clock. Without one it mines only on Commit,
// which is what tests want: nothing happens unless the test makes it happen.
package devchain
