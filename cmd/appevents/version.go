package main

import (
	"runtime"
	"runtime/debug"

	"github.com/appevents/appevents-go"
)

type versionCommand struct{}

// Run prints the version of the SDK that the program is part of, and of Graph.
func (versionCommand) Run(p *program) error {
	revision := "unknown"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value
			}
		}
	}
	if p.json {
		return p.printJSON(object{
			"version": appevents.Version, "graph": appevents.DefaultGraphVersion,
			"go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH, "revision": revision,
		})
	}
	return p.print("appevents %s (Graph %s, %s, %s/%s)", appevents.Version, appevents.DefaultGraphVersion,
		runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
