package client

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/millicent-one/signer/api"
)

// trusted refuses a socket of somebody else before anything is asked there: in a directory
// that all may write to, whoever comes first may stand in for the node. That nothing is
// there is left for the dialler to say.
func trusted(path string, self int) error {
	infos := make([]fs.FileInfo, 0, 2)
	if info, err := os.Lstat(path); err == nil {
		infos = append(infos, info)
		if info.Mode()&fs.ModeSymlink != 0 {
			if info, err := os.Stat(path); err == nil {
				infos = append(infos, info)
			}
		}
	}
	for _, info := range infos {
		if s, ok := info.Sys().(*syscall.Stat_t); ok && int(s.Uid) != self && s.Uid != 0 && (self != 0 || !keeps(path, s.Uid)) {
			return api.Failf(api.NotReady, "run this as the user that runs the daemon; a socket that ssh forwards belongs into a directory of your own, such as ~/signer.sock",
				"the socket %s belongs to user %d, who may stand in for the node: nothing was asked there", path, s.Uid)
		}
	}
	return nil
}

// keeps reports whether a directory is its owner's alone to write to: what root finds in
// there is of whom it should be.
func keeps(path string, owner uint32) bool {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return false
	}
	info, err := os.Stat(filepath.Dir(real))
	if err != nil {
		return false
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && s.Uid == owner && info.Mode().Perm()&0o022 == 0
}
