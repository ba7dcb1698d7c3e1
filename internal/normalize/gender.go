package normalize

import "strings"

// The English words for a gender, as [appendLetters] leaves them.
const (
	female = " f fem female females woman women girl girls lady ladies gal lass lassie maiden dame feminine mother mom " +
		"mum mama mamma mommy mummy stepmother daughter stepdaughter sister stepsister wife housewife aunt auntie aunty " +
		"niece grandmother grandma granny nana granddaughter godmother goddaughter motherinlaw daughterinlaw " +
		"sisterinlaw girlfriend bride widow fiancée fiancee bridesmaid schoolgirl cowgirl queen princess duchess " +
		"countess baroness empress goddess actress waitress hostess stewardess businesswoman policewoman saleswoman " +
		"chairwoman sportswoman transwoman ciswoman cisfemale transfemale cisgenderwoman transgenderwoman " +
		"cisgenderfemale transgenderfemale belle chick she her hers herself sheher sheherhers mrs ms miss missus " +
		"madam maam madame "
	male = " m masc male males man men boy boys gentleman gentlemen gent guy guys lad laddie fellow chap bloke dude " +
		"masculine father dad daddy papa stepfather son stepson brother stepbrother bro husband hubby uncle nephew " +
		"grandfather grandpa granddad grandad grandson godfather godson fatherinlaw soninlaw brotherinlaw boyfriend " +
		"groom bridegroom widower fiancé groomsman schoolboy cowboy king prince duke count earl baron emperor god " +
		"lord waiter steward businessman policeman salesman chairman sportsman transman cisman cismale transmale " +
		"cisgenderman transgenderman cisgendermale transgendermale he him his himself hehim hehimhis mr mister sir "
)

// appendGender: f or m.
func appendGender(dst []byte, s string, ascii bool) ([]byte, Problem) {
	const longest = 32
	start := len(dst)
	dst = appendLetters(dst, s, ascii)
	word := dst[start:]
	if len(word) == 0 {
		return dst, None
	}
	var buf [longest + 2]byte
	if len(word) <= longest {
		between := string(append(append(append(buf[:0], ' '), word...), ' '))
		switch {
		case strings.Contains(female, between):
			return append(dst[:start], 'f'), None
		case strings.Contains(male, between):
			return append(dst[:start], 'm'), None
		}
	}
	return dst, GenderWord
}
