package appevents

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/appevents/appevents-go/internal/formenc"
	"github.com/appevents/appevents-go/internal/normalize"
)

// UserDataKey names one kind of personal data, by its key on /activities.
type UserDataKey string

// The keys of [UserData]. The Conversions API calls KeyCountry "country"; the other names are the same on every edge.
const (
	KeyEmail      UserDataKey = "em"
	KeyPhone      UserDataKey = "ph"
	KeyFirstName  UserDataKey = "fn"
	KeyLastName   UserDataKey = "ln"
	KeyGender     UserDataKey = "ge"
	KeyBirthDate  UserDataKey = "db"
	KeyCity       UserDataKey = "ct"
	KeyState      UserDataKey = "st"
	KeyZip        UserDataKey = "zp"
	KeyCountry    UserDataKey = "cn"
	KeyExternalID UserDataKey = "external_id"
)

// numUserDataKeys is the most fields one UserData turns into.
const numUserDataKeys = normalize.NumKeys

// userDataKeys holds the wire names in the order they are sent.
var userDataKeys = [numUserDataKeys]UserDataKey{
	normalize.Email:       KeyEmail,
	normalize.Phone:       KeyPhone,
	normalize.FirstName:   KeyFirstName,
	normalize.LastName:    KeyLastName,
	normalize.Gender:      KeyGender,
	normalize.BirthDate:   KeyBirthDate,
	normalize.City:        KeyCity,
	normalize.State:       KeyState,
	normalize.Zip:         KeyZip,
	normalize.CountryCode: KeyCountry,
	normalize.ExternalID:  KeyExternalID,
}

// kind is the normalisation that belongs to the key.
func (k UserDataKey) kind() (kind normalize.Key, ok bool) {
	i := slices.Index(userDataKeys[:], k)
	return normalize.Key(max(i, 0)), i >= 0 //nolint:gosec // there are a dozen
}

