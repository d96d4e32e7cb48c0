//go:build !linux

package space

import "errors"

// statDisk is not known elsewhere: a full disk is noticed by writes that fail.
func statDisk(string) (Stat, error) { return Stat{}, errors.ErrUnsupported }
