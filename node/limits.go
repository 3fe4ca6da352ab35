package node

import "time"

// Bounds of the daemon.
const (
	maxSessions     = 24                     // engine sessions at once
	maxEarly        = 16                     // sessions of which one sender's frames are kept before they start here
	maxEarlyBytes   = 1 << 20                // and the bytes of those frames
	heldUp          = 300 * time.Millisecond // a timer so late means that this process was not running
	frameBatch      = 256                    // frames that are taken in one go
	mailbox         = 512                    // frames that wait for one session
	maxTold         = 512                    // bytes of an event's text that tells of a member's words
	listed          = 8                      // proposals that are named where the beginning of an id fits several
	listedText      = 80                     // bytes of what each does
	eventsKept      = 2048                   // events that a late API subscriber can still read
	syncBatch       = 256                    // entries in one sync frame
	syncBytes       = 1 << 20                // and their bytes
	feedTurn        = 64                     // entries, or 4 KiB of them, that the owner merges or looks up for others in one turn: sessions come between
	feedRate        = 500                    // likewise a second, that one member passes on or is given, sustained: the feeds of some months take half a minute
	feedBurst       = 4096                   // and at once
	feedFrames      = 4                      // sync frames of entries of one member that wait
	feedPause       = 100 * time.Millisecond // until those who have used up what they may are looked at again
	feedWarns       = 90                     // parts of 100 from which on people are told that a feed is nearly full
	syncEvery       = 10 * time.Second       // between two comparisons of feeds with one other node
	fetchTimeout    = 10 * time.Second       // one look at the own RPC
	maxFetches      = 6                      // proposals whose facts one chain is asked for at once; two more for what restricts or is approved
	firstRehearsal  = time.Minute            // within which playbooks are first tried
	maxEffects      = 200                    // changes, and movements, that a view of a proposal lists
	spareIdle       = time.Minute            // of quiet, before spare pre-parameters are searched
	complainEvery   = 10 * time.Second       // between two lines in the log about false words of one member, of one kind
	weighEvery      = 10 * time.Second       // between two times that the ledger is read through for successions that are no news
	skewEvery       = time.Hour              // between two times that people are told of one member's clock
	overstepEvery   = time.Hour              // between two times that people are told what one who has left still tries, of one kind
	leaverSteps     = 2                      // rotations that move shares until who has left, and is silent, is a stranger: its own counts
	hookTimeout     = 30 * time.Second       // one hook
	maxHooks        = 8                      // hooks that run at once
	maxHooksQueued  = 512                    // and with those that wait for it: a council's terms end on one day, for as many hooks as there may be
	maxModuli       = 1 << 15                // remembered moduli, a MiB of them: those of two thousand ceremonies of seven. None begins that has no room
	maxCalls        = 64                     // API requests that wait for the owner
	maxPublic       = 256 << 10              // bytes of an epoch's public numbers
	maxPublicChecks = 4                      // times that what one member says those are is checked: an honest one always says the same
	talkRate        = 50                     // messages a second of one member beside feeds and sessions, sustained
	talkBurst       = 512                    // and at once, as after a while in which this process stood still
)