// UserData is what is known about a person, for Meta to find the account the event belongs to.
//
// Write each value as the person or your database has it: it is normalised and hashed (SHA-256, lower-case
// hexadecimal) when the call is encoded, so nothing readable is sent, queued, logged or put into an error. A value that
// is a SHA-256 digest already is sent as it is, in lower case. An empty field is not sent, and the zero value sends
// nothing. A UserData is comparable and safe to copy.
//
// # Rules
//
// They are those of Meta's [page] on customer information and of its App Events API [guide]:
//
//   - All: white space, control characters and invisible characters (zero-width, direction marks, byte order mark) are
//     removed at the ends, and the invisible ones inside too, except in ExternalID. Text is lower-cased the full
//     Unicode way (a final Σ is ς, İ keeps its dot) and composed (NFC): é is one character however it was typed.
//     Full-width characters become the ASCII ones they stand for.
//   - Email: nothing is removed, neither dots nor a plus tag. What cannot be an address is dropped.
//   - Phone: digits only, leading zeros removed, 7 to 15 of them. Write the country code, with + or 00 before it. With
//     Country a number that is clearly in national form gets the code: (650) 555-1212 in the United States, 030 901820
//     in Germany. Where the form is not clear the digits are sent as they are, with a warning. Digits of any script
//     count.
//   - FirstName, LastName, City: letters, with their accents and marks, and digits of every script; zero-width joiners
//     and non-joiners between letters; no punctuation, no symbols, no spaces. At least one letter.
//   - Gender: f or m, or an English word for one of them: female, woman, girl, mother, aunt, queen, she, Ms; male, man,
//     boy, father, uncle, king, he, Mr and the like, and pronouns such as she/her. Other words are dropped, since Meta
//     takes nothing else.
//   - BirthDate: year, month and day with a four-digit year, from 1900 to today, as 19910526, 1991-05-26, 5/26/1991,
//     26.5.1991, May 26, 1991 or 26 May 1991. Where month and day could be either way round, the month comes first. The
//     day must exist in the calendar. A weekday, a time of day and a zone may stand with it, as in 5/26/1991 12:00 AM
//     or what time.Time.String returns; the date is the written one, whatever the zone.
//   - State: the two-letter code of a US state or territory or of a Canadian province. It may be given as code, name or
//     usual abbreviation, with "State of" and the like, with country, postal code or city: NY, Calif., New York (NY),
//     Ontario, Canada. Other names go in lower case without punctuation and spaces. Country decides: in the United
//     States and Canada anything but one of their own is dropped, and elsewhere no name is taken for one (Florida is in
//     Uruguay too). Text that names two states is dropped.
//   - Zip: lower-case letters and digits, leading zeros kept. When Country is the United States or one of its
//     territories, the first five digits; the same for what looks like ZIP+4 (12345-6789) when Country is empty. Zeros
//     that a spreadsheet dropped are put back where the form shows it: 2139.0 and 4091-6433 are 02139 and 04091. A US
//     code of just four digits is dropped, since any of its digits may be the missing one.
//   - Country: an ISO 3166-1 alpha-2 or alpha-3 code, or a name: short, formal or inverted (Korea, Republic of), in
//     English, in the country's own languages or in one of about forty others, also together with the code, as in
//     United States (US). UK and EL count as GB and GR, XK is Kosovo. Meta asks for it in every call.
//   - ExternalID: your own ID, trimmed but otherwise as it is, capitals and inner spaces included, and hashed. Use the
//     same form on every channel. Only 64 hexadecimal digits count as hashed already: 32 or 40 of them may be a UUID or
//     a token and are a value like any other.
//
// A value of which nothing usable is left is dropped and the rest of the call is sent; [UserData.Warnings] tells which
// and why. A digest of another kind (MD5, SHA-1, SHA-224, SHA-384, SHA-512, by its length) makes the call a
// [ValidationError], in every field but ExternalID: Meta matches SHA-256 only, and hashing a digest again would never
// match.
//
// # Differences from Meta's libraries
//
// Meta's libraries disagree with each other and with the pages. "Builder" is its newer parameter builder, "business
// SDKs" are the older normalisers for Python, Ruby, Node, Java and PHP, "mobile SDKs" those for Android and iOS.
//
//   - Digests: builder and business SDKs send an MD5 digest as it is (Java any 32 or 64 letters and digits), the mobile
//     SDKs hash it again. Here it is refused, except in ExternalID, and only 64 hexadecimal digits count as hashed.
//   - Invalid values: Android hashes the empty text in their place. Here the key is dropped.
//   - Unicode: none of them composes accents or removes invisible characters.
//   - Email: builder drops addresses with letters outside ASCII, PHP cuts such letters out. Here they stay.
//   - Phone: the mobile SDKs and PHP keep leading zeros, Python and Node take off only some; Java keeps a plus sign,
//     and Ruby does for US numbers; Python refuses numbers in national form. Here all leading zeros and symbols go.
//     Builder ignores digits outside ASCII; here they count. None of them adds a country code.
//   - Names: the business and mobile SDKs keep inner spaces and punctuation, builder keeps punctuation outside ASCII,
//     such as the typographic apostrophe. Here neither stays.
//   - City: builder keeps a to z and digits only, so accents vanish and 서울 is lost; the business SDKs remove digits.
//     Here letters and digits of every script stay.
//   - State: builder cuts a name it does not know to two letters, so New South Wales becomes "ne"; PHP and Java drop
//     letters outside a to z; the others know no names. Here states and provinces are mapped and other names kept.
//   - Zip: builder keeps inner spaces, and it and the business SDKs cut at the first dash in every country, so 100-0001
//     in Japan becomes 100; none cuts US codes to five digits. Here US codes are cut, and no others.
//   - Country: builder takes the first two letters of what it does not know, so CHN becomes "ch" and AUT "au"; the
//     business SDKs refuse or mangle names and alpha-3 codes. Here those are looked up and the unknown dropped.
//   - Gender: the mobile SDKs take the first letter of any word; Python and Java map no words.
//   - BirthDate: the business and mobile SDKs reorder nothing. Builder reads no months by name and no time of day,
//     takes eight digits as they stand, and does not check the calendar.
//   - ExternalID: Python, PHP and Node send it unhashed; Android and builder lower-case it, and builder removes inner
//     spaces; iOS does not trim it. Meta's documents decide nothing, so here it stays what the caller wrote.
//   - Names of keys: the mobile SDKs send "country", and iOS "dob", on /activities. Here they are the documented "cn"
//     and "db".
//
// # JSON and logs
//
// JSON holds digests only, under the keys of /activities, and is read back under the same keys; String, the fmt verbs
// and slog show which keys are set, never a value. Other encoders that read exported fields, such as gob, see plain
// values: give those [UserData.Hashed].
//
// [page]: https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/customer-information-parameters
// [guide]: https://developers.facebook.com/docs/marketing-api/app-event-api
type UserData struct {
	Email      string `json:"em"`
	Phone      string `json:"ph"` // with + and country code
	FirstName  string `json:"fn"`
	LastName   string `json:"ln"`
	Gender     string `json:"ge"`
	BirthDate  string `json:"db"`
	City       string `json:"ct"`
	State      string `json:"st"`
	Zip        string `json:"zp"`
	Country    string `json:"cn"`          // decides how Phone, State and Zip are read
	ExternalID string `json:"external_id"` // hashed as you write it: capitals and inner spaces count
}

