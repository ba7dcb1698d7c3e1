package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// dieWithParent has the kernel end the child when this program is killed.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }

// ports are the base URLs where processes of the group listen, those that were opened first in front.
func (g *processGroup) ports() ([]string, bool) {
	inodes := make(map[string]bool)
	processes, err := filepath.Glob("/proc/[0-9]*")
	if err != nil || len(processes) == 0 {
		return nil, false
	}
	for _, process := range processes {
		if !g.holds(process) {
			continue
		}
		files, _ := filepath.Glob(process + "/fd/*")
		for _, file := range files {
			if link, err := os.Readlink(file); err == nil {
				if inode, ok := strings.CutPrefix(link, "socket:["); ok {
					inodes[strings.TrimSuffix(inode, "]")] = true
				}
			}
		}
	}
	var list []listening
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		list = append(list, listeningIn(table, inodes)...)
	}
	slices.SortFunc(list, func(a, b listening) int { return a.inode - b.inode })
	bases := make([]string, 0, len(list))
	for _, l := range list {
		if base := l.base(); !slices.Contains(bases, base) {
			bases = append(bases, base)
		}
	}
	return bases, true
}

// holds reports whether a process belongs to the group.
func (g *processGroup) holds(process string) bool {
	stat, err := os.ReadFile(process + "/stat") //nolint:gosec // the kernel's
	if err != nil {
		return false
	}
	// The name is in parentheses and may hold any; state, parent and group follow.
	rest := string(stat[strings.LastIndexByte(string(stat), ')')+1:])
	fields := strings.Fields(rest)
	return len(fields) > 2 && fields[2] == strconv.Itoa(g.pgid)
}

type listening struct {
	addr  netip.AddrPort
	inode int
}

func (l listening) base() string {
	if l.addr.Addr().IsUnspecified() || l.addr.Addr().Is4() {
		return fmt.Sprintf("http://127.0.0.1:%d", l.addr.Port())
	}
	return "http://" + l.addr.String()
}

func listeningIn(table string, inodes map[string]bool) []listening {
	file, err := os.Open(table) //nolint:gosec // the kernel's
	if err != nil {
		return nil
	}
	defer file.Close()
	var list []listening
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		const listen = "0A"
		if len(fields) < 10 || fields[3] != listen || !inodes[fields[9]] {
			continue
		}
		addr, ok := parseAddr(fields[1])
		inode, err := strconv.Atoi(fields[9])
		if ok && err == nil {
			list = append(list, listening{addr, inode})
		}
	}
	return list
}

// parseAddr reads "0100007F:0BB8": words of four bytes in the order of the machine, which is little-endian wherever Go
// and bots meet, and a port.
func parseAddr(s string) (netip.AddrPort, bool) {
	digits, port, _ := strings.Cut(s, ":")
	raw, err := hex.DecodeString(digits)
	number, portErr := strconv.ParseUint(port, 16, 16)
	if err != nil || portErr != nil {
		return netip.AddrPort{}, false
	}
	for i := 0; i+4 <= len(raw); i += 4 {
		slices.Reverse(raw[i : i+4])
	}
	addr, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(addr.Unmap(), uint16(number)), ok
}
