//go:build !unix

package boltqueue_test

// fullChild needs a limit on the size of files.
func fullChild() int { return 1 }

func roomChild() int { return 2 }
