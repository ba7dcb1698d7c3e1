package normalize

import (
	"unicode"
	"unicode/utf8"
)

// Country returns the ISO 3166-1 alpha-2 code, in lower case, that s means, and "" when s is no country. It takes
// alpha-2 and alpha-3 codes and English names, without regard to case, accents, punctuation and the words "and",
// "of" and "the".
func Country(s string) string {
	if s = Trim(s); len(s) > MaxLen {
		return ""
	}
	if !isASCII(s) {
		if !utf8.ValidString(s) {
			return ""
		}
		s = withoutMarks(fold(s, false))
	}
	// "Bahamas, The" and "the Bahamas", "Trinidad & Tobago" and "Trinidad and Tobago", "U.S.A." and "USA" are one each:
	// what is looked up is the letters alone, less the small words.
	var buf [64]byte
	name, word := buf[:0], 0
	for _, r := range s {
		switch c := lowerAlnum(r); {
		case c >= 'a':
			name = append(name, c)
			continue
		case unicode.IsLetter(r) || unicode.IsNumber(r):
			return "" // no English name has it
		case string(name[word:]) == "st":
			name = append(name[:word], "saint"...) // "St. Lucia", but not ST, which is São Tomé and Príncipe
		}
		name = endWord(name, word)
		word = len(name)
	}
	return countryCode(string(endWord(name, word)))
}

// endWord drops the word that begins at name[word] when it makes no difference between countries.
func endWord(name []byte, word int) []byte {
	switch string(name[word:]) {
	case "and", "of":
		if word == 0 {
			return name // AND is Andorra
		}
		return name[:word]
	case "the":
		return name[:word]
	}
	return name
}

