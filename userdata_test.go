package appevents_test

import (
	"bytes"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/appevents/appevents-go"
)

func ExampleHashUserData() {
	digest, err := appevents.HashUserData(appevents.KeyEmail, " John_Smith@gmail.com ")
	fmt.Println(digest, err)

	_, err = appevents.HashUserData(appevents.KeyEmail, "no address")
	fmt.Println(err)
	// Output:
	// 62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f <nil>
	// appevents: invalid call: user_data.em: must be an e-mail address (format)
}

func ExampleUserData() {
	lead := appevents.UserData{
		Phone:     "+1 (650) 555-1212",
		FirstName: "Mary",
		Country:   "United States",
		BirthDate: "last spring",
	}
	for _, issue := range lead.Warnings() {
		fmt.Println("not sent:", issue)
	}
	fmt.Println(lead) // safe to log

	sent, _ := json.MarshalIndent(lead, "", "  ")
	fmt.Println(string(sent))
	// Output:
	// not sent: user_data.db: must be a date with a four-digit year, such as 19910526 or 5/26/1991 (format)
	// UserData(ph fn db cn)
	// {
	//   "ph": "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176",
	//   "fn": "6915771be1c5aa0c886870b6951b03d7eafc121fea0e80a5ea83beb7c449f4ec",
	//   "cn": "79adb2a2fce5c6ba215fe5f27f532d4e7edbac4b6a5e09e1ef3a08084a904621"
	// }
}

// allUserDataKeys is every key there is.
var allUserDataKeys = []appevents.UserDataKey{
	appevents.KeyEmail, appevents.KeyPhone, appevents.KeyFirstName, appevents.KeyLastName, appevents.KeyGender,
	appevents.KeyBirthDate, appevents.KeyCity, appevents.KeyState, appevents.KeyZip, appevents.KeyCountry,
	appevents.KeyExternalID,
}

func userDataDigest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

// The digests Meta prints for its examples, and those of the values in the App Events guide.
func TestHashUserData_GivesTheDigestsMetaPrints(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		key           appevents.UserDataKey
		value, digest string
	}{
		{appevents.KeyEmail, "John_Smith@gmail.com", "62a14e44f765419d10fea99367361a727c12365e2520f32218d505ed9aa0f62f"},
		{appevents.KeyPhone, "1(650)555-1212", "e323ec626319ca94ee8bff2e4c87cf613be6ea19919ed1364124e16807ab3176"},
		{appevents.KeyFirstName, "Mary", "6915771be1c5aa0c886870b6951b03d7eafc121fea0e80a5ea83beb7c449f4ec"},
		{appevents.KeyFirstName, "정", "8fa8cd9c440be61d0151429310034083132b35975c4bea67fdd74158eb51db14"},
		{appevents.KeyFirstName, "Valéry", "08e1996b5dd49e62a4b4c010d44e4345592a863bb9f8e3976219bac29417149c"},
		{appevents.KeyBirthDate, "2/16/1997", "01acdbf6ec7b4f478a225f1a246e5d6767eeab1a7ffa17f025265b5b94f40f0c"},
		{appevents.KeyCountry, "United States", "79adb2a2fce5c6ba215fe5f27f532d4e7edbac4b6a5e09e1ef3a08084a904621"},

		{appevents.KeyEmail, "jsmith@example.com", "6e3913852f512d76acff15d1e402c7502a5bbe6101745a7120a2a4833ebd2350"},
		{appevents.KeyFirstName, "john", "96d9632f363564cc3032521409cf22a852f2032eec099ed5967c0d000cec607a"},
		{appevents.KeyLastName, "smith", "6627835f988e2c5e50533d491163072d3f4f41f5c8b04630150debb3722ca2dd"},
		{appevents.KeyPhone, "16505554444", "05962a9b2bd6519d32a32e79a0273383b3edb717430fef5e8848821b5fc30c61"},
		{appevents.KeyGender, "f", "252f10c83610ebca1a059c0bae8255eba2f95be4d1d7bcfa89d7248a82d9f111"},
		{appevents.KeyGender, "m", "62c66a7a5dd70c3146618063c344e531e6d4b59e379808443ce962b3abd63c5a"},
		{appevents.KeyBirthDate, "19910526", "d5234ccb6fb4dd59cbe76a3e5e1f396c27d2862246c7dbd7bc9e8fd72d664aaf"},
		{appevents.KeyCity, "menlopark", "0007a3d64c01e23d5075203c5977c14e4f7e01a3fc570686fcc50b5e1dd42685"},
		{appevents.KeyState, "ca", "6959097001d10501ac7d54c0bdb8db61420f658f2922cc26e46d536119a31126"},
		{appevents.KeyZip, "94025", "b9a9cf3cd3723a2e91b7c23ecf68456e872b6e5d86e5cab7f3d45a7302da32c7"},
		{appevents.KeyCountry, "us", "79adb2a2fce5c6ba215fe5f27f532d4e7edbac4b6a5e09e1ef3a08084a904621"},
	} {
		got, err := appevents.HashUserData(tc.key, tc.value)
		require.NoError(t, err)
		require.Equal(t, tc.digest, got, "%s %q", tc.key, tc.value)
	}
}

