package boltqueue

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"os"
	"slices"
)

// errDamaged says that the file does not hold what was written to it.
var errDamaged = errors.New("the file is damaged")

func damaged(text string, args ...any) error {
	return fmt.Errorf("%w: %s", errDamaged, fmt.Sprintf(text, args...))
}

// The form of a file of bbolt: two meta pages that are written in turns, and trees of pages. A page has a header and
// elements that say where their key is, counted from where they are. bbolt believes what it reads, and does some of
// its reading on goroutines of its own, where a panic ends the process. So every page is looked at before bbolt is let
// near.
const (
	pageHeader  = 16
	pageElement = 16
	flagBranch  = 1
	flagLeaf    = 2
	flagMeta    = 4
	flagFree    = 16
	flagBucket  = 1 // of an element: its value is a bucket

	metaMagic   = 0xED0CDAED
	metaVersion = 2
	metaSummed  = 56 // bytes of a meta that its checksum is of
	noFreelist  = ^uint64(0)

	minPageSize = 1 << 10
	maxPageSize = 1 << 24

	bucketHeader = 16
	maxDepth     = 64
)

// meta is what a meta page says.
type meta struct {
	pageSize, root, freelist, pages, txid uint64
}

// readMeta finds the meta that bbolt would use. It reports whether the other one cannot be read.
func readMeta(file io.ReaderAt) (m meta, lost bool, err error) {
	first, err := metaAt(file, 0, 0)
	if errors.Is(err, errVersion) {
		return meta{}, false, err
	}
	size := first.pageSize
	var second meta
	secondErr := errDamaged
	if err == nil {
		second, secondErr = metaAt(file, 1, int64(size)) //nolint:gosec // at most maxPageSize
	} else {
		for size = minPageSize; size <= maxPageSize && secondErr != nil; size *= 2 {
			if second, secondErr = metaAt(file, 1, int64(size)); second.pageSize != size {
				secondErr = errDamaged
			}
		}
	}
	if secondErr == nil && err == nil && second.pageSize != size {
		secondErr = errDamaged
	}
	firstIs, secondIs := err == nil, secondErr == nil
	switch {
	case firstIs && (!secondIs || first.txid >= second.txid):
		return first, !secondIs, nil
	case secondIs:
		return second, !firstIs, nil
	default:
		return meta{}, false, fmt.Errorf("%w, or not a queue", errDamaged)
	}
}

var errVersion = errors.New("the queue was written by another version of bbolt")

func metaAt(file io.ReaderAt, id uint64, at int64) (m meta, err error) {
	var page [pageHeader + metaSummed + 8]byte
	if _, err := file.ReadAt(page[:], at); err != nil {
		return meta{}, damaged("no meta page: %v", err)
	}
	p := page[pageHeader:]
	sum := fnv.New64a()
	_, _ = sum.Write(p[:metaSummed])
	switch {
	case u32(p) != metaMagic || binary.NativeEndian.Uint16(page[8:]) != flagMeta:
		return meta{}, damaged("no meta page")
	case u64(page[:]) != id:
		return meta{}, damaged("a meta page is the other one")
	case u32(p[4:]) != metaVersion && sum.Sum64() == u64(p[metaSummed:]):
		return meta{}, errVersion
	case u32(p[4:]) != metaVersion || sum.Sum64() != u64(p[metaSummed:]):
		return meta{}, damaged("a meta page is wrong")
	}
	m = meta{pageSize: u32(p[8:]), root: u64(p[16:]), freelist: u64(p[32:]), pages: u64(p[40:]), txid: u64(p[48:])}
	if m.pageSize < minPageSize || m.pageSize > maxPageSize || m.pageSize&(m.pageSize-1) != 0 ||
		m.pages > 1<<62/m.pageSize {
		return meta{}, damaged("a meta page has %d pages of %d bytes", m.pages, m.pageSize)
	}
	return m, nil
}

// pages reads the pages of a file and notes which are in use. A page in use twice is an error.
type pages struct {
	meta
	lost   bool // one of the meta pages cannot be read
	file   io.ReaderAt
	inUse  []bool
	blocks map[int64][]byte // parts of the file that were read lately
	order  []int64          // of them, the next to be dropped first
}

const (
	blockSize = 1 << 17
	maxBlocks = 32
)

