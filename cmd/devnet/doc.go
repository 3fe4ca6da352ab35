// Command devnet starts a whole council on this machine and plays its story:
// seven real 'signer' processes, each with its own directory, ports, policy and
// wallet, and an Ethereum dev chain. 'devnet demo' is the guided tour, and a
// test at the same time: it exits 0 only if every step held. 'devnet trials' and
// 'devnet netns' put the same council to harder tests.
//
// Nothing is shared between the signers but the network. What a member would
// type is typed: init, id, roster, run, keygen, propose, approve, reject, list,
// show, status and doctor are run as programs, and every call is kept in
// commands.log. What the chain holds is read back from its RPC with plain
// go-ethereum code. Between two calls the story waits for events of the
// daemons (GET /v1/events), not for time.
//
//	main.go       the command line
//	story.go      how a story is told; story_*.go its steps
//	council.go    how seven strangers become a council
//	runbook.go    what docs/runbook.md says, typed as it stands there
//	member.go     one member: directory, wallet, daemon, commands
//	process.go    children that never outlive this process
//	tape.go       what a daemon tells, kept for whoever waits
//	chain.go      the dev chain: in this process, geth, anvil, or by URL
//	sites.go      the contracts that the council is there for
//	charter.go    the charter that names them
//	stranger.go   a peer that nobody invited
//	netns.go      network namespaces, and lines that can be cut; story_netns.go plays there
//	rotations.go  one rotation after the other; passage.go says how long each took
//	bench.go      the measurements, bench_*.go their parts
//	report.go     what is printed
package main