// userDataForms are values and the text that is hashed for them, by key.
var userDataForms = map[appevents.UserDataKey][][2]string{
	appevents.KeyEmail: {
		{"john@example.com", "john@example.com"},
		{"JOHN@EXAMPLE.COM", "john@example.com"},
		{"  john@example.com\t\r\n", "john@example.com"},
		{"\u00a0john@example.com\u00a0", "john@example.com"},
		{"\u3000john@example.com\u2029", "john@example.com"},
		{"\ufeffjohn@example.com", "john@example.com"},
		{"\u200ejohn@example.com\u200f", "john@example.com"},
		{"\u2068john@example.com\u2069", "john@example.com"},
		{"john\u200b@example.com", "john@example.com"},
		{"jo\u00adhn@exam\u2060ple.com", "john@example.com"},
		{"first.last@example.com", "first.last@example.com"},
		{"f.i.r.s.t@gmail.com", "f.i.r.s.t@gmail.com"},
		{"John+Shop@gmail.com", "john+shop@gmail.com"},
		{"john_o'brien-2@sub.example.co.uk", "john_o'brien-2@sub.example.co.uk"},
		{"!#$%&'*+-/=?^_`{|}~@example.org", "!#$%&'*+-/=?^_`{|}~@example.org"},
		{"1@2.io", "1@2.io"},
		{"john..smith.@docomo.ne.jp", "john..smith.@docomo.ne.jp"},
		{"john@xn--bcher-kva.example", "john@xn--bcher-kva.example"},
		{"john@my-shop.example", "john@my-shop.example"},
		{"Üser@Example.com", "üser@example.com"},
		{"u\u0308ser@example.com", "üser@example.com"},
		{"user@BÜCHER.de", "user@bücher.de"},
		{"ΝΙΚΟΣ@example.gr", "νικος@example.gr"},
		{"ΝΙΚΟΣ.Α@example.gr", "νικοσ.α@example.gr"}, // a point does not end the word
		{"用户@例子.广告", "用户@例子.广告"},
		{"ｊｏｈｎ＠ｅｘａｍｐｌｅ．ｃｏｍ", "john@example.com"},
		{strings.Repeat("a", 64) + "@example.com", strings.Repeat("a", 64) + "@example.com"},
	},
	appevents.KeyPhone: {
		{"16505551212", "16505551212"},
		{"+16505551212", "16505551212"},
		{"+1 (650) 555-1212", "16505551212"},
		{"1.650.555.1212", "16505551212"},
		{"0016505551212", "16505551212"},
		{"011 44 20 7946 0958", "11442079460958"}, // only zeros are a prefix, 011 is a US habit
		{"+49 (0)30 901820", "49030901820"},       // only leading zeros go
		{"0049 30 901820", "4930901820"},
		{"000049 30 901820", "4930901820"},
		{"+00 49 30 901820", "4930901820"},
		{"030 901820", "30901820"},
		{"(650)555-1212", "6505551212"}, // nothing adds the country code
		{"tel:+1-650-555-1212", "16505551212"},
		{"+1650555CALL1", "16505551"},
		{"\u202a+44 20 7946 0958\u202c", "442079460958"},
		{"+44\u00a020\u00a07946\u00a00958", "442079460958"},
		{"+44\u201120\u20117946\u20110958", "442079460958"},
		{"+44\u200b2079460958", "442079460958"},
		{"＋１ ６５０ ５５５ １２１２", "16505551212"},
		{"００１６５０５５５１２１２", "16505551212"},
		{"+٩٦٦ ٥٠ ١٢٣ ٤٥٦٧", "966501234567"},
		{"۰۰۹۸۲۱۱۲۳۴۵۶۷", "98211234567"},
		{"+९१ ९८७६५ ४३२१०", "919876543210"},
		{"☎ +43 1 5880", "4315880"},
		{"1234567", "1234567"},
		{"123456789012345", "123456789012345"},
		{"+5 511 999-999-999", "5511999999999"},
	},
	appevents.KeyFirstName: {
		{"Mary", "mary"},
		{"  Mary  ", "mary"},
		{"MARY", "mary"},
		{"Mary Ann", "maryann"},
		{"Mary-Ann", "maryann"},
		{"Mary\u2010Ann", "maryann"},
		{"Mary\u2013Ann", "maryann"},
		{"Mary\u00a0Ann", "maryann"},
		{"Mary\u2009Ann", "maryann"},
		{"Mary\u3000Ann", "maryann"},
		{"Ma\u200bry", "mary"},
		{"Ma\ufeffry", "mary"},
		{"Ma\u00adry", "mary"},
		{"M.", "m"},
		{"J. R. R.", "jrr"},
		{"(Mary)", "mary"},
		{"\"Mary\"", "mary"},
		{"“Mary”", "mary"},
		{"«Mary»", "mary"},
		{"Mary!", "mary"},
		{"¡Mary?", "mary"},
		{"Mary 😀", "mary"},
		{"👩‍👧 Mary ❤️", "mary"},
		{"M@r$y+", "mry"},
		{"Louis 14", "louis14"},
		{"正", "正"},
		{"정", "정"},
		{"\u110c\u1165\u11bc", "정"},
		{"Valéry", "valéry"},
		{"VALÉRY", "valéry"},
		{"Vale\u0301ry", "valéry"},
		{"VALE\u0301RY", "valéry"},
		{"Vale-\u0301ry", "valéry"},
		{"Zoë", "zoë"},
		{"Zoe\u0308", "zoë"},
		{"José María", "josémaría"},
		{"Åsa", "åsa"},
		{"\u212bsa", "åsa"}, // ångström sign
		{"A\u030asa", "åsa"},
		{"Nguyễn", "nguyễn"},
		{"Nguye\u0302\u0303n", "nguyễn"},
		{"J\u030can", "ǰan"}, // composes in lower case only
		{"Øyvind", "øyvind"},
		{"Łukasz", "łukasz"},
		{"Weiß", "weiß"},
		{"WEISS", "weiss"},
		{"STRAẞE", "straße"},
		{"ΑΝΤΩΝΙΟΣ", "αντωνιος"},
		{"Αντώνιος", "αντώνιος"},
		{"ΣΟΦΙΑ", "σοφια"},
		{"ΘΩΜΑΣ ΙΩΑΝΝΗΣ", "θωμαςιωαννης"},
		{"ΘΩΜΑΣ-ΙΩΑΝΝΗΣ", "θωμαςιωαννης"},
		{"Σ", "σ"},
		{"İbrahim", "i\u0307brahim"},
		{"I\u0307brahim", "i\u0307brahim"},
		{"Işıl", "işıl"},
		{"DŽenan ǅ", "dženanǆ"},
		{"Иван", "иван"},
		{"ЁЛКА", "ёлка"},
		{"Е\u0308лка", "ёлка"},
		{"Անահիտ", "անահիտ"},
		{"ნინო", "ნინო"},
		{"ᲜᲘᲜᲝ", "ნინო"},
		{"محمد", "محمد"},
		{"محمد علي", "محمدعلي"},
		{"\u200fمحمد\u200f", "محمد"},
		{"\u202bمحمد\u202c", "محمد"},
		{"علی\u200cرضا", "علی\u200cرضا"},         // Persian spells with the non-joiner
		{"علی\u200c\u200cرضا", "علی\u200cرضا"},   // once is enough
		{"علی-\u200c رضا", "علی\u200cرضا"},       // what stood beside it is gone
		{"\u200cعلی\u200c", "علی"},               // at the ends it does nothing
		{"علی\u200c, رضا\u200d", "علی\u200cرضا"}, // nor before a comma
		{"نەوڕۆز\u200cی", "نەوڕۆز\u200cی"},       // Kurdish
		{"ශ්\u200dරී", "ශ්\u200dරී"},             // Sinhala, behind a mark
		{"ක්\u200dෂ", "ක්\u200dෂ"},
		{"राजेश्\u200dवर", "राजेश्\u200dवर"},
		{"Ma\u200c 1ry", "ma1ry"}, // not between letters
		{"😀\u200d😀Mary", "mary"},
		{"مُحَمَّد", "مُحَمَّد"},
		{"آمنة", "آمنة"},
		{"ا\u0653منة", "آمنة"},
		{"דָּוִד", "דָּוִד"},
		{"ג׳ורג׳", "גורג"},
		{"प्रिया", "प्रिया"},
		{"กัญญา", "กัญญา"},
		{"李 小龍", "李小龍"},
		{"マイケル・ジャクソン", "マイケルジャクソン"},
		{"たろう", "たろう"},
		{"か\u3099く", "がく"},
		{"Ｊｏｈｎ", "john"},
		{"\u3164Mary\u3164", "mary"},
		{"葛\U000e0100", "葛"},
		{"𐐀𐐁", "𐐨𐐩"},
	},
	appevents.KeyLastName: {
		{"Smith", "smith"},
		{"O'Brien", "obrien"},
		{"O’Brien", "obrien"},
		{"O´Brien", "obrien"},
		{"O`Brien", "obrien"},
		{"D‘Angelo", "dangelo"},
		{"van der Berg", "vanderberg"},
		{"Smith-Jones", "smithjones"},
		{"Smith, Jr.", "smithjr"},
		{"Saint_John", "saintjohn"},
		{"Müller", "müller"},
		{"Mu\u0308ller", "müller"},
		{"MÜLLER", "müller"},
		{"Đặng", "đặng"},
		{"Şahin", "şahin"},
		{"S\u0327ahin", "şahin"},
		{"لويس ١٤", "لويس١٤"},
		{"ÇELİK", "çeli\u0307k"},
		{"ΠΑΠΑΔΟΠΟΥΛΟΣ", "παπαδοπουλος"},
		{"ΠΑΠΑΔΟΠΟΥΛΟΣ.", "παπαδοπουλος"},
		{"Достоевский", "достоевский"},
		{"山田", "山田"},
		{"佐々木", "佐々木"},
		{"김", "김"},
		{"عبد الله", "عبدالله"},
		{"Ka\u02bbahumanu", "ka\u02bbahumanu"}, // the ʻokina is a letter
		{"Henry Ⅷ", "henryⅷ"},
	},
	appevents.KeyGender: {
		{"f", "f"}, {"F", "f"}, {" f ", "f"}, {"f.", "f"}, {"(F)", "f"}, {"female", "f"}, {"Female", "f"}, {"FEMALE", "f"},
		{"woman", "f"}, {"Girl", "f"}, {"lady", "f"}, {"she", "f"}, {"she/her", "f"}, {"She / Her / Hers", "f"},
		{"Ms.", "f"}, {"Mrs", "f"}, {"Miss", "f"}, {"Ｆ", "f"}, {"\u200eFemale\u00a0", "f"},
		{"m", "m"}, {"M", "m"}, {"male", "m"}, {"Male", "m"}, {"man", "m"}, {"Boy", "m"}, {"gentleman", "m"}, {"he", "m"},
		{"he/him", "m"}, {"Mr.", "m"}, {"mister", "m"}, {"Mother", "f"}, {"Mum", "f"}, {"aunt", "f"}, {"Queen", "f"},
		{"wife", "f"}, {"Daughter", "f"}, {"sister-in-law", "f"}, {"Ma'am", "f"}, {"ma’am", "f"}, {"grandmother", "f"},
		{"Father", "m"}, {"dad", "m"}, {"Uncle", "m"}, {"King", "m"}, {"husband", "m"}, {"son", "m"}, {"guy", "m"},
		{"Brother-in-law", "m"}, {"Gentlemen", "m"}, {"himself", "m"}, {"Ladies", "f"}, {"goddess", "f"}, {"count", "m"},
		{"countess", "f"}, {"ｍａｌｅ", "m"}, {"\u200bmale", "m"},
	},
	appevents.KeyBirthDate: {
		{"19970216", "19970216"},
		{"1997-02-16", "19970216"},
		{"1997/02/16", "19970216"},
		{"1997.02.16", "19970216"},
		{"1997-2-16", "19970216"},
		{"1997 02 16", "19970216"},
		{"1997_02_16", "19970216"},
		{"1997:02:16", "19970216"},
		{"2/16/1997", "19970216"},
		{"02/16/1997", "19970216"},
		{"02-16-1997", "19970216"},
		{"16/2/1997", "19970216"},
		{"16.2.1997", "19970216"},
		{"16.02.1997.", "19970216"},
		{"16-02-1997", "19970216"},
		{"1997-16-02", "19970216"},
		{"3/4/1997", "19970304"}, // both readings possible: month first
		{"03.04.1997", "19970304"},
		{"12/11/1997", "19971211"},
		{"13/11/1997", "19971113"},
		{"02161997", "19970216"},
		{"16021997", "19970216"},
		{"03041997", "19970304"},
		{"20021997", "19970220"},
		{"February 16, 1997", "19970216"},
		{"february 16 1997", "19970216"},
		{"FEB 16 1997", "19970216"},
		{"Feb. 16th, 1997", "19970216"},
		{"16 February 1997", "19970216"},
		{"16th of February 1997", "19970216"},
		{"16-Feb-1997", "19970216"},
		{"16Feb1997", "19970216"},
		{"1997 Feb 16", "19970216"},
		{"1997-Feb-16", "19970216"},
		{"1st January 2000", "20000101"},
		{"2nd May 1990", "19900502"},
		{"3rd May 1990", "19900503"},
		{"21st Sept 1985", "19850921"},
		{"Sep 5, 1985", "19850905"},
		{"1997-02-16T00:00:00Z", "19970216"},
		{"1997-02-16T23:30:00.000+02:00", "19970216"},
		{"1997-02-16 00:00:00", "19970216"},
		{"1997年2月16日", "19970216"},
		{"1997년 2월 16일", "19970216"},
		{"１９９７／０２／１６", "19970216"},
		{"١٩٩٧-٠٢-١٦", "19970216"},
		{"1997\u201302\u201316", "19970216"},
		{"\u200e2/16/1997\u200e", "19970216"},
		{"2\u00a0/\u00a016\u00a0/\u00a01997", "19970216"},
		{"19000101", "19000101"},
		{"1997-02-16 00:00:00 +0000 UTC", "19970216"}, // time.Time.String
		{"1997-02-16 23:30:00.123456789 +0200 CEST m=+0.000012345", "19970216"},
		{"1997-02-16 00:00:00 -0330 -0330", "19970216"},
		{"2/16/1997 12:00:00 AM", "19970216"},
		{"2/16/1997 11:59 p.m.", "19970216"},
		{"16/2/1997 1PM", "19970216"},
		{"2/16/1997, 12:00:00\u202fAM", "19970216"}, // JavaScript
		{"1997/02/16 00:00:00", "19970216"},
		{"16.02.1997 00:00:00", "19970216"},
		{"16.02.1997, 00.00 Uhr", "19970216"},
		{"1997-02-16T00", "19970216"},
		{"1997-02-16T00Z", "19970216"},
		{"1997-02-16 00", "19970216"},
		{"1997-02-16T00:00:00,000", "19970216"},
		{"1997-02-16T23:30+01:00[Europe/Berlin]", "19970216"}, // Java
		{"Sun Feb 16 1997 00:00:00 GMT-0800 (Pacific Standard Time)", "19970216"},
		{"Sunday, February 16, 1997 at 12:00 AM", "19970216"},
		{"Sun Feb 16 00:00:00 CET 1997", "19970216"}, // Unix
		{"Sun, 16 Feb 1997 00:00:00 +0100 (CET)", "19970216"},
		{"16 Feb 1997 00:00", "19970216"},
		{"1997-02-16Z", "19970216"}, // XML
		{"1997-02-16-05:00", "19970216"},
		{"19970216T000000Z", "19970216"},
		{"19970216000000", "19970216"},
		{"1997:02:16 00:00:00", "19970216"}, // EXIF
		{"16/Feb/1997:00:00:00 +0100", "19970216"},
		{"00:00:00 16.02.1997", "19970216"},
		{"1997年2月16日 0時0分", "19970216"},
		{"1997/2/16 上午 12:00:00", "19970216"},
		{"1997년 2월 16일 오후 3:00", "19970216"},
		{"١٩٩٧-٠٢-١٦ ٠٠:٠٠", "19970216"},
		{"29 Feb 2000", "20000229"},
		{"2/29/1996", "19960229"},
		{"12/31/1999", "19991231"},
	},
	appevents.KeyCity: {
		{"Menlo Park", "menlopark"},
		{"New York", "newyork"},
		{"  Paris ", "paris"},
		{"LONDON", "london"},
		{"St. Louis", "stlouis"},
		{"Washington D.C.", "washingtondc"},
		{"Winston-Salem", "winstonsalem"},
		{"Coeur d'Alene", "coeurdalene"},
		{"Coeur d’Alene", "coeurdalene"},
		{"Stratford-upon-Avon", "stratforduponavon"},
		{"München", "münchen"},
		{"Mu\u0308nchen", "münchen"},
		{"São Paulo", "sãopaulo"},
		{"Sa\u0303o Paulo", "sãopaulo"},
		{"Île-de-France", "îledefrance"},
		{"Reykjavík", "reykjavík"},
		{"Łódź", "łódź"},
		{"ΑΘΗΝΑ", "αθηνα"},
		{"ΠΕΙΡΑΙΆΣ", "πειραιάς"},
		{"İstanbul", "i\u0307stanbul"},
		{"Санкт-Петербург", "санктпетербург"},
		{"서울", "서울"},
		{"東京", "東京"},
		{"القاهرة", "القاهرة"},
		{"\u200fתל אביב\u200f", "תלאביב"},
		{"मुंबई", "मुंबई"},
		{"New\u00a0York", "newyork"},
		{"New\u200bYork", "newyork"},
		{"Frankfurt (Main)", "frankfurtmain"},
		{"10th of Ramadan", "10thoframadan"},
		{"Ｏｓａｋａ", "osaka"},
	},
	appevents.KeyState: {
		{"CA", "ca"}, {"ca", "ca"}, {" Ca. ", "ca"}, {"C.A.", "ca"}, {"California", "ca"}, {"CALIFORNIA", "ca"},
		{"US-CA", "ca"}, {"us_ny", "ny"}, {"New York", "ny"}, {"new-york", "ny"}, {"North Carolina", "nc"},
		{"North\u00a0Dakota", "nd"}, {"Rhode Island", "ri"}, {"West Virginia", "wv"}, {"Washington", "wa"},
		{"Washington, D.C.", "dc"}, {"District of Columbia", "dc"}, {"D.C.", "dc"}, {"Puerto Rico", "pr"}, {"Guam", "gu"},
		{"American Samoa", "as"}, {"Northern Mariana Islands", "mp"}, {"U.S. Virgin Islands", "vi"}, {"AP", "ap"},
		{"Hawai\u200bi", "hi"}, {"ＣＡ", "ca"},
		{"Ontario", "on"}, {"ON", "on"}, {"CA-ON", "on"}, {"Quebec", "qc"}, {"Québec", "qc"}, {"Que\u0301bec", "qc"},
		{"British Columbia", "bc"}, {"Newfoundland and Labrador", "nl"}, {"Prince Edward Island", "pe"},
		{"Île-du-Prince-Édouard", "pe"}, {"Nouvelle-Écosse", "ns"}, {"Yukon", "yt"},
		{"State of New York", "ny"}, {"New York (NY)", "ny"}, {"NY - New York", "ny"}, {"New York, USA", "ny"},
		{"NY 10001", "ny"}, {"NY10001-1234", "ny"}, {"Calif.", "ca"}, {"N. Carolina", "nc"}, {"Virgin Islands, U.S.", "vi"},
		{"Ontario, Canada", "on"}, {"Hawaiʻi", "hi"}, {"Hawai’i", "hi"}, {"Nueva York", "ny"}, {"Los Angeles, California", "ca"},
		{"Ontario, CA", "on"}, {"Ont. K1A 0B1", "on"}, {"N.-É.", "ns"}, {"Province de Québec", "qc"}, {"ON, Canada", "on"},
		{"Baja California", "bajacalifornia"}, {"Castilla-La Mancha", "castillalamancha"}, {"State of Goa", "stateofgoa"},
		{"New South Wales", "newsouthwales"}, {"NSW", "nsw"}, {"Île-de-France", "îledefrance"}, {"Bayern", "bayern"},
		{"Москва", "москва"}, {"東京都", "東京都"}, {"13", "13"},
	},
	appevents.KeyZip: {
		{"94025", "94025"}, {" 94025 ", "94025"}, {"00501", "00501"}, {"02134", "02134"}, {"94025-1234", "94025"},
		{"94025\u20131234", "94025"}, {"940251234", "940251234"}, {"1987", "1987"}, {"0800", "0800"}, {"75018", "75018"},
		{"M1 1AE", "m11ae"}, {"m11ae", "m11ae"}, {"SW1A 1AA", "sw1a1aa"}, {"SW1A\u00a01AA", "sw1a1aa"}, {"K1A 0B1", "k1a0b1"},
		{"k1a-0b1", "k1a0b1"}, {"100-0001", "1000001"}, {"〒100-0001", "1000001"}, {"１００－０００１", "1000001"},
		{"01310-100", "01310100"}, {"1234 AB", "1234ab"}, {"SE-111 22", "se11122"}, {"١١٥٦١", "11561"}, {"D02 X285", "d02x285"},
		{"\u200e94025\u200e", "94025"}, {"94\u200b025", "94025"}, {"101", "101"}, {"94025.", "94025"},
		{"ABCDE-1234", "abcde1234"}, {"94025-1234-", "94025"}, {"9-4025-1234", "940251234"}, {"94025.0", "94025"},
		{"4091-6433", "04091"}, {"2139.0", "2139"}, {"1010,00", "1010"}, {"123-4567", "1234567"}, {"1000-205", "1000205"},
	},
	appevents.KeyCountry: {
		{"us", "us"}, {"US", "us"}, {" us ", "us"}, {"USA", "us"}, {"U.S.", "us"}, {"U.S.A.", "us"}, {"United States", "us"},
		{"united states of america", "us"}, {"The United States", "us"}, {"ＵＳ", "us"}, {"United\u00a0States", "us"},
		{"Unit\u200bed States", "us"}, {"GB", "gb"}, {"UK", "gb"}, {"U.K.", "gb"}, {"GBR", "gb"}, {"Great Britain", "gb"},
		{"United Kingdom", "gb"}, {"EL", "gr"}, {"Greece", "gr"}, {"CHN", "cn"}, {"China", "cn"}, {"CN", "cn"}, {"AUT", "at"},
		{"Austria", "at"}, {"AUS", "au"}, {"DEU", "de"}, {"Germany", "de"}, {"CHE", "ch"}, {"Switzerland", "ch"},
		{"Korea", "kr"}, {"South Korea", "kr"}, {"Republic of Korea", "kr"}, {"Korea, Republic of", "kr"},
		{"Korea (the Republic of)", "kr"}, {"KOR", "kr"}, {"North Korea", "kp"}, {"PRK", "kp"}, {"Netherlands", "nl"},
		{"The Netherlands", "nl"}, {"Holland", "nl"}, {"Côte d'Ivoire", "ci"}, {"Côte d’Ivoire", "ci"},
		{"Co\u0302te d'Ivoire", "ci"}, {"Ivory Coast", "ci"}, {"Türkiye", "tr"}, {"TÜRKİYE", "tr"}, {"Turkey", "tr"},
		{"Trinidad & Tobago", "tt"}, {"Trinidad and Tobago", "tt"}, {"Bahamas, The", "bs"}, {"St. Lucia", "lc"},
		{"Saint Lucia", "lc"}, {"ST", "st"}, {"São Tomé and Príncipe", "st"}, {"Viet Nam", "vn"}, {"Vietnam", "vn"},
		{"Russian Federation", "ru"}, {"Georgia", "ge"}, {"Niger", "ne"}, {"Nigeria", "ng"}, {"Dominica", "dm"},
		{"Dominican Republic", "do"}, {"DR Congo", "cd"}, {"Congo", "cg"}, {"Taiwan", "tw"}, {"Hong Kong", "hk"},
		{"XK", "xk"}, {"Curaçao", "cw"}, {"Guinea-Bissau", "gw"}, {"\u200fJO\u200f", "jo"},
		{"Deutschland", "de"}, {"España", "es"}, {"Espana", "es"}, {"Brasil", "br"}, {"Belgique", "be"}, {"België", "be"},
		{"Norge", "no"}, {"日本", "jp"}, {"中国", "cn"}, {"대한민국", "kr"}, {"Россия", "ru"}, {"Ελλάδα", "gr"}, {"مصر", "eg"},
		{"United States (US)", "us"}, {"United Kingdom (UK)", "gb"}, {"DE - Deutschland", "de"}, {"Österreich / Austria", "at"},
		{"Kingdom of Spain", "es"}, {"Republic of India", "in"}, {"Áo", "at"}, {"Bỉ", "be"}, {"Ao", "ao"}, {"BI", "bi"},
		{"🇩🇪 Germany", "de"}, {"🇩🇪", "de"}, {"Guam, USA", "gu"}, {"Germany DE", "de"}, {"Oesterreich", "at"}, {"Mỹ", "us"},
	},
	appevents.KeyExternalID: {
		{"user-12345", "user-12345"}, {"\u00a0user-12345", "user-12345"}, {"user-12345\u00a0", "user-12345"},
		{"\u0080user-12345\u007f", "user-12345"}, {"  user-12345\n", "user-12345"}, {"\u00a0\u200buser-12345\ufeff", "user-12345"},
		{"User-12345", "User-12345"}, {"ABC", "ABC"}, {"a@Example.com", "a@Example.com"}, {"a b  c", "a b  c"}, {"0", "0"},
		{"000123", "000123"}, {"Ünïcode", "Ünïcode"}, {"U\u0308", "U\u0308"}, {"１２３", "１２３"}, {"id\u200b1", "id\u200b1"},
		{"123e4567-e89b-12d3-a456-426614174000", "123e4567-e89b-12d3-a456-426614174000"},
		{"507f1f77bcf86cd799439011", "507f1f77bcf86cd799439011"},
		{"ffffffffffffffffffffffffffffffg", "ffffffffffffffffffffffffffffffg"},
		{"123e4567e89b12d3a456426614174000", "123e4567e89b12d3a456426614174000"}, // a UUID without dashes
		{"DA39A3EE5E6B4B0D3255BFEF95601890AFD80709", "DA39A3EE5E6B4B0D3255BFEF95601890AFD80709"},
		{strings.Repeat("0f", 28), strings.Repeat("0f", 28)}, {strings.Repeat("0f", 64), strings.Repeat("0f", 64)},
		{strings.Repeat("x", 1024), strings.Repeat("x", 1024)},
	},
}

