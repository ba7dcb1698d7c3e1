package appevents

import (
	"maps"
	"slices"
	"strconv"

	"github.com/appevents/appevents-go/internal/jsonscan"
)

// size is about how many bytes append writes, given the number of fields of user data: a buffer of that size seldom
// grows.
func (c *Conversion) size(user int) int {
	size := 256 + 80*user
	if !c.Data.isZero() {
		size += 160 + 80*len(c.Data.Contents) + 32*len(c.Data.Custom)
	}
	return size
}

// append writes the conversion as an element of data. It must be valid, user its user data as it is sent, and now the
// time of sending in Unix seconds.
func (c *Conversion) append(dst []byte, user []hashedField, now int64) []byte {
	seconds := now
	if !c.Time.IsZero() {
		seconds = min(c.Time.Unix(), now)
	}
	dst = append(dst, `{"event_name":"`...)
	dst = append(dst, c.Name...) // letters, digits and the like: nothing to escape
	dst = append(dst, `","event_time":`...)
	dst = strconv.AppendInt(dst, seconds, 10)
	dst = appendText(dst, "event_id", c.ID)
	if c.App != nil {
		dst = c.App.append(dst, user)
	} else {
		dst = c.appendThread(dst)
		dst = append(appendUserData(dst, user), '}')
	}
	if c.Value != nil || !c.Data.isZero() {
		dst = c.appendData(dst)
	}
	if c.DataProcessing.set() {
		dst = c.DataProcessing.append(dst)
	}
	if len(c.Extra) > 0 {
		for _, name := range slices.Sorted(maps.Keys(c.Extra)) {
			dst = append(appendKey(dst, name), c.Extra[name]...)
		}
	}
	return append(dst, '}')
}

// appendThread writes where it happened, and opens user_data with the keys that say to whom. IDs are digits, which need
// no escaping, and go out as text because they exceed what a JSON number holds safely.
func (c *Conversion) appendThread(dst []byte) []byte {
	const messaging = `,"action_source":"business_messaging","messaging_channel":`
	switch {
	case !c.WhatsApp.IsZero():
		dst = append(dst, messaging+`"whatsapp","user_data":{"ctwa_clid":`...)
		dst = jsonscan.AppendString(dst, c.WhatsApp.ClickID)
		dst = appendText(dst, "whatsapp_business_account_id", string(c.WhatsApp.AccountID))
		return appendText(dst, "page_id", string(c.WhatsApp.PageID))
	case c.Thread.Channel == ChannelInstagram:
		dst = append(dst, messaging+`"instagram","user_data":{"ig_account_id":"`...)
		dst = append(dst, c.Thread.PageID...)
		dst = append(dst, `","ig_sid":"`...)
	default:
		dst = append(dst, messaging+`"messenger","user_data":{"page_id":"`...)
		dst = append(dst, c.Thread.PageID...)
		dst = append(dst, `","page_scoped_user_id":"`...)
	}
	dst = append(dst, c.Thread.PSID...)
	return append(dst, '"')
}

// appendUserData writes digests, which are hexadecimal: nothing in them needs escaping.
func appendUserData(dst []byte, user []hashedField) []byte {
	for i := range user {
		dst = appendKey(dst, user[i].conversionsKey())
		dst = append(dst, '"')
		dst = append(dst, user[i].value()...)
		dst = append(dst, '"')
	}
	return dst
}

// appendData writes custom_data. Every member brings its comma; the first loses it at the end.
func (c *Conversion) appendData(dst []byte) []byte {
	dst = append(dst, `,"custom_data":{`...)
	open := len(dst)
	if c.Value != nil {
		dst = jsonscan.AppendFloat(appendKey(dst, "value"), *c.Value)
	}
	d := &c.Data
	dst = appendText(dst, "currency", d.Currency)
	if len(d.Contents) > 0 {
		dst = append(dst, `,"contents":[`...)
		for i := range d.Contents {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = d.Contents[i].append(dst)
		}
		dst = append(dst, ']')
	}
	dst = appendTexts(dst, "content_ids", d.ContentIDs)
	dst = appendInt(dst, "num_items", d.NumItems)
	for _, text := range d.texts() {
		dst = appendText(dst, text.name, text.value)
	}
	if d.PredictedLTV != nil {
		dst = jsonscan.AppendFloat(appendKey(dst, "predicted_ltv"), *d.PredictedLTV)
	}
	if d.NetRevenue != nil {
		dst = jsonscan.AppendFloat(appendKey(dst, "net_revenue"), *d.NetRevenue)
	}
	if len(d.Custom) > 0 {
		for _, key := range slices.Sorted(maps.Keys(d.Custom)) {
			dst = appendAny(appendKey(dst, key), d.Custom[key])
		}
	}
	return append(dropComma(dst, open), '}')
}

func (c *ConversionContent) append(dst []byte) []byte {
	dst = append(dst, '{')
	open := len(dst)
	for _, text := range c.texts() {
		dst = appendText(dst, text.name, text.value)
	}
	dst = appendInt(dst, "quantity", c.Quantity)
	if c.ItemPrice != 0 {
		dst = jsonscan.AppendFloat(appendKey(dst, "item_price"), c.ItemPrice)
	}
	return append(dropComma(dst, open), '}')
}

// append writes the data-processing options.
func (d DataProcessing) append(dst []byte) []byte {
	dst = append(dst, `,"data_processing_options":[`...)
	if d.LimitedDataUse {
		dst = append(dst, `"LDU"`...)
	}
	dst = append(dst, `],"data_processing_options_country":`...)
	dst = strconv.AppendInt(dst, int64(d.Country), 10)
	dst = append(dst, `,"data_processing_options_state":`...)
	return strconv.AppendInt(dst, int64(d.State), 10)
}

// appendTexts writes a list of texts, if there is any.
func appendTexts(dst []byte, key string, texts []string) []byte {
	if len(texts) == 0 {
		return dst
	}
	dst = append(appendKey(dst, key), '[')
	for i, text := range texts {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = jsonscan.AppendString(dst, text)
	}
	return append(dst, ']')
}

// appendAny writes a valid value of Custom: a text, a number, or a bool as 1 or 0.
func appendAny(dst []byte, value any) []byte {
	if text, ok := asText(value); ok {
		return jsonscan.AppendString(dst, text)
	}
	if out, _ := appendNumber(dst, value); out != nil {
		return out
	}
	return append(dst, "null"...) // changed by the caller since it was checked
}

// dropComma removes the comma that the first member of an object brought; open is where it stands, if there is one.
func dropComma(dst []byte, open int) []byte {
	return append(dst[:open], dst[min(open+1, len(dst)):]...)
}