func openPages(file *os.File) (*pages, error) {
	p := &pages{file: file, blocks: make(map[int64][]byte)}
	var err error
	if p.meta, p.lost, err = readMeta(file); err != nil {
		return nil, err
	}
	info, err := file.Stat() // it may be growing: another process may have it open
	if err != nil {
		return nil, err
	}
	if size := p.pages * p.pageSize; uint64(info.Size()) < size { //nolint:gosec // not negative
		return nil, damaged("it has %d bytes instead of at least %d", info.Size(), size)
	}
	p.inUse = make([]bool, p.pages)
	return p, nil
}

// read reads a page with its overflow into the buffer, and takes it into use.
func (p *pages) read(id uint64, buffer *[]byte) ([]byte, error) {
	page, err := p.readAt(id, 1, buffer)
	if err != nil {
		return nil, err
	}
	overflow := u32(page[12:])
	if u64(page) != id || overflow >= p.pages-id {
		return nil, damaged("page %d is another one", id)
	}
	for i := id; i <= id+overflow; i++ {
		if p.inUse[i] {
			return nil, damaged("page %d is used twice", i)
		}
		p.inUse[i] = true
	}
	if overflow == 0 {
		return page, nil
	}
	return p.readAt(id, overflow+1, buffer)
}

func (p *pages) readAt(id, count uint64, buffer *[]byte) ([]byte, error) {
	if id < 2 || id >= p.pages {
		return nil, damaged("page %d is outside the file", id)
	}
	size, at := int(count*p.pageSize), int64(id*p.pageSize) //nolint:gosec // inside the file
	*buffer = slices.Grow((*buffer)[:0], size)[:size]
	start := at &^ (blockSize - 1)
	if at+int64(size) > start+blockSize {
		_, err := p.file.ReadAt(*buffer, at)
		return *buffer, err
	}
	block, err := p.block(start)
	if err != nil {
		return nil, err
	}
	if int(at-start)+size > len(block) {
		return nil, damaged("page %d is not there", id)
	}
	copy(*buffer, block[at-start:])
	return *buffer, nil
}

// block reads a part of the file: pages that follow one another in a tree mostly do so in the file.
func (p *pages) block(start int64) ([]byte, error) {
	if b := p.blocks[start]; b != nil {
		return b, nil
	}
	var b []byte
	if len(p.order) < maxBlocks {
		b = make([]byte, blockSize)
	} else {
		b = p.blocks[p.order[0]][:blockSize]
		delete(p.blocks, p.order[0])
		p.order = p.order[1:]
	}
	n, err := p.file.ReadAt(b, start)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	p.blocks[start], p.order = b[:n], append(p.order, start)
	return b[:n], nil
}

// visit is called for the elements of a tree in order. What it is given is only good until it returns.
type visit func(key, value []byte, bucket bool) error

// tree walks a tree from its root page.
func (p *pages) tree(root uint64, fn visit) error {
	w := walker{pages: p, fn: fn}
	return w.page(root, 0, nil, nil)
}

// bucket walks the tree of a bucket, which is in pages of its own or in the page of its parent.
func (p *pages) bucket(value []byte, fn visit) error {
	if len(value) < bucketHeader {
		return damaged("a bucket has %d bytes", len(value))
	}
	if root := u64(value); root != 0 {
		return p.tree(root, fn)
	}
	page := value[bucketHeader:]
	if len(page) < pageHeader || binary.NativeEndian.Uint16(page[8:]) != flagLeaf || u64(page) != 0 ||
		u32(page[12:]) != 0 { // bbolt would free the page that has this number
		return damaged("a bucket has %d bytes", len(value))
	}
	w := walker{pages: p, fn: fn}
	_, err := w.elements(page, 0, 0, nil, nil)
	return err
}

// all walks a bucket and those in it.
func (p *pages) all(value []byte, depth int) error {
	if depth > maxDepth {
		return damaged("buckets are too deep")
	}
	return p.bucket(value, func(_, value []byte, bucket bool) error {
		if !bucket {
			return nil
		}
		return p.all(bytes.Clone(value), depth+1)
	})
}

// walker walks one tree.
type walker struct {
	pages   *pages
	fn      visit
	buffers [maxDepth + 1][]byte // of the pages on the way from the root
}

// page looks at a page and what hangs on it. Unless they are nil, its first key is low, as its parent says, and all are
// less than high. With another key in the parent, bbolt would write the page and keep the old one too.
func (w *walker) page(id uint64, depth int, low, high []byte) error {
	if depth > maxDepth {
		return damaged("page %d is too deep", id)
	}
	page, err := w.pages.read(id, &w.buffers[depth])
	if err != nil {
		return err
	}
	size, err := w.elements(page, id, depth, low, high)
	if err == nil && uint64(len(page)) != (size/w.pages.pageSize+1)*w.pages.pageSize {
		err = damaged("page %d has %d bytes for %d", id, len(page), size)
	}
	return err
}

