package policy

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/millicent-one/signer/council"
	"github.com/millicent-one/signer/internal/strict"
)

// weiDigits is how many decimal places of a unit are whole wei.
var weiDigits = map[string]int{"wei": 0, "gwei": 9, "ether": 18}

// ParseWei reads an amount as people write it: "2 gwei", "0.5 ether", "0". An
// amount without a unit is refused, but for zero.
func ParseWei(s string) (*big.Int, error) {
	number, unit, _ := strings.Cut(strings.TrimSpace(s), " ")
	unit = strings.TrimSpace(unit)
	if unit == "" && number == "0" {
		return new(big.Int), nil
	}
	digits, ok := weiDigits[unit]
	if !ok {
		msg := fmt.Sprintf("amount %q has no unit", s)
		if unit != "" {
			msg = fmt.Sprintf("amount %q has unknown unit %q", s, unit)
			if m := strict.Suggest(unit, []string{"wei", "gwei", "ether"}); m != "" {
				msg += fmt.Sprintf(" (did you mean %q?)", m)
			}
		}
		return nil, council.WithHint(errors.New(msg), "write the amount with wei, gwei or ether, such as 2 gwei")
	}
	whole, frac, _ := strings.Cut(number, ".")
	if len(frac) > digits || len(whole) > 78 || !allDigits(whole) || frac != "" && !allDigits(frac) || strings.HasSuffix(number, ".") {
		return nil, council.WithHint(fmt.Errorf("amount %q is not a number of whole wei", s), "write the amount as 2 gwei or 0.5 ether")
	}
	v, _ := new(big.Int).SetString(whole+frac+strings.Repeat("0", digits-len(frac)), 10)
	if v.BitLen() > 256 {
		return nil, council.WithHint(fmt.Errorf("amount %q is above 2^256 wei", s), "write a smaller amount")
	}
	return v, nil
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// ParseSeconds reads a length of time as people write it: "90s", "30m", "24h",
// "7d", "1h30m". It must be whole seconds, above zero and at most
// council.MaxValidSeconds.
func ParseSeconds(s string) (uint64, error) {
	bad := func(why string) error {
		return council.WithHint(fmt.Errorf("length of time %q %s", s, why), "write it with s, m, h or d, such as 30m, 24h or 7d")
	}
	var d time.Duration
	if days, ok := strings.CutSuffix(s, "d"); ok && allDigits(days) {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return 0, bad("is too long")
		}
		d = time.Duration(n) * 24 * time.Hour
	} else {
		var err error
		if d, err = time.ParseDuration(s); err != nil {
			return 0, bad("can't be read")
		}
	}
	switch {
	case d <= 0 || d%time.Second != 0:
		return 0, bad("is not a number of whole seconds above zero")
	case d > council.MaxValidSeconds*time.Second:
		return 0, bad("is too long")
	}
	return uint64(d / time.Second), nil
}

// showWei writes an amount in the largest unit that keeps it short and exact.
func showWei(v *big.Int) string {
	for _, u := range []string{"ether", "gwei"} {
		digits := weiDigits[u]
		s := v.String()
		if len(s) > digits-3 {
			s = strings.Repeat("0", max(0, digits+1-len(s))) + s
			frac := strings.TrimRight(s[len(s)-digits:], "0")
			if len(frac) <= 6 {
				if frac != "" {
					frac = "." + frac
				}
				return s[:len(s)-digits] + frac + " " + u
			}
		}
	}
	return v.String() + " wei"
}

// showSeconds writes a length of time without losing any of it.
func showSeconds(v *big.Int) string {
	if !v.IsUint64() || v.Uint64() > 1<<40 {
		return v.String() + "s"
	}
	n := v.Uint64()
	for _, u := range []struct {
		name string
		size uint64
	}{{"d", 86400}, {"h", 3600}, {"m", 60}} {
		if n != 0 && n%u.size == 0 && (u.name != "d" || n > 2*u.size) {
			return strconv.FormatUint(n/u.size, 10) + u.name
		}
	}
	return strconv.FormatUint(n, 10) + "s"
}
