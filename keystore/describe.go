package keystore

import (
	"fmt"
	"os"
	"slices"
	"strings"
)

// Description is what can be known about a keystore without unlocking it.
type Description struct {
	Dir     string   `json:"dir"`
	Format  int      `json:"format"`
	Seal    string   `json:"seal"`    // SealPassphrase or SealIdentity
	Secrets []string `json:"secrets"` // names
	Epochs  []Epoch  `json:"epochs"`  // ascending
}

// Describe reads the labels in dir. It needs neither passphrase nor lock, so it
// works beside a running daemon. Labels are checked only when a share is opened.
func Describe(dir string) (Description, error) {
	d, err := describe(dir)
	if err != nil {
		return Description{}, fmt.Errorf("describe keystore: %w", err)
	}
	return d, nil
}

func describe(dir string) (Description, error) {
	if err := checkDir(dir); err != nil {
		return Description{}, err
	}
	b, err := read(dir, masterFile)
	if err != nil {
		return Description{}, missing(dir, err)
	}
	x, err := parse(masterFile, b)
	if err != nil {
		return Description{}, err
	}
	d := Description{Dir: dir, Format: x.Format, Seal: x.Name, Secrets: []string{}, Epochs: []Epoch{}}
	files, err := os.ReadDir(dir)
	if err != nil {
		return Description{}, missing(dir, err)
	}
	for _, f := range files {
		if name, ok := strings.CutPrefix(f.Name(), secretPrefix); ok {
			d.Secrets = append(d.Secrets, strings.TrimSuffix(name, jsonSuffix))
		}
	}
	// A commit may come between reading which epoch is current and the shares.
	for {
		was, _, err := current(dir)
		if err != nil {
			return Description{}, err
		}
		list, err := epochs(dir)
		if err != nil {
			return Description{}, err
		}
		is, _, err := current(dir)
		if err != nil {
			return Description{}, err
		}
		if was == is {
			d.Epochs = slices.Concat(d.Epochs, list)
			return d, nil
		}
	}
}