// HashUserData returns the SHA-256 digest, in lower-case hexadecimal, of the normal form of value, by the rules of
// [UserData]. A value that is a SHA-256 digest already comes back in lower case.
//
// When nothing usable is left, or value is a digest of another kind, it returns "" and a [*ValidationError] that does
// not repeat the value. Phone numbers, states and postal codes are read without knowing the country. Where that
// matters, put them into a [UserData] together with the Country.
func HashUserData(key UserDataKey, value string) (string, error) {
	kind, ok := key.kind()
	if !ok {
		issue := Issue{Path: "user_data", Rule: RuleUnknown, Message: "the key must be one of the Key constants"}
		return "", &ValidationError{Issues: []Issue{issue}}
	}
	var in normalize.Context
	if kind == normalize.BirthDate {
		in.Now = time.Now()
	}
	var f hashedField
	var scratch [normalize.ScratchLen]byte
	if p := f.Set(scratch[:0], kind, value, &in); p != normalize.None && !p.Doubt() {
		return "", &ValidationError{Issues: []Issue{userDataIssue(nil, key, p)}}
	}
	return string(f.Digest()), nil
}

// Hashed returns u with every value replaced by its digest. Fields that would be dropped are empty. The result may be
// kept in a queue or a database: hashing it again changes nothing. When u holds a digest other than SHA-256, the error
// is a [*ValidationError] and the result is the zero UserData.
func (u UserData) Hashed() (UserData, error) {
	fields, err := u.hash()
	if err != nil {
		return UserData{}, err
	}
	var h UserData
	into := h.fields()
	for i := range fields {
		*into[fields[i].Key] = string(fields[i].Digest())
	}
	return h, nil
}

// Warnings lists the fields that are set but will not be sent, because nothing in them is usable, with the reasons. It
// also lists a phone number that may lack its country code, which is sent. It repeats no value, and returns nil when
// there is nothing to list.
func (u UserData) Warnings() []Issue {
	var p problems
	u.warn(nil, &p)
	return p.issues
}

// IsZero reports whether no field is set.
func (u UserData) IsZero() bool { return u == UserData{} }

// String names the keys that are set, without their values.
func (u UserData) String() string {
	var b strings.Builder
	b.WriteString("UserData(")
	separator := ""
	for i, value := range u.fields() {
		if key := userDataKeys[i]; *value != "" {
			b.WriteString(separator + string(key))
			separator = " "
		}
	}
	b.WriteByte(')')
	return b.String()
}

// GoString returns String.
func (u UserData) GoString() string { return u.String() }

// Format writes String for every verb.
func (u UserData) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(u.String())) }

// LogValue logs String.
func (u UserData) LogValue() slog.Value { return slog.StringValue(u.String()) }

// MarshalJSON writes the digests, under the keys of /activities. It fails with a [*ValidationError] when u holds a
// digest other than SHA-256.
func (u UserData) MarshalJSON() ([]byte, error) {
	fields, err := u.hash()
	if err != nil {
		return nil, err
	}
	b := []byte{'{'}
	for i := range fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, '"')
		b = append(b, fields[i].key()...)
		b = append(b, `":"`...)
		b = append(b, fields[i].Digest()...)
		b = append(b, '"')
	}
	return append(b, '}'), nil
}

// validate adds to p what makes a call with u invalid.
func (u *UserData) validate(at *place, p *problems) {
	var buf [numUserDataKeys]hashedField
	u.appendHashed(buf[:0], at, time.Now(), p, nil)
}

// warn adds to p what of u will be left out, and what is doubtful.
func (u *UserData) warn(at *place, p *problems) {
	var buf [numUserDataKeys]hashedField
	u.appendHashed(buf[:0], at, time.Now(), nil, p)
}

// identifies reports whether anything of u will be sent.
func (u *UserData) identifies() bool {
	var buf [numUserDataKeys]hashedField
	return len(u.appendHashed(buf[:0], nil, time.Now(), nil, nil)) > 0
}

// appendForm writes u as /activities takes it: fields name[key].
func (u *UserData) appendForm(dst []byte, name string) []byte {
	if u.IsZero() {
		return dst
	}
	var buf [numUserDataKeys]hashedField
	for _, f := range u.appendHashed(buf[:0], nil, time.Now(), nil, nil) {
		dst = formenc.AppendField(dst, name+"["+string(f.key())+"]", f.Digest())
	}
	return dst
}

