// Command gencountries writes countries.flate, the table of countries of package normalize: the codes of ISO 3166-1
// and the countries' names in CLDR, as golang.org/x/text has it, with those in names.txt. It runs in the package's
// directory, by go generate.
package main

import (
	"bytes"
	"cmp"
	"compress/flate"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"

	"github.com/appevents/appevents-go/internal/normalize"
)

// names holds the names that CLDR does not have.
//
//go:embed names.txt
var names string

// worldLanguages are those of many of the people who fill in forms. In these every country's name is taken, in others
// only the names of the countries where they are spoken.
const worldLanguages = "en es pt fr de it nl ca pl cs sk hu ro hr sr-Latn sl sq da no nn sv fi is et lv lt tr az id " +
	"ms fil vi ru uk bg el ar fa he hi th ja ko zh zh-Hant"

// spoken lists the official and the large languages of countries beside the one that CLDR expects there, by CLDR's
// codes. English, and other languages whose names of all countries are taken, need not be repeated here.
const spoken = `
	AE:ar AF:fa,ps,uz AL:sq AM:hy AT:de AZ:az,az-Cyrl,ru BA:bs,hr,sr,bs-Cyrl,sr-Latn BE:nl,fr,de BD:bn BF:fr,ff,dyo
	BG:bg BI:rn,fr BJ:fr,yo-BJ BN:ms BO:es,qu BR:pt BT:dz BW:en BY:be,ru CA:en,fr CD:fr,ln,sw-CD,lu CF:fr,sg CG:fr,ln
	CH:de,fr,it,rm,gsw,wae CI:fr,dyo CM:fr,en,ff,ewo,bas CN:zh,bo,ug,ii,kk,ko,mn CV:pt,kea CY:el,tr CZ:cs DE:de,hsb,dsb,ksh
	DJ:fr,ar,so,aa DK:da,fo,kl DZ:ar,fr,kab,tzm EC:es,qu EE:et,ru EG:ar EH:ar,es ER:ti,ar,en ES:es,ca,gl,eu,ast
	ET:am,om,so,ti FI:fi,sv,se,smn FJ:en,hi,fj FO:fo,da FR:fr,br,ca,eu,gsw,oc GB:en,cy,gd,ga,kw,gv GE:ka,os GH:en,ak,ee,ha
	GL:kl,da GN:fr,ff GR:el GW:pt HK:zh-Hant,zh-Hant-HK,en,yue HR:hr HU:hu ID:id IE:ga,en IL:he,ar IM:en,gv
	IN:hi,en,bn,te,mr,ta,gu,kn,ml,or,pa,as,ur,ur-IN,ks,kok,ne,sd,brx,bo-IN,bn-IN IQ:ar,ckb IR:fa,az,ckb,mzn,lrc,hy IS:is
	IT:it,de,fur,sl,fr JO:ar JP:ja KE:sw,sw-KE,en,ki,luo,so,kam,mas KG:ky,ru KH:km KM:ar,fr KP:ko,ko-KP KR:ko
	KZ:kk,ru,uz,ug LA:lo LB:ar,fr,hy LI:de,gsw,wae LK:si,ta,en LS:en,zu LT:lt,ru,pl LU:lb,fr,de LV:lv,ru LY:ar,ar-LY
	MA:ar,fr,shi,shi-Latn,tzm,zgh MC:fr,it MD:ro,ru,uk MG:mg,fr MK:mk,sq,tr ML:fr,bm,ff,ses,khq MM:my MN:mn
	MO:zh-Hant,pt,zh-Hant-HK MR:ar,fr,ff MT:mt,en MU:fr,en,mfe MV:en MW:en MX:es MY:ms,en,zh,ta MZ:pt,seh,mgh
	NA:en,af,de,naq NE:fr,ha,dje,twq NG:en,ha,yo,ig,ff NL:nl,fy,nds NO:no,nn,se NP:ne NZ:en PE:es,qu PH:fil,en
	PK:ur,en,pa-Arab,ps,sd,ks PL:pl,hsb PR:es,en PS:ar,he PT:pt,pt-PT PY:es QA:ar RO:ro,hu,de RS:sr,sr-Latn,hu,sq
	RU:ru,tt,ce,sah,os,ba RW:rw,fr,en,sw SA:ar,ar-SA SC:fr,en SD:ar,en SE:sv,fi,se SG:en,zh,ms,ta SI:sl,it,hu
	SJ:no,nn SK:sk,hu
	SN:fr,wo,ff,dyo SO:so,ar SS:en,ar,nus SY:ar,ckb SZ:en,zu TD:fr,ar TG:fr,ee TH:th TJ:tg,ru,fa TL:pt TM:tk,ru TN:ar,fr
	TO:to,en TR:tr,ckb TT:en TW:zh-Hant,zh TZ:sw,en UA:uk,ru UG:en,sw,lg UZ:uz,uz-Cyrl,ru,kk VA:it VN:vi VU:fr,en
	XK:sq,sr,sr-Latn,sr-Cyrl-XK,sr-Latn-XK YE:ar ZA:en,af,zu ZM:en,bem ZW:en,sn,nd`

func main() {
	if err := run("countries.flate", os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "gencountries:", err)
		os.Exit(1)
	}
}

// run writes the table to the file, and the names that were left out to log.
func run(file string, log io.Writer) error {
	table, err := generate(log)
	if err != nil {
		return err
	}
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.BestCompression)
	if err != nil {
		return err
	}
	if _, err := w.Write(table); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(file, packed.Bytes(), 0o644) //nolint:gosec // a source file
}

