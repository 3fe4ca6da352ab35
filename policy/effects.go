package policy

import (
	"fmt"
	"slices"
)

// effect is what a call can do that a charter's reader wants to know of. The
// bits are the questions of a proof.
type effect uint8

const (
	movesValue  effect = 1 << iota // tokens or ether change hands, or may from now on
	givesPower                     // a role, an ownership, or the terms on which one is used
	changesCode                    // other code runs at an address from now on
	losesPower                     // the council, or what acts for it, can do less from now on

	anyEffect = movesValue | givesPower | changesCode | losesPower
)

// nature is what is known of a function's effects, by its signature alone.
type nature struct {
	what     effect // that it has
	open     effect // that it may have, for all that is known
	text     string // what it does, after the function's name
	decisive int    // the argument on which the harm depends; -1 for none
	subject  int    // the argument that names another contract that it acts on; -1 for none
	alias    *Function
}

// effectful are the functions whose effects are known. Where they come from:
// OpenZeppelin Contracts 4 and 5 (access, governance, proxy), Safe 1.3 to 1.5
// (OwnerManager, ModuleManager, GuardManager), Maker's and Compound's
// governance, ERC-4626, and the names that vaults and bridges share.
var effectful = func() map[[4]byte]nature {
	m := map[[4]byte]nature{}
	for _, e := range []struct {
		signature         string
		what              effect
		decisive, subject int
		text              string
	}{
		{"grantRole(bytes32,address)", givesPower, 1, -1, "grants a role"},
		{"grantRole(uint64,address,uint32)", givesPower, 1, -1, "grants a role"},
		{"setRoleAdmin(bytes32,bytes32)", givesPower, 1, -1, "decides who grants a role"},
		{"setRoleAdmin(uint64,uint64)", givesPower, 1, -1, "decides who grants a role"},
		{"setRoleGuardian(uint64,uint64)", givesPower, 1, -1, "decides who may cancel for a role"},
		{"setGrantDelay(uint64,uint32)", givesPower, 1, -1, "changes how long a grant waits"},
		{"setTargetFunctionRole(address,bytes4[],uint64)", givesPower, 2, 0, "decides which role may call what"},
		{"setTargetAdminDelay(address,uint32)", givesPower, 1, 0, "changes how long an administrator waits"},
		{"updateAuthority(address,address)", givesPower | losesPower, 1, 0, "gives a contract to another authority"},
		{"setAuthority(address)", givesPower | losesPower, 0, -1, "gives the contract to another authority"},
		{"setGuardian(address)", givesPower, 0, -1, "names a guardian"},
		{"transferOwnership(address)", givesPower | losesPower, 0, -1, "gives the ownership away"},
		{"transferOwnership(address,bool,bool)", givesPower | losesPower, 0, -1, "gives the ownership away"},
		{"acceptOwnership()", givesPower, -1, -1, "takes an ownership over"},
		{"setOwner(address)", givesPower | losesPower, 0, -1, "gives the ownership away"},
		{"changeOwner(address)", givesPower | losesPower, 0, -1, "gives the ownership away"},
		{"setPendingOwner(address)", givesPower | losesPower, 0, -1, "gives the ownership away"},
		{"setAdmin(address)", givesPower | losesPower, 0, -1, "gives the administration away"},
		{"setPendingAdmin(address)", givesPower | losesPower, 0, -1, "gives the administration away"},
		{"acceptAdmin()", givesPower, -1, -1, "takes an administration over"},
		{"setGovernor(address)", givesPower | losesPower, 0, -1, "gives the governance away"},
		{"setGovernance(address)", givesPower | losesPower, 0, -1, "gives the governance away"},
		{"beginDefaultAdminTransfer(address)", givesPower | losesPower, 0, -1, "begins to give the administration away"},
		{"acceptDefaultAdminTransfer()", givesPower, -1, -1, "takes an administration over"},
		{"changeDefaultAdminDelay(uint48)", givesPower, 0, -1, "changes how long a change of administration waits"},
		{"addMinter(address)", givesPower | movesValue, 0, -1, "lets somebody make tokens"},
		{"configureMinter(address,uint256)", givesPower | movesValue, 0, -1, "lets somebody make tokens"},
		{"addPauser(address)", givesPower, 0, -1, "grants a role"},
		{"rely(address)", givesPower, 0, -1, "grants all power over the contract"},
		{"deny(address)", losesPower, 0, -1, "takes all power over the contract from somebody"},
		{"updateDelay(uint256)", givesPower, 0, -1, "changes how long scheduled operations wait"},
		{"setDelay(uint256)", givesPower, 0, -1, "changes how long scheduled operations wait"},
		{"updateTimelock(address)", givesPower | losesPower, 0, -1, "gives a governor's operations to another timelock"},
		{"setVotingDelay(uint48)", givesPower, 0, -1, "changes the terms of voting"},
		{"setVotingPeriod(uint32)", givesPower, 0, -1, "changes the terms of voting"},
		{"setProposalThreshold(uint256)", givesPower, 0, -1, "changes the terms of voting"},
		{"updateQuorumNumerator(uint256)", givesPower, 0, -1, "changes the terms of voting"},
		{"addOwnerWithThreshold(address,uint256)", givesPower, 0, -1, "adds an owner to a Safe"},
		{"removeOwner(address,address,uint256)", givesPower | losesPower, 1, -1, "takes an owner from a Safe"},
		{"swapOwner(address,address,address)", givesPower | losesPower, 2, -1, "replaces an owner of a Safe"},
		{"changeThreshold(uint256)", givesPower | losesPower, 0, -1, "changes how many owners of a Safe must agree"},
		{"enableModule(address)", anyEffect, 0, -1, "lets a module act as the Safe, without its owners"},
		{"disableModule(address,address)", losesPower, 1, -1, "takes a module from a Safe"},
		{"setGuard(address)", givesPower | losesPower, 0, -1, "lets a contract veto what a Safe does"},
		{"setModuleGuard(address)", givesPower | losesPower, 0, -1, "lets a contract veto what a Safe's modules do"},
		{"setFallbackHandler(address)", changesCode | givesPower, 0, -1, "lets another contract answer for the Safe"},

		{"revokeRole(bytes32,address)", losesPower, 1, -1, "takes a role away"},
		{"revokeRole(uint64,address)", losesPower, 1, -1, "takes a role away"},
		{"renounceRole(bytes32,address)", losesPower, 0, -1, "gives up a role"},
		{"renounceRole(uint64,address)", losesPower, 0, -1, "gives up a role"},
		{"renounceOwnership()", losesPower, -1, -1, "gives up the ownership"},

		{"upgradeTo(address)", changesCode, 0, -1, "changes the implementation"},
		{"upgradeToAndCall(address,bytes)", changesCode, 0, -1, "changes the implementation"},
		{"upgrade(address,address)", changesCode, 1, 0, "changes a proxy's implementation"},
		{"upgradeAndCall(address,address,bytes)", changesCode, 1, 0, "changes a proxy's implementation"},
		{"changeProxyAdmin(address,address)", changesCode | givesPower | losesPower, 1, 0, "gives a proxy to another admin"},
		{"changeAdmin(address)", changesCode | givesPower | losesPower, 0, -1, "gives the proxy to another admin"},
		{"setImplementation(address)", changesCode, 0, -1, "changes the implementation"},
		{"setTarget(address)", changesCode, 0, -1, "changes the implementation"},
		{"changeMasterCopy(address)", changesCode, 0, -1, "changes the implementation"},
		{"setBeacon(address)", changesCode, 0, -1, "takes the implementation from another beacon"},
		{"upgradeBeaconToAndCall(address,bytes,bool)", changesCode, 0, -1, "takes the implementation from another beacon"},

		{"withdraw()", movesValue, -1, -1, "takes funds out"},
		{"withdraw(uint256)", movesValue, -1, -1, "takes funds out"},
		{"withdraw(address)", movesValue, -1, -1, "takes funds out"},
		{"withdraw(address,uint256)", movesValue, -1, -1, "takes funds out"},
		{"withdraw(uint256,address,address)", movesValue, -1, -1, "takes funds out"},
		{"redeem(uint256)", movesValue, -1, -1, "takes funds out"},
		{"redeem(uint256,address,address)", movesValue, -1, -1, "takes funds out"},
		{"deposit()", movesValue, -1, -1, "pays funds in"},
		{"deposit(uint256)", movesValue, -1, -1, "pays funds in"},
		{"deposit(uint256,address)", movesValue, -1, -1, "pays funds in"},
		{"mint(address,uint256)", movesValue, -1, -1, "makes tokens"},
		{"mint(uint256,address)", movesValue, -1, -1, "makes shares for funds"},
		{"mint(uint256)", movesValue, -1, -1, "makes tokens"},
		{"burn(uint256)", movesValue, -1, -1, "destroys tokens"},
		{"burn(address,uint256)", movesValue, -1, -1, "destroys tokens"},
		{"emergencyWithdraw()", movesValue, -1, -1, "takes funds out"},
		{"emergencyWithdraw(uint256)", movesValue, -1, -1, "takes funds out"},
		{"emergencyWithdraw(address)", movesValue, -1, -1, "takes funds out"},
		{"delegate(address)", givesPower, 0, -1, "lends votes"},
	} {
		add(m, e.signature, nature{what: e.what, decisive: e.decisive, subject: e.subject, text: e.text})
	}
	for _, n := range never {
		if n.unlessNamed == "" {
			add(m, n.signature, nature{what: movesValue, decisive: -1, subject: -1, text: n.why})
		}
	}
	// What is known to have none of the effects. The subject is what it stops or
	// starts.
	for _, e := range []struct {
		signature string
		subject   int
	}{
		{"pause()", -1}, {"unpause()", -1}, {"pause(address)", 0}, {"unpause(address)", 0},
		{"setTargetClosed(address,bool)", 0},
		{"blacklist(address)", 0}, {"unBlacklist(address)", 0}, {"freeze(address)", 0}, {"unfreeze(address)", 0},
		{"cancel(bytes32)", -1}, {"cancel(uint256)", -1}, {"cancel(address[],uint256[],bytes[],bytes32)", -1},
		{"labelRole(uint64,string)", -1},
	} {
		add(m, e.signature, nature{decisive: -1, subject: e.subject, text: "has none of the effects asked about"})
	}
	// A wrapper does what the calls inside do, and they are judged for themselves.
	for _, w := range wrappers {
		if _, ok := m[w.fn.Selector]; !ok {
			add(m, w.fn.Signature, nature{decisive: -1, subject: -1, text: "makes the calls that it carries"})
		}
	}
	return m
}()

