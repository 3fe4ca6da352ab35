// Package keystore keeps a node's secrets on disk: the node key, other named
// secrets, and the share of the council's key for each share epoch. It knows
// nothing about what the bytes mean.
//
// # Sealing
//
// Everything is encrypted with age. A random master identity is sealed under
// what the member chose, a passphrase (scrypt) or an age identity file; all else
// is sealed to the master. So a restart pays for scrypt once, and a stolen disk
// is worth as much as the passphrase is hard to guess. The label of each file
// (its kind, name, epoch and metadata) is readable without unlocking, see
// Describe; a copy of it is sealed with the secret, so that a changed label or
// two files exchanged are noticed when they are opened.
//
// Secrets come out as []byte. Go may have copied them and can't promise to wipe
// them: whoever can read this process's memory can read them.
//
// # Epochs
//
//	Stage(2)   the share of epoch 2 is on disk; epoch 1 stays current
//	Commit(2)  epoch 2 is current; epoch 1 is superseded
//	Erase(1)   the share of epoch 1 is gone
//
// Each step is one atomic change that is durable when the call returns. After a
// crash at any moment the store is as before the step or as after it, and the
// step can be repeated: each is idempotent. Which epoch is current stands in one
// small file; a share of a higher epoch is staged, one of a lower epoch is
// superseded. The current epoch only ever goes up.
//
// Erase removes the file. It does not overwrite it first: on flash memory and on
// journalling or copying file systems the old bytes would stay anyway. What is
// left is sealed; destroy the passphrase with the disk.
//
// # Beside a daemon
//
// Describe reads labels, Look opens the store for reading; neither takes the
// lock. What leaves the store for good (a backup) is sealed anew, as one age
// file: see Unlock.Seal, Recipients and Unlock.Unseal.
//
// # Files
//
// The directory has mode 0700 and its files 0600; looser ones are refused. A
// second process on the directory is refused and told the first one's pid.
//
//	lock           held by the process that uses the store
//	master.json    the master identity, sealed
//	secret-*.json  a named secret
//	share-*.json   a share
//	current        the number of the current epoch
//	spare.json     pre-parameters for the next ceremony; gone before they are used
//	.tmp-*         left by a crash; Open removes it
package keystore
