package configs

import (
	"fmt"
	"path/filepath"
	"time"
)

// Config is signer.yaml. Paths are absolute after Load.
type Config struct {
	Member   string   `yaml:"member" mapstructure:"member"` // this node's member id
	Data     string   `yaml:"data" mapstructure:"data"`     // directory of keys and journal; relative to this file
	Socket   string   `yaml:"socket" mapstructure:"socket"` // of the API; relative to data
	Listen   []string `yaml:"listen" mapstructure:"listen"`
	Announce []string `yaml:"announce" mapstructure:"announce"` // addresses for the member card; empty: listen
	Peers    []Peer   `yaml:"peers" mapstructure:"peers"`       // overrides of where other nodes are
	Roster   string   `yaml:"roster" mapstructure:"roster"`
	// Successions lead from the first roster, which Roster names, to the one in which
	// this node comes in; empty for who was there from the beginning.
	Successions []string  `yaml:"successions" mapstructure:"successions"`
	Charter     string    `yaml:"charter" mapstructure:"charter"`
	Policy      string    `yaml:"policy" mapstructure:"policy"`
	Actions     string    `yaml:"actions" mapstructure:"actions"` // catalogue of actions; empty: the one in this program
	Chains      []Chain   `yaml:"chains" mapstructure:"chains"`
	Approver    string    `yaml:"approver" mapstructure:"approver"` // the member's wallet, for 'id' and 'doctor'
	Hooks       []Hook    `yaml:"hooks" mapstructure:"hooks"`
	Log         Log       `yaml:"log" mapstructure:"log"`
	Unlock      Unlock    `yaml:"unlock" mapstructure:"unlock"`
	Waits       Deadlines `yaml:"deadlines" mapstructure:"deadlines"`
	Gas         Gas       `yaml:"gas" mapstructure:"gas"`
	Keygen      Keygen    `yaml:"keygen" mapstructure:"keygen"`
	Rehearse    Rehearse  `yaml:"rehearse" mapstructure:"rehearse"`
	Standby     Standby   `yaml:"standby" mapstructure:"standby"`
}

// Peer says where a member's node is, instead of what its own signed record says.
type Peer struct {
	Member string   `yaml:"member" mapstructure:"member" strict:"required"`
	Addrs  []string `yaml:"addrs" mapstructure:"addrs" strict:"required"` // multiaddresses
}

// Chain is one chain and who is asked about it.
type Chain struct {
	ID            uint64        `yaml:"id" mapstructure:"id" strict:"required"`
	RPCs          []URL         `yaml:"rpcs" mapstructure:"rpcs" strict:"required"` // in order of preference
	Poll          time.Duration `yaml:"poll" mapstructure:"poll"`                   // between two looks at the head; 0: 4s
	Confirmations uint64        `yaml:"confirmations" mapstructure:"confirmations"` // blocks that count as final; 0: the chain's own finality
	MaxLag        time.Duration `yaml:"max-lag" mapstructure:"max-lag"`             // age of a head that is too old to judge by; 0: 90s
}

// Hook tells a program or a web address about events.
type Hook struct {
	On      []string `yaml:"on" mapstructure:"on" strict:"required"`
	Exec    []string `yaml:"exec" mapstructure:"exec"` // program and arguments; no shell
	Webhook URL      `yaml:"webhook" mapstructure:"webhook"`
}

// HookEvents are the events that a hook can ask for.
var HookEvents = []string{"proposed", "third-approval", "signed", "stuck", "evidence", "mandate", "frozen", "flood",
	"rotation-proposed", "rotation-locking", "rotation-committed", "rotation-aborted", "rotation-failed", "roster-signed"}

// Log says how the daemon logs.
type Log struct {
	Format string `yaml:"format" mapstructure:"format"` // text, json
	Level  string `yaml:"level" mapstructure:"level"`   // debug, info, warn, error
}

// Unlock says how the daemon opens its keystore; with neither it asks.
type Unlock struct {
	Identity   string `yaml:"identity-file" mapstructure:"identity-file"`     // age identity
	Passphrase string `yaml:"passphrase-file" mapstructure:"passphrase-file"` // mode 0600
}