func add(m map[[4]byte]nature, signature string, n nature) {
	f := sig(signature)
	if o, ok := m[f.Selector]; ok {
		panic(fmt.Sprintf("policy: effects: %s and %s have one selector", signature, o.alias.Signature))
	}
	n.alias = f
	m[f.Selector] = n
}

// Verbs and nouns by which a function tells what it does. A name proves no
// harmlessness, so they only ever add an effect, and leave the others open.
var (
	verbsOfValue = []string{"withdraw", "deposit", "transfer", "send", "pay", "payout", "mint", "burn", "sweep", "rescue", "recover", "redeem", "claim", "swap",
		"borrow", "repay", "liquidate", "seize", "drain", "skim", "collect", "distribute", "disburse", "refund", "bridge", "stake", "unstake", "approve", "permit"}
	verbsOfPower = []string{"grant", "set", "change", "update", "add", "remove", "transfer", "nominate", "accept", "propose", "claim", "assign", "appoint", "swap", "replace"}
	nounsOfPower = []string{"owner", "owners", "ownership", "role", "roles", "admin", "admins", "authority", "guardian", "guardians", "governor", "governance", "minter", "minters",
		"pauser", "keeper", "keepers", "guards", "operator", "operators", "signer", "signers", "threshold", "module", "member", "members", "manager", "controller", "validator", "permission", "quorum", "delay"}
	nounsOfCode = []string{"implementation", "beacon", "logic", "code", "singleton", "facet", "target"}
	verbsOfLoss = []string{"renounce", "abdicate", "resign", "relinquish", "selfdestruct", "kill", "destroy"}
)

