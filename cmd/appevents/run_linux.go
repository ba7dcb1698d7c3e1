package main

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// dieWithParent has the kernel end the child when this program is killed.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }

// adopt makes this process the parent of what the bot's programs leave behind, daemons too, so that it can be found.
func (g *processGroup) adopt() {
	if g.alone {
		_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	}
}

// reap takes the exit status of those that ended: the kernel keeps it until somebody does, and now that is us.
func (g *processGroup) reap(done <-chan struct{}) {
	if !g.alone {
		return
	}
	ended := make(chan os.Signal, 1)
	signal.Notify(ended, syscall.SIGCHLD)
	defer signal.Stop(ended)
	pause := time.NewTicker(time.Second) // many end at once
	defer pause.Stop()
	for { // the first time for those that ended before we listened
		for pid, process := range processes() {
			if process.parent == os.Getpid() && process.ended && pid != g.pgid {
				_, _ = syscall.Wait4(pid, nil, syscall.WNOHANG, nil)
			}
		}
		select {
		case <-done:
			return
		case <-pause.C:
		}
		select {
		case <-done:
			return
		case <-ended:
		}
	}
}

// A processEntry is a line of the process table.
type processEntry struct {
	parent, group int
	ended         bool // it only waits for its parent to take notice
}

// processes reads the process table.
func processes() map[int]processEntry {
	table := make(map[int]processEntry)
	entries, _ := os.ReadDir("/proc")
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + entry.Name() + "/stat")
		if err != nil {
			continue
		}
		// The name is in parentheses and may hold any; state, parent and group follow.
		fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
		if len(fields) < 3 {
			continue
		}
		parent, _ := strconv.Atoi(fields[1])
		group, _ := strconv.Atoi(fields[2])
		table[pid] = processEntry{parent: parent, group: group, ended: fields[0] == "Z" || fields[0] == "X"}
	}
	return table
}

// members are the processes of the bot that run: its group, and whatever descends from it. Where nothing else starts
// programs here, that is all that descends from this process, also what made itself a daemon, save the browser. It is
// false where there is no process table.
func (g *processGroup) members() (list []int, known bool) {
	table := processes()
	root := g.pgid
	if g.alone {
		root = os.Getpid()
	}
	children := make(map[int][]int)
	for pid, process := range table {
		children[process.parent] = append(children[process.parent], pid)
		if process.group == g.pgid && !process.ended {
			list = append(list, pid)
		}
	}
	seen := map[int]bool{root: true}
	for queue := []int{root}; len(queue) > 0; queue = queue[1:] {
		for _, pid := range children[queue[0]] {
			if seen[pid] || isBrowser(pid) {
				continue
			}
			seen[pid] = true
			queue = append(queue, pid)
			if process := table[pid]; !process.ended && process.group != g.pgid {
				list = append(list, pid)
			}
		}
	}
	return list, len(table) > 0
}

// isBrowser reports whether a process comes from the browser that showed the page.
func isBrowser(pid int) bool {
	environ, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	return err == nil && strings.Contains("\x00"+string(environ), "\x00"+browserMark+"\x00")
}

// signal reaches the group at once, and then those that left it.
func (g *processGroup) signal(signal syscall.Signal) {
	_ = syscall.Kill(-g.pgid, signal)
	members, _ := g.members()
	for _, pid := range members {
		if group, err := syscall.Getpgid(pid); err == nil && group != g.pgid {
			_ = syscall.Kill(pid, signal)
		}
	}
}

// empty reports whether no process of the bot is left. One that was started while the table was read, by one that has
// ended since, is in the next reading.
func (g *processGroup) empty() bool {
	for range 3 {
		members, known := g.members()
		if !known {
			return errors.Is(syscall.Kill(-g.pgid, 0), syscall.ESRCH)
		}
		if len(members) > 0 {
			return false
		}
	}
	return true
}

// ports are the base URLs where processes of the bot listen, those that were opened first in front.
func (g *processGroup) ports() ([]string, bool) {
	members, known := g.members()
	if !known {
		return nil, false
	}
	inodes := make(map[string]bool)
	for _, pid := range members {
		files, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/fd/*")
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
