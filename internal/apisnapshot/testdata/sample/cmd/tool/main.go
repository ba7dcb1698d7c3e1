// Command tool has no API.
package main

// Version is unreachable for importers.
const Version = 1

func main() {}