func TestHashUserData_HashesTheNormalForm(t *testing.T) {
	t.Parallel()
	total := 0
	for key, cases := range userDataForms {
		for _, tc := range cases {
			total++
			got, err := appevents.HashUserData(key, tc[0])
			require.NoError(t, err, "%s %q", key, tc[0])
			require.Equal(t, userDataDigest(tc[1]), got, "%s %q is not hashed as %q", key, tc[0], tc[1])

			again, err := appevents.HashUserData(key, tc[1])
			require.NoError(t, err, "%s %q", key, tc[1])
			require.Equal(t, got, again, "%s: the normal form %q must be its own", key, tc[1])
		}
	}
	require.GreaterOrEqual(t, total, 300)
}

// userDataRefusals are values that have no normal form, by key and the rule that says so.
var userDataRefusals = map[appevents.UserDataKey]map[string][]string{
	appevents.KeyEmail: {
		appevents.RuleRequired: {"", " ", "\u00a0\u200b\ufeff"},
		appevents.RuleFormat: {
			"john", "john@", "@example.com", "a@b", "a@b.", "a@.b", "a@b..com", "a@-b.com", "a@b-.com", "a@b.com-", "a@b.c",
			"a@@b.com", "a@b@c.com", "john smith@example.com", "john@exam ple.com", "john@exam\u00a0ple.com", "john\n@example.com",
			"John <john@example.com>", "mailto:john@example.com", "a@b.com, c@d.com", "john@localhost", "john@127.0.0.1", "john@10.0.0.10", "john@[127.0.0.1]",
			"john@exam_ple.com", "john@example.com.", "\"john\"@example.com", "john😀@example.com", "john@e😀.com",
			strings.Repeat("a", 65) + "@example.com", "a@" + strings.Repeat("b.", 130) + "com", "jo\xffhn@example.com",
		},
		appevents.RuleLength: {strings.Repeat("a", 1025)},
	},
	appevents.KeyPhone: {
		appevents.RuleRequired: {"", "  ", "phone", "+", "000", "n/a", "☎", "Ⅷ", "½"},
		appevents.RuleLength:   {"123456", "0123456", "1234567890123456", "+1 650 555 1212 / +1 650 555 1213"},
		appevents.RuleFormat:   {"+1650555121\xff2"},
	},
	appevents.KeyFirstName: {
		appevents.RuleRequired: {"", " ", "-", "...", "😀", "\u200b", "\u3164", "\u202e"},
		appevents.RuleFormat:   {"123", "\u0301", "٣", "Mar\xffy", "\xc3", "Abcdefg\xff", "Abcdefgh\xff"},
		appevents.RuleLength:   {strings.Repeat("a", 1025), strings.Repeat("Ⱥ", 400)},
	},
	appevents.KeyLastName: {
		appevents.RuleRequired: {"", "'", "’", "\u00a0"},
		appevents.RuleFormat:   {"007"},
	},
	appevents.KeyGender: {
		appevents.RuleRequired: {"", " ", "-", "?"},
		appevents.RuleUnknown: {
			"x", "o", "other", "non-binary", "unknown", "fm", "1", "prefer not to say", "fluid", "mixed", "w", "женщина", "ж",
		},
	},
	appevents.KeyBirthDate: {
		appevents.RuleRequired: {"", "  "},
		appevents.RuleFormat: {
			"2/16/97", "16 Feb 97", "97-02-16", "February 1997", "1997", "1997-02", "02/1997", "yesterday", "1997-02-16-01",
			"2/16/1997/3", "Feb Feb 1997", "16 16 16", "199702161", "0", "-", "1997 1998 12", "16 1997 02", "Fev 16 1997",
			"1997-02-16T00:00:00X", "1997+02+16", "2/016/1997", "１９９７", "二月 16 1997", "thirty May 1990", "May 1990",
			"1990 May June", "1997-02-16 100:00", "\xff1997-02-16", "1997-02-16 25:00", "1997-02-16 12:60", "1997-02-16 12:00:61",
			"2/16/1997 13:00 PM", "1997-02-16 12:00 somewhere", "1997-02-16 noon", "12:00 AM", "2/16 12:00:00 AM", "19970216250000",
			"1997-02-16T", "1997-02-16 1 2", "1997-02-16 12:00 (", "02/16 03:04:05PM '97 -0700", "Sun Feb 16 00:00:00 97",
			"2/16/1997 2/16/1997", "1997-02-16/1997-02-17",
		},
		appevents.RuleRange: {
			"1899-12-31", "18991231", "12/31/1899", "2/30/2001", "2/29/1900", "2/29/2001", "19970230", "0/16/1997", "2/0/1997",
			"13/13/1997", "4/31/1997", "1997-00-10", "00000000", "99999999", "19971301", "2999-01-01", "1/1/9999", "Feb 30 1997",
			"31 April 1990", "02302001",
		},
	},
	appevents.KeyCity: {
		appevents.RuleRequired: {"", " ", "-", "?!", "🏙"},
		appevents.RuleFormat:   {"94025", "M\xfcnchen"},
	},
	appevents.KeyState: {
		appevents.RuleRequired: {"", " ", "--"},
		appevents.RuleFormat:   {"C\xffA"},
		appevents.RuleUnknown: {
			"New York (NJ)", "NY/NJ", "CA, Canada", "New York, NJ", "Perth, WA", "Ontario, USA", "Virgin Islands, British",
			"Texas | Ohio", "Quebec (ON)",
		},
	},
	appevents.KeyZip: {
		appevents.RuleRequired: {"", " ", "-", "〒"},
		appevents.RuleFormat:   {"1", "none", "n/a", "М1 1АЕ", "邮编100000", "12345678901234567"},
	},
	appevents.KeyCountry: {
		appevents.RuleRequired: {"", " "},
		appevents.RuleUnknown: {
			"xx", "zz", "a", "EU", "AN", "Yugoslavia", "Atlantis", "usx", "ABC", "840", "us1", "америка", "中", "às", "Dê",
			"Georgia (US)", "Germany (FR)", "US, CA", "Germany (Bavaria)", "en_US", "-", "United", "the", "of", "UnitedStatesOfNowhere", strings.Repeat("a", 200), "ø",
		},
		appevents.RuleLength: {strings.Repeat("a", 1025)},
		appevents.RuleFormat: {"u\xffs"},
	},
	appevents.KeyExternalID: {
		appevents.RuleRequired: {"", " \t\n", "\u200b\u00a0"},
		appevents.RuleLength:   {strings.Repeat("x", 1025)},
		appevents.RuleFormat:   {"id\xff"},
	},
}

