package appevents

import (
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/appevents/appevents-go/internal/jsonscan"
	"github.com/appevents/appevents-go/internal/wire"
)

// The members of a conversion that are more than a field of their own.
const (
	nameConversion = "event_name"
	nameTime       = "event_time"
	nameID         = "event_id"
	nameSource     = "action_source"
	nameChannel    = "messaging_channel"
	nameUser       = "user_data"
	nameData       = "custom_data"
	nameApp        = "app_data"
	nameValue      = "value" // a member of custom_data
	nameIP         = "client_ip_address"
)

// conversionHomes are the members that Conversion.Extra must not set.
var conversionHomes = sync.OnceValue(func() homes {
	all := homes{
		nameConversion: "Conversion.Name",
		nameTime:       "Conversion.Time",
		nameID:         "Conversion.ID",
		nameSource:     "Conversion.Thread, WhatsApp or App",
		nameChannel:    "Conversion.Thread, WhatsApp or App",
		nameUser:       "Conversion.UserData",
		nameData:       "Conversion.Value and Data",
		nameApp:        "Conversion.App",
		nameExtInfo:    "Conversion.App",
	}
	addHomes(all, "Conversion.DataProcessing.", processingPlan)
	return all
})

// dataHomes are the details that ConversionData.Custom must not set.
var dataHomes = sync.OnceValue(func() homes {
	all := homes{nameValue: "Conversion.Value"}
	addHomes(all, "ConversionData.", dataPlan)
	return all
})

// size is about how many bytes append writes, given the number of fields of user data: a buffer of that size seldom
// grows.
func (c *Conversion) size(user int) int {
	size := 256 + 80*user
	if !dataPlan.IsZero(&c.Data) {
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
	dst = append(dst, `{"`+nameConversion+`":"`...)
	dst = append(dst, c.Name...) // letters, digits and the like: nothing to escape
	dst = append(dst, `","`+nameTime+`":`...)
	dst = strconv.AppendInt(dst, seconds, 10)
	dst = appendText(dst, nameID, c.ID)
	if c.App != nil {
		dst = c.App.append(dst, user)
	} else {
		dst = c.appendThread(dst, user)
	}
	dst = c.appendData(dst)
	if c.DataProcessing.set() {
		dst = processingPlan.AppendJSON(dst, &c.DataProcessing)
	}
	if len(c.Extra) > 0 {
		for _, name := range slices.Sorted(maps.Keys(c.Extra)) {
			dst = append(append(append(dst, `,"`...), name...), `":`...)
			dst = append(dst, c.Extra[name]...)
		}
	}
	return append(dst, '}')
}

// appendThread writes where it happened, and to whom.
func (c *Conversion) appendThread(dst []byte, user []hashedField) []byte {
	const messaging = `,"` + nameSource + `":"business_messaging","` + nameChannel + `":"`
	dst = append(dst, messaging...)
	channel := c.Thread.Channel.String()
	if !c.WhatsApp.IsZero() {
		channel = "whatsapp"
	}
	dst = append(append(dst, channel...), `","`+nameUser+`":`...)
	open := len(dst)
	switch {
	case !c.WhatsApp.IsZero():
		dst = whatsAppPlan.AppendJSON(dst, &c.WhatsApp)
	case c.Thread.Channel == ChannelInstagram:
		dst = instagramPlan.AppendJSON(dst, &c.Thread)
	default:
		dst = threadPlan.AppendJSON(dst, &c.Thread)
	}
	return wire.CloseObject(appendUserData(dst, user), open)
}

// appendUserData writes digests, which are hexadecimal: nothing in them needs escaping.
func appendUserData(dst []byte, user []hashedField) []byte {
	for i := range user {
		dst = append(append(append(dst, `,"`...), user[i].conversionsKey()...), `":"`...)
		dst = append(append(dst, user[i].Digest()...), '"')
	}
	return dst
}

// appendData writes the value and the details, if there are any.
func (c *Conversion) appendData(dst []byte) []byte {
	if c.Value == nil && dataPlan.IsZero(&c.Data) {
		return dst
	}
	start := len(dst)
	dst = append(dst, `,"`+nameData+`":`...)
	open := len(dst)
	if c.Value != nil {
		dst = jsonscan.AppendFloat(append(dst, `,"`+nameValue+`":`...), *c.Value)
	}
	dst = dataPlan.AppendJSON(dst, &c.Data)
	dst = appendCustom(dst, c.Data.Custom)
	if len(dst) == open {
		return dst[:start]
	}
	return wire.CloseObject(dst, open)
}

// append writes what tells an app from a conversation, and its people.
func (a *AppConversion) append(dst []byte, user []hashedField) []byte {
	dst = append(dst, `,"`+nameSource+`":"app","`+nameUser+`":`...)
	open := len(dst)
	dst = deviceUserData.AppendJSON(dst, &a.Device)
	if a.ClientIP.IsValid() {
		dst = appendText(dst, nameIP, a.ClientIP.Unmap().WithZone("").String())
	}
	dst = wire.CloseObject(appendUserData(dst, user), open)

	dst = append(dst, `,"`+nameApp+`":`...)
	open = len(dst)
	dst = consentPlan.AppendJSON(dst, &a.Consent)
	dst = a.ExtInfo.append(append(dst, `,"`+nameExtInfo+`":`...))
	dst = deviceAppData.AppendJSON(dst, &a.Device)
	bundle, measurement, views := a.groups()
	dst = bundlePlan.AppendJSON(dst, &bundle)
	dst = measurementPlan.AppendJSON(dst, &measurement)
	return wire.CloseObject(viewsPlan.AppendJSON(dst, &views), open)
}

// appendText writes a member of a JSON object, unless it is empty. The key needs no escape.
func appendText(dst []byte, key, value string) []byte {
	if value == "" {
		return dst
	}
	return jsonscan.AppendString(append(append(append(dst, `,"`...), key...), `":`...), value)
}
