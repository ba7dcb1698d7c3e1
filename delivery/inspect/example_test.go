package inspect_test

import (
	"context"
	"fmt"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/appevents/appevents-go"
	"github.com/appevents/appevents-go/delivery"
	"github.com/appevents/appevents-go/delivery/inspect"
	"github.com/appevents/appevents-go/delivery/memqueue"
)

func ExampleHandler() {
	client, err := appevents.New("771", appevents.WithAppSecret("app-secret"))
	if err != nil {
		log.Fatal(err)
	}
	dispatcher, err := delivery.New(client, memqueue.New())
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/-/queue/", http.StripPrefix("/-/queue", inspect.Handler(dispatcher)))
	operators := httptest.NewServer(mux) // a port that only operators reach
	defer operators.Close()

	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, operators.URL+"/-/queue/live", nil)
	if err != nil {
		log.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		log.Fatal(err)
	}
	defer answer.Body.Close()
	fmt.Println(answer.Status, "as long as nobody calls dispatcher.Run")
	// Output:
	// 503 Service Unavailable as long as nobody calls dispatcher.Run
}