func TestHashUserData_RefusesWhatHasNoNormalForm(t *testing.T) {
	t.Parallel()
	for key, rules := range userDataRefusals {
		for rule, values := range rules {
			for _, value := range values {
				got, err := appevents.HashUserData(key, value)
				require.Empty(t, got, "%s %q", key, value)
				requireOneIssue(t, err, "user_data."+string(key), rule, "%s %q", key, value)
				if len(value) > 9 {
					require.NotContains(t, err.Error(), value)
				}
			}
		}
	}
}

func requireOneIssue(t *testing.T, err error, path, rule string, msgAndArgs ...any) {
	t.Helper()
	var invalid *appevents.ValidationError
	require.ErrorAs(t, err, &invalid, msgAndArgs...)
	require.Len(t, invalid.Issues, 1, msgAndArgs...)
	require.Equal(t, path, invalid.Issues[0].Path, msgAndArgs...)
	require.Equal(t, rule, invalid.Issues[0].Rule, msgAndArgs...)
}

func TestHashUserData_RefusesAnUnknownKey(t *testing.T) {
	t.Parallel()
	for _, key := range []appevents.UserDataKey{"", "EM", "country", "dob", "zip"} {
		got, err := appevents.HashUserData(key, "us")
		require.Empty(t, got)
		requireOneIssue(t, err, "user_data", appevents.RuleUnknown)
	}
}

