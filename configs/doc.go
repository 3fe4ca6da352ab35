// Package configs is signer.yaml: what can stand in it, how it is read, and a
// sample to start from.
//
// Load reads the file twice. First strictly, so that every mistake is named
// with its line and column; then by viper, from the very same bytes, which lays
// environment and flags over it. The two must agree. Precedence: flag,
// environment (SIGNER_*), file, default; Config.Rows names each value's source.
//
// No identifier is ever a key of the file, since viper lower-cases keys: peers,
// chains and hooks are lists.
package configs
