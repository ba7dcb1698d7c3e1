package main

import (
	"os"
	"os/exec"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/windows"
)

// A processGroup is the child with everything it starts: a job of Windows, which ends with this program.
type processGroup struct {
	cmd *exec.Cmd
	job windows.Handle
}

// newGroup puts the child into a console group of its own, which can be sent Ctrl-Break.
func newGroup(cmd *exec.Cmd, _ bool) *processGroup {
	cmd.SysProcAttr = &syscall.SysProcAttr{CreationFlags: windows.CREATE_NEW_PROCESS_GROUP}
	return &processGroup{cmd: cmd}
}

func (g *processGroup) start(ended chan<- error) error {
	job, err := windows.CreateJobObject(nil, nil)
	if err != nil {
		return os.NewSyscallError("CreateJobObject", err)
	}
	limits := windows.JOBOBJECT_EXTENDED_LIMIT_INFORMATION{
		BasicLimitInformation: windows.JOBOBJECT_BASIC_LIMIT_INFORMATION{
			LimitFlags: windows.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE,
		},
	}
	_, err = windows.SetInformationJobObject(job, windows.JobObjectExtendedLimitInformation,
		uintptr(unsafe.Pointer(&limits)), uint32(unsafe.Sizeof(limits)))
	if err == nil {
		err = g.cmd.Start()
	}
	if err != nil {
		_ = windows.CloseHandle(job)
		return err
	}
	g.job = job
	process, err := windows.OpenProcess(windows.PROCESS_SET_QUOTA|windows.PROCESS_TERMINATE, false,
		uint32(g.cmd.Process.Pid)) //nolint:gosec // an ID of Windows
	if err == nil { // otherwise it has ended already
		_ = windows.AssignProcessToJobObject(job, process)
		_ = windows.CloseHandle(process)
	}
	go func() { ended <- g.cmd.Wait() }()
	return nil
}

// end asks the group to end, with Ctrl-Break, and ends the job when the grace is over or there is a hurry.
func (g *processGroup) end(grace time.Duration, hurry <-chan struct{}) {
	_ = windows.GenerateConsoleCtrlEvent(windows.CTRL_BREAK_EVENT, uint32(g.cmd.Process.Pid)) //nolint:gosec // an ID
	deadline := time.NewTimer(grace)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !g.empty() {
		select {
		case <-tick.C:
			continue
		case <-hurry:
		case <-deadline.C:
		}
		_ = windows.TerminateJobObject(g.job, exitNo)
		break
	}
	_ = windows.CloseHandle(g.job)
}

// empty reports whether no process of the job is left.
func (g *processGroup) empty() bool {
	var accounting struct {
		userTime, kernelTime, periodUserTime, periodKernelTime int64
		pageFaults, total, active, terminated                  uint32
	}
	const basicAccounting = 1
	err := windows.QueryInformationJobObject(g.job, basicAccounting, uintptr(unsafe.Pointer(&accounting)),
		uint32(unsafe.Sizeof(accounting)), nil)
	return err != nil || accounting.active == 0
}

func (g *processGroup) reap(<-chan struct{}) {}

// ports are not known here: $PORT says it, or --bot.
func (g *processGroup) ports() ([]string, bool) { return nil, false }

func signalStatus(*os.ProcessState, error) int { return exitNo }