func TestHashUserData_PassesDigestsThrough(t *testing.T) {
	t.Parallel()
	digest := userDataDigest("john@example.com")
	for _, key := range allUserDataKeys {
		for value, want := range map[string]string{
			digest:                                     digest,
			strings.ToUpper(digest):                    digest,
			"  " + digest + "\n":                       digest,
			"\u200b" + digest + "\u00a0":               digest,
			strings.Repeat("0", 64):                    strings.Repeat("0", 64),
			digest + ".AQQCAQIB":                       digest + ".AQQCAQIB",
			digest + ".A_-z09IB":                       digest + ".A_-z09IB",
			strings.ToUpper(digest) + ".AQQCAQ" + "IB": digest + ".AQQCAQIB",
			digest + ".AQ":                             digest + ".AQ",
			digest + ".Bg":                             digest + ".Bg",
		} {
			got, err := appevents.HashUserData(key, value)
			require.NoError(t, err, "%s %s", key, value)
			require.Equal(t, want, got, key)
		}
	}

	// What only resembles a digest is a value like any other.
	for _, value := range []string{
		digest[:63], digest + "0", digest[:63] + "g", digest + ".AQQCAQI!", digest + ".ZZ", digest + ".AQQ", digest[:31],
	} {
		got, err := appevents.HashUserData(appevents.KeyExternalID, value)
		require.NoError(t, err)
		require.Equal(t, userDataDigest(value), got)
	}
}

