// Package backup is what a member carries away from the node's disk: one sealed
// file with all that only this member has.
//
// # What is in it, and what is not
//
// The share of one share epoch, the node's key, and the birth record of the
// council's key with the signatures of all nodes. The share is what nobody can
// make again; the node's key is the member's name among the others, without
// which a new machine would need a new roster; the birth record ties both to one
// council and one roster, so that a backup can be checked far from any daemon.
// Roster, charter and policy are no secrets and can be had from the others. The
// journal is left out on purpose: an old one is worse than none, and a node that
// has lost it learns from four others what it must not sign again.
//
// # Form
//
// The file is one ordinary age file, see keystore.Recipients and Unlock.Seal. In
// it is RLP: kind, version, checksum, body. Kind and version stay where they are
// in every version, so that an old program can name a newer form.
//
// Check says whether a backup would be worth something today: it opens the share
// as the node would, audits it, and compares it with the council in force.
package backup
