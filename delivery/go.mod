module github.com/appevents/appevents-go/delivery

go 1.26.0

replace github.com/appevents/appevents-go => ../

require github.com/stretchr/testify v1.12.1

require (
	github.com/google/go-querystring v1.2.0 // indirect
	golang.org/x/text v0.43.0 // indirect
)

require (
	github.com/appevents/appevents-go v0.1.0
	go.yaml.in/yaml/v3 v3.0.5 // indirect
)