func TestHashUserData_RefusesOtherDigests(t *testing.T) {
	t.Parallel()
	data := []byte("john@example.com")
	for name, digest := range map[string]string{
		"MD5":     fmt.Sprintf("%x", md5.Sum(data)),
		"SHA-1":   fmt.Sprintf("%x", sha1.Sum(data)),
		"SHA-224": fmt.Sprintf("%x", sha256.Sum224(data)),
		"SHA-384": fmt.Sprintf("%x", sha512.Sum384(data)),
		"SHA-512": fmt.Sprintf("%x", sha512.Sum512(data)),
	} {
		for _, key := range allUserDataKeys {
			if key == appevents.KeyExternalID {
				continue // where 32 digits may be a UUID
			}
			for _, value := range []string{digest, strings.ToUpper(digest), " " + digest + " ", digest + ".AQQCAQIB", digest + ".Ag"} {
				got, err := appevents.HashUserData(key, value)
				require.Empty(t, got)
				requireOneIssue(t, err, "user_data."+string(key), appevents.RuleFormat, "%s in %s", name, key)
				require.ErrorContains(t, err, "SHA-256")
				require.NotContains(t, strings.ToLower(err.Error()), digest)
			}
		}
	}
}

func TestHashUserData_TakesNoBirthDateToCome(t *testing.T) {
	t.Parallel()
	_, err := appevents.HashUserData(appevents.KeyBirthDate, time.Now().AddDate(0, 0, -1).Format(time.DateOnly))
	require.NoError(t, err)
	_, err = appevents.HashUserData(appevents.KeyBirthDate, time.Now().AddDate(0, 0, 3).Format(time.DateOnly))
	requireOneIssue(t, err, "user_data.db", appevents.RuleRange)
}