// generate returns the table and writes the names that mean two countries to log.
func generate(log io.Writer) ([]byte, error) {
	g := generator{codes: map[string]string{}, countries: map[string]language.Region{}, log: log}
	if err := g.writtenNames(); err != nil {
		return nil, err
	}
	g.ownNames()
	for code := range strings.FieldsSeq(worldLanguages) {
		g.next()
		tag := language.MustParse(code)
		namer := display.Regions(tag)
		for _, country := range slices.Sorted(maps.Keys(g.countries)) {
			g.name(namer.Name(g.countries[country]), g.countries[country])
		}
	}
	g.next()
	return g.table(), nil
}

// A generator collects names in rounds. What an earlier round has stays; a name that means two countries in one round
// is left out.
type generator struct {
	codes     map[string]string // from the name's key to the code of its country
	round     map[string]string // likewise, of this round; "" when it means two countries
	countries map[string]language.Region
	log       io.Writer
}

// writtenNames reads names.txt, which lists the countries there are.
func (g *generator) writtenNames() error {
	var errs []error
	take := func(key, code string) {
		if other := g.codes[key]; key == "" || other != "" && other != code {
			errs = append(errs, fmt.Errorf("names.txt: %q is %s already, or no name", key, cmp.Or(other, "nothing")))
		}
		g.codes[key] = code
	}
	lines := slices.Collect(strings.Lines(names))
	for _, line := range lines {
		if code := strings.ToLower(line[:2]); line[0] != '#' {
			region := language.MustParseRegion(line[:2])
			g.countries[code] = region
			take(code, code)
			take(strings.ToLower(region.ISO3()), code)
		}
	}
	for _, line := range lines {
		if code, rest, _ := strings.Cut(strings.TrimSpace(line), " "); line[0] != '#' {
			for name := range strings.SplitSeq(rest, "|") {
				take(key(name), strings.ToLower(code))
			}
		}
	}
	return errors.Join(errs...)
}

// ownNames collects each country's names in its own languages.
func (g *generator) ownNames() {
	g.next()
	for _, tag := range display.Supported.Tags() {
		region, _ := tag.Region()
		if _, ok := g.countries[strings.ToLower(region.String())]; ok {
			g.name(display.Regions(tag).Name(region), region)
		}
	}
	for code, region := range g.countries {
		tag, err := language.Compose(region)
		if err != nil {
			continue
		}
		base, _ := tag.Base()
		script, _ := tag.Script()
		if expected, err := language.Compose(base, script); err == nil {
			g.name(nameIn(expected, region), g.countries[code])
		}
	}
	for entry := range strings.FieldsSeq(spoken) {
		code, tags, _ := strings.Cut(entry, ":")
		region := g.countries[strings.ToLower(code)]
		for tag := range strings.SplitSeq(tags, ",") {
			g.name(nameIn(language.Make(tag), region), region)
		}
	}
}

// nameIn returns the region's name in the language, and "" when CLDR has no names in it.
func nameIn(tag language.Tag, region language.Region) string {
	if namer := display.Regions(tag); namer != nil {
		return namer.Name(region)
	}
	return ""
}

// name adds a name to this round, and the name before its brackets: "Myanmar (Birma)".
func (g *generator) name(name string, region language.Region) {
	g.key(key(name), region)
	if short, _, ok := strings.Cut(name, "("); ok {
		g.key(key(short), region)
	}
	for _, umlauts := range respelled {
		if other := umlauts.Replace(name); other != name {
			g.key(key(other), region)
		}
	}
}

// respelled are what people write who have no umlauts, beside the plain vowel.
var respelled = []*strings.Replacer{
	strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "Ä", "Ae", "Ö", "Oe", "Ü", "Ue"),
	strings.NewReplacer("å", "aa", "ø", "oe", "Å", "Aa", "Ø", "Oe"),
}

func (g *generator) key(key string, region language.Region) {
	code := strings.ToLower(region.String())
	if key == "" || looksLikeCode(key) || g.codes[key] != "" {
		return
	}
	if other, ok := g.round[key]; ok && other != code {
		fmt.Fprintf(g.log, "%q is both %s and %s\n", key, other, code)
		code = ""
	}
	g.round[key] = code
}

// looksLikeCode reports whether a name is as short as a code, so that it says too little.
func looksLikeCode(key string) bool {
	return len(key) <= 3 && !strings.ContainsFunc(key, func(r rune) bool { return r < 'a' || r > 'z' })
}

// next ends a round.
func (g *generator) next() {
	maps.Copy(g.codes, g.round)
	g.round = map[string]string{}
}

// table writes a line for each country: its codes, then its names.
func (g *generator) table() []byte {
	byCountry := map[string][]string{}
	for name, code := range g.codes {
		byCountry[code] = append(byCountry[code], name)
	}
	delete(byCountry, "")
	var out []byte
	for _, code := range slices.Sorted(maps.Keys(byCountry)) {
		names := byCountry[code]
		slices.SortFunc(names, func(a, b string) int {
			first := func(s string) int {
				if s == code {
					return 0
				}
				return 1
			}
			return cmp.Or(first(a)-first(b), cmp.Compare(a, b))
		})
		out = append(append(out, strings.Join(names, " ")...), '\n')
	}
	return out
}

// key is the name as package normalize looks it up.
func key(name string) string { return string(normalize.AppendNameKey(nil, name)) }
