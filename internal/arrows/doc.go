// Package arrows holds the house plan by test: which room may import which,
// which room alone holds a dependency, and what the pure rooms never touch.
//
// The plan is one table (plan.go); read.go reads the source tree as it lies on
// the disk, check.go compares. A room that is not in the table, or a row of the
// table without a room, is an error as well: whoever adds a room says where it
// stands.
//
// Its tests also hold what stands around the house: the Makefile, the container image, and
// what a build asks for first.
package arrows