// The country decides how states and postal codes are read.
func TestUserData_ReadsStateAndZipByCountry(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		country, state, zip string // as given
		st, zp              string // in normal form; "" when dropped
	}{
		{country: "", state: "Florida", zip: "94025-1234", st: "fl", zp: "94025"},
		{country: "US", state: "Florida", zip: "94025-1234", st: "fl", zp: "94025"},
		{country: "USA", state: "fl", zip: "940251234", st: "fl", zp: "94025"},
		{country: " united states ", state: "US-FL", zip: "94025 1234", st: "fl", zp: "94025"},
		{country: "us", state: "Ontario", zip: "K1A 0B1", st: "", zp: ""},
		{country: "us", state: "Fl0rida", zip: "9402", st: "", zp: ""},
		{country: "us", state: "zz", zip: "94025-12", st: "", zp: "94025"},
		{country: "us", state: "CA-ON", zip: "CA94025", st: "", zp: ""},
		{country: "Puerto Rico", state: "PR", zip: "00901-1234", st: "pr", zp: "00901"},
		{country: "PR", state: "Puerto Rico", st: "pr"},
		{country: "UY", state: "Florida", st: "florida"},
		{country: "SA", zip: "12345-6789", zp: "123456789"},
		{country: "GU", state: "Hagåtña", zip: "969101234", st: "hagåtña", zp: "96910"},
		{country: "CA", state: "Ontario", zip: "K1A 0B1", st: "on", zp: "k1a0b1"},
		{country: "CA", state: "Québec", zip: "G1R 4P5", st: "qc", zp: "g1r4p5"},
		{country: "CA", state: "Washington", zip: "12345-6789", st: "", zp: "123456789"},
		{country: "CA", state: "Ontario, CA", zip: "", st: "on", zp: ""},
		{country: "CA", state: "N.-E.", zip: "", st: "ns", zp: ""},
		{country: "US", state: "Ontario, CA", zip: "2139.0", st: "ca", zp: "02139"},
		{country: "US", state: "Perth, WA", zip: "4091-6433", st: "wa", zp: "04091"},
		{country: "US", state: "Kansas City, MO", zip: "40916433", st: "mo", zp: "04091"},
		{country: "US", state: "New York, NJ", zip: "2139", st: "", zp: ""},
		{country: "PR", state: "San Juan, Puerto Rico", zip: "901-1234", st: "pr", zp: "00901"},
		{country: "US", state: "Ontario", zip: "940251", st: "", zp: ""},
		{country: "DE", state: "Bayern, Deutschland", zip: "1067.0", st: "bayern", zp: "01067"},
		{country: "DE", state: "Freistaat Bayern", zip: "1067", st: "freistaatbayern", zp: "1067"},
		{country: "AU", state: "State of Victoria", zip: "800.00", st: "stateofvictoria", zp: "0800"},
		{country: "UY", state: "Florida", zip: "94000", st: "florida", zp: "94000"},
		{country: "AU", state: "WA", zip: "0800", st: "wa", zp: "0800"},
		{country: "SA", state: "Riyadh", zip: "12345-6789", st: "riyadh", zp: "123456789"},
		{country: "JP", state: "東京都", zip: "100-0001", st: "東京都", zp: "1000001"},
		{country: "GB", state: "Greater London", zip: "M1 1AE", st: "greaterlondon", zp: "m11ae"},
		{country: "Atlantis", state: "Florida", zip: "94025-1234", st: "fl", zp: "94025"},
		{country: userDataDigest("us"), state: "Florida", zip: "94025-1234", st: "fl", zp: "94025"},
	} {
		got, err := appevents.UserData{Country: tc.country, State: tc.state, Zip: tc.zip}.Hashed()
		require.NoError(t, err)
		want := func(normal string) string {
			if normal == "" {
				return ""
			}
			return userDataDigest(normal)
		}
		require.Equal(t, want(tc.st), got.State, "%+v", tc)
		require.Equal(t, want(tc.zp), got.Zip, "%+v", tc)
	}
}

// wholePerson is a person whose every field is easy to find in text.
var wholePerson = appevents.UserData{
	Email: "canary@example.com", Phone: "+1 650 555 0199", FirstName: "Canaria", LastName: "Canarius", Gender: "female",
	BirthDate: "1991-05-26", City: "Canaryville", State: "Wyoming", Zip: "90210", Country: "Uruguay", ExternalID: "canary-77",
}

func requireNothingOfPerson(t *testing.T, text string) {
	t.Helper()
	for _, word := range []string{"anar", "example", "650", "female", "1991", "yoming", "90210", "ruguay"} {
		require.NotContains(t, strings.ToLower(text), word)
	}
}

