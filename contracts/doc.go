// Package contracts holds the small contracts that tests and the demo act on,
// with their compiled artifacts embedded: a pausable, upgradeable Protocol
// behind an ERC-1967 proxy and its next version, OpenZeppelin's
// TimelockController, and a Treasury token that the council owns and must
// never move.
//
// Sources are in src/, artifacts in artifacts/ (their license in NOTICE, their
// hashes in SHA256SUMS). `npm ci && node build.mjs` in this directory rebuilds
// them; `node build.mjs --check` compares. Neither is needed to use the package.
//
// Nothing here belongs on a real chain.
package contracts