// Deadlines are the waits of the council's business.
type Deadlines struct {
	Attempt     time.Duration `yaml:"attempt" mapstructure:"attempt"`         // a whole signing attempt
	Grace       time.Duration `yaml:"grace" mapstructure:"grace"`             // how long the next coordinator in rank waits for the first
	Retry       time.Duration `yaml:"retry" mapstructure:"retry"`             // until a failed question to an RPC is asked again
	Rejudge     time.Duration `yaml:"rejudge" mapstructure:"rejudge"`         // until a denied open proposal is judged again
	Rebroadcast time.Duration `yaml:"rebroadcast" mapstructure:"rebroadcast"` // until an unmined transaction is sent again
	Bump        time.Duration `yaml:"bump" mapstructure:"bump"`               // until an unmined transaction gets higher fees
	Remind      time.Duration `yaml:"remind" mapstructure:"remind"`           // between two reminders of who is waited for
	Ceremony    time.Duration `yaml:"ceremony" mapstructure:"ceremony"`       // the rounds of a key generation
	ClockSkew   time.Duration `yaml:"clock-skew" mapstructure:"clock-skew"`   // how far another member's clock may be off
}

// Gas is when to warn about money.
type Gas struct {
	Emergencies uint64 `yaml:"min-emergencies" mapstructure:"min-emergencies"` // transactions that the balance should pay for, each at the charter's dearest playbook
}

// Keygen is about the ceremonies.
type Keygen struct {
	Spare bool `yaml:"spare" mapstructure:"spare"` // keep a sealed set of pre-parameters, so that the next one does not wait
}

// Rehearse is about the trials of the charter's playbooks.
type Rehearse struct {
	Every time.Duration `yaml:"every" mapstructure:"every"` // between two trials of all; 0: none
}

// Standby is work done ahead of time, so that the last approval becomes a
// signature in milliseconds.
type Standby struct {
	Depth int           `yaml:"depth" mapstructure:"depth"` // slots kept ready for each set of signers; 0: none
	CPU   int           `yaml:"cpu" mapstructure:"cpu"`     // percent of the processor that making them may take
	TTL   time.Duration `yaml:"ttl" mapstructure:"ttl"`     // how long a slot may wait
}

// Default is the configuration of an empty file.
func Default() Config {
	return Config{
		Data: ".", Socket: "signer.sock",
		Listen: []string{"/ip4/0.0.0.0/tcp/4100", "/ip4/0.0.0.0/udp/4100/quic-v1"},
		Roster: "roster.json", Charter: "charter.yaml", Policy: "policy.yaml",
		Log: Log{Format: "text", Level: "info"},
		Waits: Deadlines{
			Attempt: 45 * time.Second, Grace: 1500 * time.Millisecond, Retry: 2 * time.Second, Rejudge: 10 * time.Second,
			Rebroadcast: 12 * time.Second, Bump: 90 * time.Second, Remind: 10 * time.Second, Ceremony: 10 * time.Minute, ClockSkew: 30 * time.Second,
		},
		Gas:     Gas{Emergencies: 10},
		Standby: Standby{Depth: 1, CPU: 25, TTL: 12 * time.Hour},
		Keygen:  Keygen{Spare: true},

		Rehearse: Rehearse{Every: time.Hour},
	}
}

// What a chain has that doesn't say otherwise.
const (
	DefaultPoll   = 4 * time.Second
	DefaultMaxLag = 90 * time.Second // seven main-net slots
)

// KeyDir is the directory of the keystore.
func (c Config) KeyDir() string { return filepath.Join(c.Data, "keys") }

// JournalFile is the journal's file.
func (c Config) JournalFile() string { return filepath.Join(c.Data, "journal.db") }

// SuccessionFile is where the daemon keeps the succession to a roster that has taken
// over.
func (c Config) SuccessionFile(version uint64) string {
	return filepath.Join(c.Data, "successions", fmt.Sprintf("succession-%d.json", version))
}

// CharterFile is where the daemon keeps the charter of a roster that has taken over,
// when signer.yaml names another one.
func (c Config) CharterFile(version uint64) string {
	return filepath.Join(c.Data, "charters", fmt.Sprintf("charter-%d.yaml", version))
}

// ActionsFile is where its catalogue of actions is kept, if that is another one, too.
func (c Config) ActionsFile(version uint64) string {
	return filepath.Join(c.Data, "charters", fmt.Sprintf("actions-%d.yaml", version))
}

// Announced are the addresses that go into the member card.
func (c Config) Announced() []string {
	if len(c.Announce) > 0 {
		return c.Announce
	}
	return c.Listen
}
