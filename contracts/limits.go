package contracts

import "time"

// Bounds of a deployment.
const (
	deployGas    = 6_000_000              // gas limit of one transaction of a Deployer
	receiptPoll  = 100 * time.Millisecond // between two looks for a receipt
	timelockSecs = 3600                   // delay of a Suite's timelock, seconds
)

// TreasurySupply is what a Suite mints to the council, in whole tokens of 18
// decimals.
const TreasurySupply = 1_000_000