// natureOf looks a function up by its selector, which is all that the chain
// sees: a function whose selector is that of another does what the other does,
// whatever a charter calls it.
func natureOf(f *Function) nature {
	if n, ok := effectful[f.Selector]; ok {
		if n.alias.Signature == f.Signature {
			return n
		}
		what := ""
		if n.what != 0 {
			what = ", which " + n.text
		}
		n.text = fmt.Sprintf("has the selector 0x%x of %s%s", f.Selector, n.alias.Signature, what)
		n.open, n.decisive, n.subject = anyEffect&^n.what, -1, -1
		return n
	}
	n := nature{decisive: -1, subject: -1}
	words := wordsOf(f.Name)[1:]
	if len(words) > 1 && words[0] == "emergency" {
		words = words[1:] // says when, not what
	}
	has := func(list []string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return slices.Contains(list, w) })
	}
	if len(words) > 0 {
		verb := words[0]
		if slices.Contains(verbsOfValue, verb) && !has(nounsOfPower) {
			n.what |= movesValue
		}
		if slices.Contains(verbsOfPower, verb) && has(nounsOfPower) {
			n.what |= givesPower
		}
		if verb == "upgrade" || slices.Contains(verbsOfPower, verb) && has(nounsOfCode) {
			n.what |= changesCode
		}
		if slices.Contains(verbsOfLoss, verb) {
			n.what |= losesPower
		}
	}
	n.open = anyEffect &^ n.what
	n.text = "is in no list of known functions"
	if n.what != 0 {
		n.text = "does it by its name"
	}
	return n
}
