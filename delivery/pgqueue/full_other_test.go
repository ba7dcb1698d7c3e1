//go:build !linux

package pgqueue_test

import "testing"

func TestFault_AFullDiskLosesNothingAccepted(t *testing.T) {
	t.Parallel()
	t.Skip("NOT RUN: a small file system is made on Linux only")
}
