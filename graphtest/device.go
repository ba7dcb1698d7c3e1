package graphtest

import (
	"fmt"
	"strconv"
	"strings"
)

// isMobileCookie reports whether s has one of the two forms of the attribution parameter.
func isMobileCookie(s string) bool {
	if len(s) == 22 {
		return strings.IndexFunc(s, func(r rune) bool { return !isAlphanumeric(r) }) < 0
	}
	return isUUID(s)
}

func isAlphanumeric(r rune) bool {
	return r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z'
}

func isUUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for k, r := range s {
		if dash := k == 8 || k == 13 || k == 18 || k == 23; dash != (r == '-') {
			return false
		} else if !dash && !strings.ContainsRune("0123456789abcdefABCDEF", r) {
			return false
		}
	}
	return true
}

// checkUD judges the hashed user data and reports whether any was sent.
func (i *inspection) checkUD() bool {
	values := map[string]bool{}
	one := func(field, key string, v *node) {
		switch key {
		case "em", "fn", "ln", "ph", "ge", "db", "dob", "ct", "st", "zp", "cn", "country", "external_id", "extern_id",
			"r1", "r2", "r3", "r4", "r5", "r6", "r7", "r8":
		default:
			i.problem(field, "unknown", "there is no such user data key")
		}
		if v.kind != kindString || !areHashes(v.text) {
			i.problem(field, "hash", "want SHA-256 as 64 lower-case hex digits; Meta ignores anything else")
		}
		if values[key] {
			i.problem(field, "twice", "the key was sent more than once")
		}
		values[key] = true
	}
	for k := range i.list {
		p := &i.list[k]
		if key, ok := strings.CutPrefix(p.name, "ud["); ok && strings.HasSuffix(key, "]") {
			one(p.name, strings.TrimSuffix(key, "]"), &p.val)
			continue
		}
		if p.name != "ud" || !i.given("ud") {
			continue
		}
		object, err := p.val.nested()
		if err != nil || object.kind != kindObject {
			i.refuse(100, 0, "ud", "object", "must be a JSON object")
			continue
		}
		for n, key := range object.keys {
			one("ud["+key+"]", key, &object.items[n])
		}
	}
	for _, pair := range [...][2]string{{"db", "dob"}, {"cn", "country"}, {"external_id", "extern_id"}} {
		if values[pair[0]] && values[pair[1]] {
			i.problem("ud["+pair[1]+"]", "twice", "means the same as "+pair[0]+", which was sent too")
		}
	}
	return len(values) > 0
}

// areHashes reports whether s is a hash, or a few with commas between them, as the Android SDK joins those of one key.
func areHashes(s string) bool {
	const most = 5
	n := 0
	for hash := range strings.SplitSeq(s, ",") {
		if n++; n > most || !isHash(hash) {
			return false
		}
	}
	return true
}

// checkExtInfo judges the extended info of a device, or the single "mb1" of a Messenger bot.
func (i *inspection) checkExtInfo() {
	const field = "extinfo"
	thread := i.given("page_id") || i.given("page_scoped_user_id")
	if !i.given(field) {
		if thread {
			i.problem(field, "required", `a bot's call needs ["mb1"]`)
		}
		return
	}
	p, _ := i.get(field)
	info, err := p.val.nested()
	items, ok := info.slots()
	if err != nil || !ok {
		i.refuse(100, 0, field, "array", "must be a JSON array")
		return
	}
	if len(items) > 0 && items[0].text == "mb1" {
		if info.kind == kindArray && len(items) != 1 {
			i.problem(field, "mb1", `"mb1" stands alone`)
		}
		for _, name := range [...]string{"page_id", "page_scoped_user_id"} {
			if !i.given(name) {
				i.problem(name, "required", `needed with extinfo ["mb1"]`)
			}
		}
		return
	}
	if thread {
		i.problem(field, "mb1", `a bot's call needs ["mb1"]`)
	}
	deviceInfo(field, items, i.problem)
}

// deviceSlots is how many entries extended device info has.
const deviceSlots = 16

// slots returns the entries of extended device info: the elements of an array, or the members of an object whose keys
// are their numbers, as the Node SDK sends it, without those that are not set.
func (n *node) slots() (items []node, ok bool) {
	if n.kind != kindObject {
		return n.items, n.kind == kindArray
	}
	items = make([]node, deviceSlots)
	for k, key := range n.keys {
		slot, err := strconv.Atoi(key)
		if err != nil || slot < 0 || slot >= len(items) || strconv.Itoa(slot) != key {
			return nil, false
		}
		items[slot] = n.items[k]
	}
	return items, true
}

// slotOSVersion is the entry that the Conversions API does not do without. Meta's guide asks for it on /activities too,
// but nothing is known to be refused there.
const slotOSVersion = 4

// deviceInfo checks the sixteen slots of extended device info. Those that are not set may be null, as the Python SDK
// has it.
func deviceInfo(field string, items []node, report func(field, rule, message string)) {
	if len(items) != deviceSlots {
		report(field, "length", fmt.Sprintf("want %d entries, got %d", deviceSlots, len(items)))
	}
	for k := range items {
		at, v := index(field, k), &items[k]
		if v.kind == kindNull && k != 0 {
			continue
		}
		switch k {
		case 0:
			if v.kind != kindString || v.text != "a2" && v.text != "i2" {
				report(at, "version", `want "a2" or "i2"`)
			}
		case 2:
			if v.kind != kindString && v.kind != kindNumber {
				report(at, "string", "want a string or an integer")
			}
		case 9, 10, 12, 13, 14:
			if _, ok := v.integer(); !ok && (v.kind != kindString || v.text != "") {
				report(at, "int64", "want an integer")
			}
		case 11:
			decimal := v.kind == kindString && (v.text == "" || isNumber(strings.Replace(v.text, ",", ".", 1)))
			if v.kind != kindNumber && !decimal {
				report(at, "density", "want a decimal number")
			}
		default:
			if v.kind != kindString {
				report(at, "string", "want a string, empty when unknown")
			}
		}
	}
}
