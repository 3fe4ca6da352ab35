// Package testcouncil is one council for everyone's tests: seven members whose
// node keys and wallets are made from their names, and, for those who need
// them, key shares that a real key generation of seven made once per machine.
//
// New is instant and always the same. Shares takes about half a minute the
// first time on a machine and a moment afterwards: the result stays in the
// user's cache directory. SharesOf does the same for councils of other sizes.
//
// Nothing here is secret. A council of these keys must never hold anything.
package testcouncil