// countryCode is the ISO 3166-1 table with the short names of ISO and of Unicode's CLDR and the other names people
// use. Three codes are not ISO's: UK and EL, which the European Union writes for GB and GR, and XK, which stands for
// Kosovo in the range ISO leaves to its users.
func countryCode(name string) string {
	switch name {
	case "ad", "and", "andorra":
		return "ad"
	case "ae", "are", "unitedarabemirates", "emirates", "uae":
		return "ae"
	case "af", "afg", "afghanistan":
		return "af"
	case "ag", "atg", "antiguabarbuda", "antigua":
		return "ag"
	case "ai", "aia", "anguilla":
		return "ai"
	case "al", "alb", "albania":
		return "al"
	case "am", "arm", "armenia":
		return "am"
	case "ao", "ago", "angola":
		return "ao"
	case "aq", "ata", "antarctica":
		return "aq"
	case "ar", "arg", "argentina", "argentinerepublic":
		return "ar"
	case "as", "asm", "americansamoa":
		return "as"
	case "at", "aut", "austria":
		return "at"
	case "au", "aus", "australia":
		return "au"
	case "aw", "abw", "aruba":
		return "aw"
	case "ax", "ala", "alandislands", "aland":
		return "ax"
	case "az", "aze", "azerbaijan":
		return "az"
	case "ba", "bih", "bosniaherzegovina", "bosnia":
		return "ba"
	case "bb", "brb", "barbados":
		return "bb"
	case "bd", "bgd", "bangladesh":
		return "bd"
	case "be", "bel", "belgium":
		return "be"
	case "bf", "bfa", "burkinafaso":
		return "bf"
	case "bg", "bgr", "bulgaria":
		return "bg"
	case "bh", "bhr", "bahrain":
		return "bh"
	case "bi", "bdi", "burundi":
		return "bi"
	case "bj", "ben", "benin":
		return "bj"
	case "bl", "blm", "saintbarthelemy":
		return "bl"
	case "bm", "bmu", "bermuda":
		return "bm"
	case "bn", "brn", "bruneidarussalam", "brunei":
		return "bn"
	case "bo", "bol", "bolivia", "boliviaplurinationalstate", "plurinationalstatebolivia":
		return "bo"
	case "bq", "bes", "bonairesinteustatiussaba", "caribbeannetherlands", "bonaire":
		return "bq"
	case "br", "bra", "brazil":
		return "br"
	case "bs", "bhs", "bahamas":
		return "bs"
	case "bt", "btn", "bhutan":
		return "bt"
	case "bv", "bvt", "bouvetisland":
		return "bv"
	case "bw", "bwa", "botswana":
		return "bw"
	case "by", "blr", "belarus":
		return "by"
	case "bz", "blz", "belize":
		return "bz"
	case "ca", "can", "canada":
		return "ca"
	case "cc", "cck", "cocoskeelingislands", "cocosislands", "keelingislands":
		return "cc"
	case "cd", "cod", "congodemocraticrepublic", "democraticrepubliccongo", "congokinshasa", "drcongo",
		"congodr", "congodrc", "drc", "congodemrep":
		return "cd"
	case "cf", "caf", "centralafricanrepublic":
		return "cf"
	case "cg", "cog", "congo", "congobrazzaville", "republiccongo", "congorepublic", "congorep":
		return "cg"
	case "ch", "che", "switzerland", "swissconfederation":
		return "ch"
	case "ci", "civ", "cotedivoire", "ivorycoast":
		return "ci"
	case "ck", "cok", "cookislands":
		return "ck"
	case "cl", "chl", "chile":
		return "cl"
	case "cm", "cmr", "cameroon":
		return "cm"
	case "cn", "chn", "china", "peoplesrepublicchina", "chinapeoplesrepublic", "mainlandchina", "chinamainland",
		"prc":
		return "cn"
	case "co", "col", "colombia":
		return "co"
	case "cr", "cri", "costarica":
		return "cr"
	case "cu", "cub", "cuba":
		return "cu"
	case "cv", "cpv", "caboverde", "capeverde":
		return "cv"
	case "cw", "cuw", "curacao":
		return "cw"
	case "cx", "cxr", "christmasisland":
		return "cx"
	case "cy", "cyp", "cyprus":
		return "cy"
	case "cz", "cze", "czechia", "czechrepublic":
		return "cz"
	case "de", "deu", "germany", "federalrepublicgermany":
		return "de"
	case "dj", "dji", "djibouti":
		return "dj"
	case "dk", "dnk", "denmark":
		return "dk"
	case "dm", "dma", "dominica":
		return "dm"
	case "do", "dom", "dominicanrepublic":
		return "do"
	case "dz", "dza", "algeria":
		return "dz"
	case "ec", "ecu", "ecuador":
		return "ec"
	case "ee", "est", "estonia":
		return "ee"
	case "eg", "egy", "egypt", "egyptarabrep":
		return "eg"
	case "eh", "esh", "westernsahara":
		return "eh"
	case "er", "eri", "eritrea":
		return "er"
	case "es", "esp", "spain":
		return "es"
	case "et", "eth", "ethiopia":
		return "et"
	case "fi", "fin", "finland":
		return "fi"
	case "fj", "fji", "fiji":
		return "fj"
	case "fk", "flk", "falklandislandsmalvinas", "falklandislands", "falklandislandsislasmalvinas", "malvinas":
		return "fk"
	case "fm", "fsm", "micronesiafederatedstates", "federatedstatesmicronesia", "micronesia":
		return "fm"
	case "fo", "fro", "faroeislands", "faeroeislands", "faroes":
		return "fo"
	case "fr", "fra", "france", "frenchrepublic":
		return "fr"
	case "ga", "gab", "gabon":
		return "ga"
	case "gb", "uk", "gbr", "unitedkingdomgreatbritainnorthernireland", "unitedkingdom", "greatbritain",
		"britain", "england", "scotland", "wales", "northernireland":
		return "gb"
	case "gd", "grd", "grenada":
		return "gd"
	case "ge", "geo", "georgia":
		return "ge"
	case "gf", "guf", "frenchguiana":
		return "gf"
	case "gg", "ggy", "guernsey":
		return "gg"
	case "gh", "gha", "ghana":
		return "gh"
	case "gi", "gib", "gibraltar":
		return "gi"
	case "gl", "grl", "greenland":
		return "gl"
	case "gm", "gmb", "gambia":
		return "gm"
	case "gn", "gin", "guinea":
		return "gn"
	case "gp", "glp", "guadeloupe":
		return "gp"
	case "gq", "gnq", "equatorialguinea":
		return "gq"
	case "gr", "el", "grc", "greece", "hellenicrepublic":
		return "gr"
	case "gs", "sgs", "southgeorgiasouthsandwichislands", "southgeorgia":
		return "gs"
	case "gt", "gtm", "guatemala":
		return "gt"
	case "gu", "gum", "guam":
		return "gu"
	case "gw", "gnb", "guineabissau":
		return "gw"
	case "gy", "guy", "guyana":
		return "gy"
	case "hk", "hkg", "hongkong", "hongkongsarchina", "hongkongsar":
		return "hk"
	case "hm", "hmd", "heardislandmcdonaldislands", "heardmcdonaldislands":
		return "hm"
	case "hn", "hnd", "honduras":
		return "hn"
	case "hr", "hrv", "croatia":
		return "hr"
	case "ht", "hti", "haiti":
		return "ht"
	case "hu", "hun", "hungary":
		return "hu"
	case "id", "idn", "indonesia":
		return "id"
	case "ie", "irl", "ireland", "republicireland", "irelandrepublic", "eire":
		return "ie"
	case "il", "isr", "israel":
		return "il"
	case "im", "imn", "isleman":
		return "im"
	case "in", "ind", "india":
		return "in"
	case "io", "iot", "britishindianoceanterritory", "chagosarchipelago":
		return "io"
	case "iq", "irq", "iraq":
		return "iq"
	case "ir", "irn", "iranislamicrepublic", "islamicrepubliciran", "iran":
		return "ir"
	case "is", "isl", "iceland":
		return "is"
	case "it", "ita", "italy":
		return "it"
	case "je", "jey", "jersey":
		return "je"
	case "jm", "jam", "jamaica":
		return "jm"
	case "jo", "jor", "jordan":
		return "jo"
	case "jp", "jpn", "japan":
		return "jp"
	case "ke", "ken", "kenya":
		return "ke"
	case "kg", "kgz", "kyrgyzstan", "kyrgyzrepublic":
		return "kg"
	case "kh", "khm", "cambodia":
		return "kh"
	case "ki", "kir", "kiribati":
		return "ki"
	case "km", "com", "comoros":
		return "km"
	case "kn", "kna", "saintkittsnevis":
		return "kn"
	case "kp", "prk", "koreademocraticpeoplesrepublic", "democraticpeoplesrepublickorea", "northkorea",
		"koreanorth", "nkorea", "dprk", "koreademrep":
		return "kp"
	case "kr", "kor", "korearepublic", "republickorea", "southkorea", "koreasouth", "skorea", "korea", "rok", "korearep":
		return "kr"
	case "kw", "kwt", "kuwait":
		return "kw"
	case "ky", "cym", "caymanislands":
		return "ky"
	case "kz", "kaz", "kazakhstan":
		return "kz"
	case "la", "lao", "laopeoplesdemocraticrepublic", "laos", "laopdr":
		return "la"
	case "lb", "lbn", "lebanon":
		return "lb"
	case "lc", "lca", "saintlucia":
		return "lc"
	case "li", "lie", "liechtenstein":
		return "li"
	case "lk", "lka", "srilanka":
		return "lk"
	case "lr", "lbr", "liberia":
		return "lr"
	case "ls", "lso", "lesotho":
		return "ls"
	case "lt", "ltu", "lithuania":
		return "lt"
	case "lu", "lux", "luxembourg":
		return "lu"
	case "lv", "lva", "latvia":
		return "lv"
	case "ly", "lby", "libya":
		return "ly"
	case "ma", "mar", "morocco":
		return "ma"
	case "mc", "mco", "monaco":
		return "mc"
	case "md", "mda", "moldovarepublic", "republicmoldova", "moldova":
		return "md"
	case "me", "mne", "montenegro":
		return "me"
	case "mf", "maf", "saintmartinfrenchpart", "saintmartin":
		return "mf"
	case "mg", "mdg", "madagascar":
		return "mg"
	case "mh", "mhl", "marshallislands":
		return "mh"
	case "mk", "mkd", "northmacedonia", "macedonia":
		return "mk"
	case "ml", "mli", "mali":
		return "ml"
	case "mm", "mmr", "myanmar", "burma", "myanmarburma":
		return "mm"
	case "mn", "mng", "mongolia":
		return "mn"
	case "mo", "mac", "macao", "macau", "macaosarchina", "macausarchina", "macaosar", "macausar":
		return "mo"
	case "mp", "mnp", "northernmarianaislands":
		return "mp"
	case "mq", "mtq", "martinique":
		return "mq"
	case "mr", "mrt", "mauritania":
		return "mr"
	case "ms", "msr", "montserrat":
		return "ms"
	case "mt", "mlt", "malta":
		return "mt"
	case "mu", "mus", "mauritius":
		return "mu"
	case "mv", "mdv", "maldives":
		return "mv"
	case "mw", "mwi", "malawi":
		return "mw"
	case "mx", "mex", "mexico":
		return "mx"
	case "my", "mys", "malaysia":
		return "my"
	case "mz", "moz", "mozambique":
		return "mz"
	case "na", "nam", "namibia":
		return "na"
	case "nc", "ncl", "newcaledonia":
		return "nc"
	case "ne", "ner", "niger":
		return "ne"
	case "nf", "nfk", "norfolkisland":
		return "nf"
	case "ng", "nga", "nigeria":
		return "ng"
	case "ni", "nic", "nicaragua":
		return "ni"
	case "nl", "nld", "netherlands", "netherlandskingdom", "kingdomnetherlands", "holland":
		return "nl"
	case "no", "nor", "norway":
		return "no"
	case "np", "npl", "nepal":
		return "np"
	case "nr", "nru", "nauru":
		return "nr"
	case "nu", "niu", "niue":
		return "nu"
	case "nz", "nzl", "newzealand", "aotearoa":
		return "nz"
	case "om", "omn", "oman":
		return "om"
	case "pa", "pan", "panama":
		return "pa"
	case "pe", "per", "peru":
		return "pe"
	case "pf", "pyf", "frenchpolynesia":
		return "pf"
	case "pg", "png", "papuanewguinea":
		return "pg"
	case "ph", "phl", "philippines":
		return "ph"
	case "pk", "pak", "pakistan":
		return "pk"
	case "pl", "pol", "poland":
		return "pl"
	case "pm", "spm", "saintpierremiquelon":
		return "pm"
	case "pn", "pcn", "pitcairn", "pitcairnislands":
		return "pn"
	case "pr", "pri", "puertorico":
		return "pr"
	case "ps", "pse", "palestinestate", "statepalestine", "palestine", "palestinianterritories",
		"palestinianterritory":
		return "ps"
	case "pt", "prt", "portugal":
		return "pt"
	case "pw", "plw", "palau":
		return "pw"
	case "py", "pry", "paraguay":
		return "py"
	case "qa", "qat", "qatar":
		return "qa"
	case "re", "reu", "reunion":
		return "re"
	case "ro", "rou", "romania":
		return "ro"
	case "rs", "srb", "serbia":
		return "rs"
	case "ru", "rus", "russianfederation", "russia":
		return "ru"
	case "rw", "rwa", "rwanda":
		return "rw"
	case "sa", "sau", "saudiarabia", "ksa":
		return "sa"
	case "sb", "slb", "solomonislands":
		return "sb"
	case "sc", "syc", "seychelles":
		return "sc"
	case "sd", "sdn", "sudan":
		return "sd"
	case "se", "swe", "sweden":
		return "se"
	case "sg", "sgp", "singapore":
		return "sg"
	case "sh", "shn", "sainthelenaascensiontristandacunha", "sainthelena":
		return "sh"
	case "si", "svn", "slovenia":
		return "si"
	case "sj", "sjm", "svalbardjanmayen":
		return "sj"
	case "sk", "svk", "slovakia", "slovakrepublic":
		return "sk"
	case "sl", "sle", "sierraleone":
		return "sl"
	case "sm", "smr", "sanmarino":
		return "sm"
	case "sn", "sen", "senegal":
		return "sn"
	case "so", "som", "somalia":
		return "so"
	case "sr", "sur", "suriname", "surinam":
		return "sr"
	case "ss", "ssd", "southsudan":
		return "ss"
	case "st", "stp", "saotomeprincipe":
		return "st"
	case "sv", "slv", "elsalvador":
		return "sv"
	case "sx", "sxm", "sintmaartendutchpart", "sintmaarten", "saintmaarten":
		return "sx"
	case "sy", "syr", "syrianarabrepublic", "syria":
		return "sy"
	case "sz", "swz", "eswatini", "swaziland":
		return "sz"
	case "tc", "tca", "turkscaicosislands":
		return "tc"
	case "td", "tcd", "chad":
		return "td"
	case "tf", "atf", "frenchsouthernterritories":
		return "tf"
	case "tg", "tgo", "togo":
		return "tg"
	case "th", "tha", "thailand":
		return "th"
	case "tj", "tjk", "tajikistan":
		return "tj"
	case "tk", "tkl", "tokelau":
		return "tk"
	case "tl", "tls", "timorleste", "easttimor":
		return "tl"
	case "tm", "tkm", "turkmenistan":
		return "tm"
	case "tn", "tun", "tunisia":
		return "tn"
	case "to", "ton", "tonga":
		return "to"
	case "tr", "tur", "turkiye", "turkey":
		return "tr"
	case "tt", "tto", "trinidadtobago", "trinidad":
		return "tt"
	case "tv", "tuv", "tuvalu":
		return "tv"
	case "tw", "twn", "taiwan", "taiwanprovincechina", "taiwanroc", "republicchinataiwan":
		return "tw"
	case "tz", "tza", "tanzaniaunitedrepublic", "unitedrepublictanzania", "tanzania":
		return "tz"
	case "ua", "ukr", "ukraine":
		return "ua"
	case "ug", "uga", "uganda":
		return "ug"
	case "um", "umi", "unitedstatesminoroutlyingislands", "usminoroutlyingislands", "usoutlyingislands":
		return "um"
	case "us", "usa", "unitedstatesamerica", "unitedstates", "america":
		return "us"
	case "uy", "ury", "uruguay":
		return "uy"
	case "uz", "uzb", "uzbekistan":
		return "uz"
	case "va", "vat", "holysee", "vaticancity", "vaticancitystate", "vatican":
		return "va"
	case "vc", "vct", "saintvincentgrenadines", "saintvincent":
		return "vc"
	case "ve", "ven", "venezuelabolivarianrepublic", "bolivarianrepublicvenezuela", "venezuela":
		return "ve"
	case "vg", "vgb", "virginislandsbritish", "britishvirginislands":
		return "vg"
	case "vi", "vir", "virginislandsus", "usvirginislands", "unitedstatesvirginislands":
		return "vi"
	case "vn", "vnm", "vietnam":
		return "vn"
	case "vu", "vut", "vanuatu":
		return "vu"
	case "wf", "wlf", "wallisfutuna", "wallisfutunaislands":
		return "wf"
	case "ws", "wsm", "samoa":
		return "ws"
	case "xk", "xkx", "kosovo":
		return "xk"
	case "ye", "yem", "yemen":
		return "ye"
	case "yt", "myt", "mayotte":
		return "yt"
	case "za", "zaf", "southafrica", "rsa":
		return "za"
	case "zm", "zmb", "zambia":
		return "zm"
	case "zw", "zwe", "zimbabwe":
		return "zw"
	}
	return ""
}
