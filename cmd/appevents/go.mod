module github.com/appevents/appevents-go/cmd/appevents

go 1.26.0

require (
	github.com/alecthomas/kong v1.17.0
	github.com/appevents/appevents-go v0.1.0
	github.com/chromedp/cdproto v0.159.0
	github.com/chromedp/chromedp v0.23.0
	github.com/jedib0t/go-pretty/v6 v6.8.3
	github.com/stretchr/testify v1.12.1
	golang.org/x/sys v0.49.0
	golang.org/x/term v0.47.0
)

require (
	github.com/jackc/pgpassfile v1.0.0 // indirect
	github.com/jackc/pgservicefile v0.0.0-20240606120523-5a60cdf6a761 // indirect
	github.com/jackc/puddle/v2 v2.2.3 // indirect
	github.com/klauspost/compress v1.20.3 // indirect
	github.com/nats-io/nkeys v0.4.16 // indirect
	github.com/nats-io/nuid v1.0.1 // indirect
	go.etcd.io/bbolt v1.5.0 // indirect
	golang.org/x/crypto v0.58.0 // indirect
	golang.org/x/sync v0.24.0 // indirect
)

require (
	github.com/appevents/appevents-go/delivery v0.1.0
	github.com/appevents/appevents-go/delivery/boltqueue v0.1.0
	github.com/appevents/appevents-go/delivery/natsqueue v0.1.0
	github.com/appevents/appevents-go/delivery/pgqueue v0.1.0
	github.com/go-json-experiment/json v0.0.0-20260213210345-44df1a37e875 // indirect
	github.com/google/go-querystring v1.2.0 // indirect
	github.com/jackc/pgx/v5 v5.12.0
	github.com/mattn/go-runewidth v0.0.16 // indirect
	github.com/nats-io/nats.go v1.55.0
	github.com/rivo/uniseg v0.4.7 // indirect
	go.yaml.in/yaml/v3 v3.0.5 // indirect
	golang.org/x/text v0.43.0 // indirect
)

replace github.com/appevents/appevents-go => ../..

replace github.com/appevents/appevents-go/delivery => ../../delivery

replace github.com/appevents/appevents-go/delivery/boltqueue => ../../delivery/boltqueue

replace github.com/appevents/appevents-go/delivery/natsqueue => ../../delivery/natsqueue

replace github.com/appevents/appevents-go/delivery/pgqueue => ../../delivery/pgqueue
