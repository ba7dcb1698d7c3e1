package normalize

// usState returns the two-letter code of a US state, district, territory or military region, given as that code or
// by name in the form [letters] gives it, and "" for anything else.
func usState(name string) string {
	switch name {
	case "al", "alabama":
		return "al"
	case "ak", "alaska":
		return "ak"
	case "az", "arizona":
		return "az"
	case "ar", "arkansas":
		return "ar"
	case "ca", "california":
		return "ca"
	case "co", "colorado":
		return "co"
	case "ct", "connecticut":
		return "ct"
	case "de", "delaware":
		return "de"
	case "fl", "florida":
		return "fl"
	case "ga", "georgia":
		return "ga"
	case "hi", "hawaii":
		return "hi"
	case "id", "idaho":
		return "id"
	case "il", "illinois":
		return "il"
	case "in", "indiana":
		return "in"
	case "ia", "iowa":
		return "ia"
	case "ks", "kansas":
		return "ks"
	case "ky", "kentucky":
		return "ky"
	case "la", "louisiana":
		return "la"
	case "me", "maine":
		return "me"
	case "md", "maryland":
		return "md"
	case "ma", "massachusetts":
		return "ma"
	case "mi", "michigan":
		return "mi"
	case "mn", "minnesota":
		return "mn"
	case "ms", "mississippi":
		return "ms"
	case "mo", "missouri":
		return "mo"
	case "mt", "montana":
		return "mt"
	case "ne", "nebraska":
		return "ne"
	case "nv", "nevada":
		return "nv"
	case "nh", "newhampshire":
		return "nh"
	case "nj", "newjersey":
		return "nj"
	case "nm", "newmexico":
		return "nm"
	case "ny", "newyork", "newyorkstate":
		return "ny"
	case "nc", "northcarolina":
		return "nc"
	case "nd", "northdakota":
		return "nd"
	case "oh", "ohio":
		return "oh"
	case "ok", "oklahoma":
		return "ok"
	case "or", "oregon":
		return "or"
	case "pa", "pennsylvania":
		return "pa"
	case "ri", "rhodeisland":
		return "ri"
	case "sc", "southcarolina":
		return "sc"
	case "sd", "southdakota":
		return "sd"
	case "tn", "tennessee":
		return "tn"
	case "tx", "texas":
		return "tx"
	case "ut", "utah":
		return "ut"
	case "vt", "vermont":
		return "vt"
	case "va", "virginia":
		return "va"
	case "wa", "washington", "washingtonstate":
		return "wa"
	case "wv", "westvirginia":
		return "wv"
	case "wi", "wisconsin":
		return "wi"
	case "wy", "wyoming":
		return "wy"
	case "dc", "districtofcolumbia", "washingtondc":
		return "dc"
	case "as", "americansamoa":
		return "as"
	case "gu", "guam":
		return "gu"
	case "mp", "northernmarianaislands":
		return "mp"
	case "pr", "puertorico":
		return "pr"
	case "um", "usminoroutlyingislands", "unitedstatesminoroutlyingislands":
		return "um"
	case "vi", "usvirginislands", "unitedstatesvirginislands", "virginislands":
		return "vi"
	case "aa", "armedforcesamericas":
		return "aa"
	case "ae", "armedforceseurope":
		return "ae"
	case "ap", "armedforcespacific":
		return "ap"
	case "fm", "federatedstatesofmicronesia", "micronesia":
		return "fm"
	case "mh", "marshallislands":
		return "mh"
	case "pw", "palau":
		return "pw"
	}
	return ""
}

// province returns the two-letter code of a Canadian province or territory, given as that code or by its English or
// French name, and "" for anything else.
func province(name string) string {
	switch name {
	case "ab", "alberta":
		return "ab"
	case "bc", "britishcolumbia", "colombiebritannique":
		return "bc"
	case "mb", "manitoba":
		return "mb"
	case "nb", "newbrunswick", "nouveaubrunswick":
		return "nb"
	case "nl", "newfoundlandandlabrador", "newfoundland", "labrador", "terreneuveetlabrador":
		return "nl"
	case "ns", "novascotia", "nouvelleécosse", "nouvelleecosse":
		return "ns"
	case "nt", "northwestterritories", "territoiresdunordouest":
		return "nt"
	case "nu", "nunavut":
		return "nu"
	case "on", "ontario":
		return "on"
	case "pe", "princeedwardisland", "îleduprinceédouard", "ileduprinceedouard":
		return "pe"
	case "qc", "quebec", "québec":
		return "qc"
	case "sk", "saskatchewan":
		return "sk"
	case "yt", "yukon", "yukonterritory":
		return "yt"
	}
	return ""
}