// hash returns the fields of u as they are sent, or why u cannot be sent.
func (u *UserData) hash() ([]hashedField, error) {
	var refused problems
	fields := u.appendHashed(make([]hashedField, 0, numUserDataKeys), nil, time.Now(), &refused, nil)
	return fields, refused.err()
}

// A hashedField is one key of a UserData as it is sent.
type hashedField struct{ normalize.Hashed }

// key is the field's name on /activities.
func (f *hashedField) key() UserDataKey { return userDataKeys[f.Key] }

// conversionsKey is the field's name in the Conversions API.
func (f *hashedField) conversionsKey() string {
	if f.Key == normalize.CountryCode {
		return "country"
	}
	return string(f.key())
}

// appendHashed appends what is sent of u to dst, in a fixed order, and reports the rest with paths below at, or below
// "user_data" when at is nil: to refused what makes the call invalid, to dropped what is merely left out or doubtful.
// Either may be nil. ASCII values cost no allocation when dst has room for numUserDataKeys fields.
func (u *UserData) appendHashed(dst []hashedField, at *place, now time.Time, refused, dropped *problems) []hashedField {
	in := normalize.Context{Now: now}
	if u.Country != "" {
		in.Country = normalize.Country(u.Country)
	}
	var scratch [normalize.ScratchLen]byte
	for i, value := range u.fields() {
		if *value == "" {
			continue
		}
		dst = append(dst, hashedField{})
		p := dst[len(dst)-1].Set(scratch[:0], normalize.Key(i), *value, &in)
		if p == normalize.None {
			continue
		}
		if !p.Doubt() {
			dst = dst[:len(dst)-1]
		}
		report := dropped
		if p == normalize.Digest {
			report = refused
		}
		if report != nil {
			report.issues = append(report.issues, userDataIssue(at, userDataKeys[i], p))
		}
	}
	return dst
}

// fields returns the fields by the kind they hold.
func (u *UserData) fields() [numUserDataKeys]*string {
	return [...]*string{
		normalize.Email: &u.Email, normalize.Phone: &u.Phone, normalize.FirstName: &u.FirstName,
		normalize.LastName: &u.LastName, normalize.Gender: &u.Gender, normalize.BirthDate: &u.BirthDate,
		normalize.City: &u.City, normalize.State: &u.State, normalize.Zip: &u.Zip, normalize.CountryCode: &u.Country,
		normalize.ExternalID: &u.ExternalID,
	}
}

// userDataIssue says what is wrong with the value of key in the UserData at the given place; nil is "user_data".
func userDataIssue(at *place, key UserDataKey, p normalize.Problem) Issue {
	if at == nil {
		at = &place{name: "user_data"}
	}
	issue := userDataIssues[p]
	issue.Path = at.field(string(key)).String()
	return issue
}

// userDataIssues puts the problems into words. None of them is the value's.
var userDataIssues = [normalize.NumProblems]Issue{
	normalize.Empty:       {"", RuleRequired, "nothing usable is left after normalisation"},
	normalize.TooLong:     {"", RuleLength, "must be at most 1024 bytes"},
	normalize.Encoding:    {"", RuleFormat, "must be UTF-8"},
	normalize.Digest:      {"", RuleFormat, "looks like a digest other than SHA-256: give the plain value or its SHA-256"},
	normalize.EmailForm:   {"", RuleFormat, "must be an e-mail address"},
	normalize.PhoneLength: {"", RuleLength, "must have 7 to 15 digits, country code included"},
	normalize.NoLetter:    {"", RuleFormat, "must have a letter"},
	normalize.GenderWord:  {"", RuleUnknown, "must be f or m, or an English word for one of them"},
	normalize.DateForm:    {"", RuleFormat, "must be a date with a four-digit year, such as 19910526 or 5/26/1991"},
	normalize.Calendar:    {"", RuleRange, "must be a date of the calendar"},
	normalize.DateRange:   {"", RuleRange, "must lie between 1900 and today"},
	normalize.StateName: {
		"", RuleUnknown, "must be one state or province, and of the country if that is the United States or Canada",
	},
	normalize.ZipForm:     {"", RuleFormat, "must be a postal code, for the United States of five or nine digits"},
	normalize.CountryName: {"", RuleUnknown, "must be an ISO 3166-1 code or the name of a country"},
	normalize.PhoneNational: {
		"", RuleFormat, "should begin with + and the country code, which cannot be told from it; it is sent as it is",
	},
}
