// Package boltqueue is a [delivery.Queue] in one file, for one machine: nothing to run beside your program.
//
// # Durability
//
// An item is on the disk, flushed with fsync, when Put returns, and so is a settlement when Settle returns. Many
// callers at a time share one flush: whoever waits when a flush ends is in the next one, so a single caller never waits
// for a timer.
//
// When the process dies, also by kill -9, nothing acknowledged is lost, and what it had leased and not settled is due
// again at once when the queue is next opened. When the machine dies, the same holds as far as the disk keeps what it
// said it had flushed. When the disk dies the queue is gone: one file on one machine has no second copy.
//
// # Duplicates
//
// A key is remembered for 48 hours (see [WithWindow]), also after a restart. The newest ones are held in memory, older
// ones only in the file, so memory stays flat however many there are, and however many items wait.
//
// # One process
//
// The file is locked while it is open, and [Open] returns [ErrLocked] for a second process. The lock ends with the
// process. Keep the file on a local disk: network file systems promise neither locks nor flushes.
//
// When the file is removed or replaced while it is open, Put fails from then on, since nobody would find what it
// stores. What is in the queue is still delivered, as long as the process lives.
//
// # Space
//
// Space of delivered calls is used again, and a file of more than 32 MiB that is mostly free is made small when it is
// opened. The new file is written beside it, as NAME.compact; when that fails, for lack of room or of a right, the old
// one stays, and the logger is told why.
//
// When the disk is full, or the file as large as [WithMaxSize] allows, Put fails with [delivery.ErrFull], and what is
// in the queue stays intact and is delivered: room for that is laid aside. A full queue is remembered, so refusing
// costs nothing. Put works again once something was delivered or, within half a minute, once there is room on the disk.
//
// Buried calls are kept for 30 days (see [WithBuriedAge]) and take at most a quarter of the room (see
// [WithBuriedLimit]). When there is no room for a new call, they make it. The oldest go first, and Counts.Dropped
// counts them.
//
// # Clocks
//
// While the queue is open it follows the monotonic clock: setting the time of day moves nothing. When the clock was
// set back while the queue was closed, a retry or a pause waits no longer than it was meant to, counted from the
// opening. A clock that is ahead when the queue is opened ends waits early and forgets keys early, and nobody can tell
// it from a long stop; buried calls are not dropped for their age in the first hour then. The monotonic clock of most
// systems stands still while the machine sleeps: a pause is longer by that.
//
// # Damage
//
// Open reads the file once, also each record's checksum, before anything trusts it: about a second for a million
// waiting calls. A file whose structure is damaged, is another program's, or was written by a newer version of this
// package is left as it is, and Open returns an error. Otherwise what does not fit together is mended, and the logger
// told (see [WithLogger]): an item that waits nowhere is put back, an entry of no item dropped, and the figures are
// made to fit. A record whose checksum is wrong is never delivered: it is buried with [delivery.ReasonUnreadable] and
// its bytes as the body, when the file is opened or when its turn comes.
//
// The file begins with two pages, written in turns, that say where the rest is. When the newest of them is lost, the
// other stands for the state one transaction before. Once the queue has been closed, or nothing was written for about
// a second, both stand for the same and nothing is lost with one. Damage within that second, or after a crash in it,
// can lose what was accepted last and bring back what was settled last; Open then says that one of the two pages
// cannot be read, as it does after a power failure that came while it was written and cost nothing.
//
// Sorted keys older than the newest have no checksum of their own. A damaged one can let a duplicate through.
//
// When the disk fails to write, or the file is cut off or damaged while it is open, the queue hands out nothing more,
// since what cannot be settled would be sent again and again: its methods return an error that wraps
// [delivery.ErrClosed], so Dispatcher.Run ends with it, until the queue is opened again. Close, and opening it again,
// take no time.
//
// Some things a process cannot see to. When a page is changed while the file is open, by somebody else or by the disk,
// so that pages lead in a circle, or one claims to be far longer than it is, a call can hang, and the process can run
// out of memory. A disk that does not answer at all is waited for. When the file is cut off after a transaction found
// no room, in the moment between its being looked at and being read, the process ends, and so it does on systems where
// reading a lost page is not an error that Go can recover from.
//
// # Older files
//
// Files written before records had checksums are read, and upgraded when they are opened: 4 MB at a time, so a crash
// or a full disk does no harm. Older versions of this package refuse them from then on.
package boltqueue