// elements looks at the elements of a page and returns how long they are.
func (w *walker) elements(page []byte, id uint64, depth int, low, high []byte) (size uint64, err error) {
	flags, count := binary.NativeEndian.Uint16(page[8:]), int(binary.NativeEndian.Uint16(page[10:]))
	branch, leaf := flags == flagBranch, flags == flagLeaf
	if !branch && !leaf || pageHeader+count*pageElement > len(page) || count == 0 && (branch || depth > 0) {
		return 0, damaged("page %d has type %x and %d elements", id, flags, count)
	}
	size = uint64(pageHeader + count*pageElement)
	// What the elements say is looked at before anything is done with it: keys lie one after the other, in order.
	var last []byte
	for i := range count {
		e, err := elementAt(page, i, branch)
		at := uint64(pageHeader + i*pageElement)
		switch {
		case err != nil || at+e.pos != size || e.kind > flagBucket || len(e.key) == 0:
			return 0, damaged("page %d, element %d is outside the page", id, i)
		case i > 0 && bytes.Compare(last, e.key) >= 0:
			return 0, damaged("page %d, element %d is out of order", id, i)
		case i == 0 && low != nil && !bytes.Equal(e.key, low) || high != nil && bytes.Compare(e.key, high) >= 0:
			return 0, damaged("page %d, element %d is not below its parent", id, i)
		}
		last = e.key
		size += uint64(len(e.key) + len(e.value))
	}
	for i := range count {
		e, _ := elementAt(page, i, branch) // it was fine a moment ago
		if !branch {
			if err := w.fn(e.key, e.value, e.kind == flagBucket); err != nil {
				return 0, err
			}
			continue
		}
		limit := high
		if i+1 < count {
			next, _ := elementAt(page, i+1, branch)
			limit = next.key
		}
		if err := w.page(e.child, depth+1, e.key, limit); err != nil {
			return 0, err
		}
	}
	return size, nil
}

type element struct {
	kind, pos, child uint64
	key, value       []byte
}

func elementAt(page []byte, i int, branch bool) (e element, err error) {
	from := page[pageHeader+i*pageElement:]
	var keySize, valueSize uint64
	if branch {
		e.pos, keySize, e.child = u32(from), u32(from[4:]), u64(from[8:])
	} else {
		e.kind, e.pos, keySize, valueSize = u32(from), u32(from[4:]), u32(from[8:]), u32(from[12:])
	}
	if e.pos+keySize+valueSize > uint64(len(from)) {
		return element{}, errDamaged
	}
	e.key = from[e.pos : e.pos+keySize]
	e.value = from[e.pos+keySize : e.pos+keySize+valueSize]
	return e, nil
}

// free looks at the list of free pages, where the file has one. It comes last: what is free is not in use.
func (p *pages) free() error {
	if p.freelist == noFreelist {
		return nil
	}
	var buffer []byte
	page, err := p.read(p.freelist, &buffer)
	if err != nil {
		return err
	}
	ids, count := page[pageHeader:], uint64(binary.NativeEndian.Uint16(page[10:]))
	if count == 0xffff {
		count, ids = u64(ids), ids[8:]
	}
	if binary.NativeEndian.Uint16(page[8:]) != flagFree || count > uint64(len(ids)/8) {
		return damaged("page %d has %d free pages", p.freelist, count)
	}
	for ; count > 0; count, ids = count-1, ids[8:] {
		id := u64(ids)
		if id < 2 || id >= p.pages || p.inUse[id] {
			return damaged("page %d is free and in use", id)
		}
		p.inUse[id] = true // free twice would be in use twice
	}
	return nil
}

// verifyPages looks at every page of a file.
func verifyPages(file *os.File) error {
	p, err := openPages(file)
	if err != nil {
		return err
	}
	err = p.tree(p.root, func(_, value []byte, bucket bool) error {
		if !bucket {
			return nil
		}
		return p.all(bytes.Clone(value), 0)
	})
	if err != nil {
		return err
	}
	return p.free()
}

func u32(b []byte) uint64 { return uint64(binary.NativeEndian.Uint32(b)) }
func u64(b []byte) uint64 { return binary.NativeEndian.Uint64(b) }
