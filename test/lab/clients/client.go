// Go's net/http over h1 or h2: one allowed GET and POST, one blocked GET, eight GETs at once.
package main

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"sync"
)

func main() {
	run(os.Args[1], os.Args[2], "1")
	run(os.Args[3], os.Args[4], "2")
}

func run(allowed, blocked, version string) {
	transport := &http.Transport{ForceAttemptHTTP2: version == "2"}
	if version == "1" {
		transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	}
	client := &http.Client{Transport: transport}
	ask := func(method, url string, body io.Reader) (*http.Response, int) {
		request, _ := http.NewRequest(method, url, body)
		answer, err := client.Do(request)
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		bytes, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		return answer, len(bytes)
	}
	answer, size := ask("GET", "https://"+allowed+"/one", nil)
	fmt.Println("allowed", answer.StatusCode, size)
	answer, size = ask("POST", "https://"+allowed+"/two", strings.NewReader(strings.Repeat("x", 1000)))
	fmt.Println("posted", answer.StatusCode, size)
	answer, _ = ask("GET", "https://"+blocked+"/one", nil)
	rule := answer.Header.Get("x-sallyport-rule")
	if rule == "" {
		rule = "-"
	}
	fmt.Println("blocked", answer.StatusCode, rule)
	var wait sync.WaitGroup
	good := make(chan bool, 8)
	for i := 0; i < 8; i++ {
		wait.Add(1)
		go func(i int) {
			defer wait.Done()
			answer, _ := ask("GET", fmt.Sprintf("https://%s/many/%d", allowed, i), nil)
			if answer.StatusCode == 200 {
				good <- true
			}
		}(i)
	}
	wait.Wait()
	fmt.Println("concurrent", len(good))
}
