package main

import "time"

// How long each step may take before the demo gives up on it. On two idle cores
// the whole story takes a few minutes; these bounds are for machines that
// are busy with something else.
const (
	budgetKey      = 5 * time.Minute
	budgetStranger = 90 * time.Second
	budgetAct      = 90 * time.Second
	budgetReturn   = 3 * time.Minute
	budgetWarm     = 8 * time.Minute
	budgetTerm     = 5 * time.Minute
	budgetCut      = 8 * time.Minute
	budgetTrials   = 10 * time.Minute
)

// Other waits and bounds.
const (
	commandTime   = 3 * time.Minute        // one call of the signer; keygen has its step's budget
	stopTime      = time.Minute            // a daemon asked to end, before it is killed
	startTime     = 2 * time.Minute        // until a daemon answers
	chainTime     = 2 * time.Minute        // until a chain answers
	lookEvery     = 50 * time.Millisecond  // at what can't tell: a socket that is not there yet
	headEvery     = 200 * time.Millisecond // at the head of a chain behind HTTP
	glanceEvery   = time.Second            // at a proposal, should an event be missed
	quietBlocks   = 2                      // blocks in which nothing may happen
	finalBlocks   = 2                      // on a block that then counts as final
	daemonPoll    = "500ms"                // between two looks of a daemon at the head
	councilGas    = 20                     // ether for the council's transactions
	tapeKept      = 20_000                 // events of one daemon
	logTail       = 12                     // lines of a daemon's log under a failure
	slowTrunk     = "512kbit"              // a second between the switches, when what crosses is to be late
	cutsTried     = 3                      // rotations in which the line may be cut too late
	actTries      = 3                      // of an act that comes out otherwise than it is to be shown
	doctorTries   = 5                      // of checks, where an RPC is slow
	memoryRest    = 5 * time.Minute        // of daemons, until their memory is measured
	dialAgain     = 10 * time.Second       // for a stranger, if nobody tells of its dial
	newTermIn     = 10 * time.Second       // until the new members' terms begin: the old ones agree until then
	treasuryAsked = 1000                   // tokens that somebody would like to have
)