func TestUserData_MarshalsDigestsOnly(t *testing.T) {
	t.Parallel()
	type call struct {
		UserData appevents.UserData  `json:"user_data,omitzero"`
		Pointer  *appevents.UserData `json:"pointer,omitempty"`
	}
	text, err := json.Marshal(call{UserData: wholePerson, Pointer: &wholePerson})
	require.NoError(t, err)
	requireNothingOfPerson(t, string(text))

	var fields struct {
		UserData map[string]string `json:"user_data"`
	}
	require.NoError(t, json.Unmarshal(text, &fields))
	require.Equal(t, map[string]string{
		"em": userDataDigest("canary@example.com"), "ph": userDataDigest("16505550199"), "fn": userDataDigest("canaria"),
		"ln": userDataDigest("canarius"), "ge": userDataDigest("f"), "db": userDataDigest("19910526"), "ct": userDataDigest("canaryville"),
		"st": userDataDigest("wyoming"), "zp": userDataDigest("90210"), "cn": userDataDigest("uy"), "external_id": userDataDigest("canary-77"),
	}, fields.UserData)

	// What is read back is sent as the original would have been.
	var back call
	require.NoError(t, json.Unmarshal(text, &back))
	again, err := json.Marshal(back)
	require.NoError(t, err)
	require.Equal(t, string(text), string(again))

	text, err = json.Marshal(call{})
	require.NoError(t, err)
	require.Equal(t, "{}", string(text))

	// A fixed order makes equal data equal bytes.
	text, err = json.Marshal(appevents.UserData{ExternalID: "1", Country: "us", Email: "a@b.co", City: "-"})
	require.NoError(t, err)
	require.Equal(t, `{"em":"`+userDataDigest("a@b.co")+`","cn":"`+userDataDigest("us")+`","external_id":"`+userDataDigest("1")+`"}`, string(text))
}

func TestUserData_WithAnotherDigestIsNotSent(t *testing.T) {
	t.Parallel()
	u := appevents.UserData{Email: "d41d8cd98f00b204e9800998ecf8427e", Phone: "+16505551212", City: "-"}

	h, err := u.Hashed()
	requireOneIssue(t, err, "user_data.em", appevents.RuleFormat)
	require.True(t, h.IsZero())

	_, err = json.Marshal(u)
	requireOneIssue(t, err, "user_data.em", appevents.RuleFormat)
	require.NotContains(t, err.Error(), "d41d8")

	warnings := u.Warnings()
	require.Len(t, warnings, 1) // the city; the digest is an error, not advice
	require.Equal(t, "user_data.ct", warnings[0].Path)
}

func TestUserData_Hashed(t *testing.T) {
	t.Parallel()
	h, err := wholePerson.Hashed()
	require.NoError(t, err)
	require.Equal(t, userDataDigest("canary@example.com"), h.Email)
	require.Equal(t, userDataDigest("canary-77"), h.ExternalID)
	requireNothingOfPerson(t, fmt.Sprint([]string{
		h.Email, h.Phone, h.FirstName, h.LastName, h.Gender, h.BirthDate, h.City, h.State, h.Zip, h.Country, h.ExternalID,
	}))

	again, err := h.Hashed()
	require.NoError(t, err)
	require.Equal(t, h, again, "hashing twice is hashing once")
	require.Empty(t, h.Warnings())

	dropped, err := appevents.UserData{Email: "nonsense", Gender: "other"}.Hashed()
	require.NoError(t, err)
	require.True(t, dropped.IsZero())

	zero, err := appevents.UserData{}.Hashed()
	require.NoError(t, err)
	require.True(t, zero.IsZero())
}

func TestUserData_Warnings(t *testing.T) {
	t.Parallel()
	require.Empty(t, wholePerson.Warnings())
	require.Empty(t, appevents.UserData{}.Warnings())

	u := appevents.UserData{
		Email: "canary", Phone: "none", FirstName: "7", Gender: "other", BirthDate: "1/1/1850", State: "Elbonia", Zip: "-",
		Country: "US", LastName: "Smith", City: "\xff",
	}
	got := map[string]string{}
	for _, w := range u.Warnings() {
		got[w.Path] = w.Rule
		requireNothingOfPerson(t, w.String())
	}
	require.Equal(t, map[string]string{
		"user_data.em": appevents.RuleFormat, "user_data.ph": appevents.RuleRequired, "user_data.fn": appevents.RuleFormat,
		"user_data.ge": appevents.RuleUnknown, "user_data.db": appevents.RuleRange, "user_data.ct": appevents.RuleFormat,
		"user_data.st": appevents.RuleUnknown, "user_data.zp": appevents.RuleRequired,
	}, got)
}

// A phone number that may lack its country code is sent, with a warning.
func TestUserData_WarnsOfAPhoneNumberWithoutCountryCode(t *testing.T) {
	t.Parallel()
	u := appevents.UserData{Phone: "030 901820"}
	h, err := u.Hashed()
	require.NoError(t, err)
	require.Equal(t, userDataDigest("30901820"), h.Phone)
	require.Empty(t, h.Warnings())
	require.Equal(t, []appevents.Issue{{
		Path: "user_data.ph", Rule: appevents.RuleFormat,
		Message: "should begin with + and the country code, which cannot be told from it; it is sent as it is",
	}}, u.Warnings())
	digest, err := appevents.HashUserData(appevents.KeyPhone, u.Phone)
	require.NoError(t, err)
	require.Equal(t, h.Phone, digest)

	// The country tells.
	for country, want := range map[string]string{"Deutschland": "4930901820", "Great Britain": "4430901820"} {
		u.Country = country
		require.Empty(t, u.Warnings())
		h, err := u.Hashed()
		require.NoError(t, err)
		require.Equal(t, userDataDigest(want), h.Phone)
	}
	for _, phone := range []string{"+49 30 901820", "0049 30 901820", "16505551212", ""} {
		require.Empty(t, appevents.UserData{Phone: phone}.Warnings(), phone)
	}
}

func TestUserData_IsZero(t *testing.T) {
	t.Parallel()
	require.True(t, appevents.UserData{}.IsZero())
	require.False(t, appevents.UserData{Zip: " "}.IsZero())
}

func TestUserData_PrintsNoValue(t *testing.T) {
	t.Parallel()
	const text = "UserData(em ph fn ln ge db ct st zp cn external_id)"
	require.Equal(t, text, wholePerson.String())
	require.Equal(t, "UserData()", appevents.UserData{}.String())
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		require.Equal(t, text, fmt.Sprintf(verb, wholePerson), verb)
		require.Equal(t, text, fmt.Sprintf(verb, &wholePerson), verb)
		requireNothingOfPerson(t, fmt.Sprintf(verb, struct{ U appevents.UserData }{wholePerson}))
		requireNothingOfPerson(t, fmt.Sprintf(verb, []any{wholePerson, "x"})) // no pointer, which may hold any digits
	}
	require.Equal(t, text, wholePerson.GoString())

	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Info("lead", "user", wholePerson, "pointer", &wholePerson)
	slog.New(slog.NewJSONHandler(&log, nil)).Info("lead", "user", wholePerson, "pointer", &wholePerson)
	require.Equal(t, 4, strings.Count(log.String(), text), "not even digests")
	for line := range strings.Lines(log.String()) { // past the time, which may hold any digits
		if _, rest, ok := strings.Cut(line, "lead"); ok {
			requireNothingOfPerson(t, rest)
		}
	}
}
