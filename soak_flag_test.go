package appevents_test

import "flag"

// soak runs the proofs about hostile peers at length; "make soak" gives it.
var soak = flag.Bool("soak", false, "run the proofs at length")
