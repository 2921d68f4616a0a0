package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// What is asked for: requests one after another over `kept` connections that stay, and each over a connection of its own by `fresh`
// others, with a rest after each answer, until it is ended or so many seconds are over.
type loadOrder struct {
	Url, Method, Token           string
	Kept, Fresh, RestMs, Seconds int
}

// What a request came to. Status 0: no answer came. Times are milliseconds since 1970; Pod is the host name of whoever answered.
type outcome struct {
	Id         string `json:"id"`
	Kept       bool   `json:"kept"`
	Status     int    `json:"status"`
	Pod        string `json:"pod"`
	Failure    string `json:"failure"`
	SentAt     int64  `json:"sentAt"`
	AnsweredAt int64  `json:"answeredAt"`
}

type load struct {
	order    loadOrder
	end      context.CancelFunc
	running  sync.WaitGroup
	mutex    sync.Mutex
	outcomes []outcome
}

const (
	// No request on the way takes so long, and who ends a load waits for longer.
	giveUpAfter = 15 * time.Second
	// Who is away says so at once: no need to ask thousands of times.
	awayRest = 20 * time.Millisecond
)

// Loads that were begun, by number. POST begins one and answers its number; GET ?load=N&from=M tells outcomes from the M-th on; DELETE
// ends one, waits for what is under way, and tells the same.
type loads struct {
	mutex sync.Mutex
	all   []*load
}

func (these *loads) ServeHTTP(answer http.ResponseWriter, request *http.Request) {
	if request.Method == http.MethodPost {
		var order loadOrder
		if err := json.NewDecoder(request.Body).Decode(&order); err != nil {
			http.Error(answer, err.Error(), http.StatusBadRequest)
			return
		}
		these.mutex.Lock()
		defer these.mutex.Unlock()
		these.all = append(these.all, begin(order))
		fmt.Fprintln(answer, len(these.all)-1)
		return
	}
	these.mutex.Lock()
	number, err := strconv.Atoi(request.FormValue("load"))
	known := err == nil && number >= 0 && number < len(these.all)
	var one *load
	if known {
		one = these.all[number]
	}
	these.mutex.Unlock()
	if !known {
		http.NotFound(answer, request)
		return
	}
	if request.Method == http.MethodDelete {
		one.end()
		one.running.Wait()
	}
	from, _ := strconv.Atoi(request.FormValue("from"))
	one.mutex.Lock()
	defer one.mutex.Unlock()
	json.NewEncoder(answer).Encode(one.outcomes[max(0, min(from, len(one.outcomes))):])
}

func begin(order loadOrder) *load {
	during, end := context.WithTimeout(context.Background(), time.Duration(order.Seconds)*time.Second)
	one := &load{order: order, end: end, outcomes: []outcome{}}
	for worker := range order.Kept + order.Fresh {
		one.running.Add(1)
		go one.work(during, worker < order.Kept)
	}
	return one
}

func (one *load) work(during context.Context, kept bool) {
	defer one.running.Done()
	client := http.Client{Timeout: giveUpAfter, Transport: &http.Transport{DisableKeepAlives: !kept, MaxConnsPerHost: 1}}
	defer client.CloseIdleConnections()
	for during.Err() == nil {
		came := one.ask(&client, kept)
		one.mutex.Lock()
		one.outcomes = append(one.outcomes, came)
		one.mutex.Unlock()
		rest := time.Duration(one.order.RestMs) * time.Millisecond
		if came.Status == 0 || came.Status == http.StatusServiceUnavailable {
			rest = max(rest, awayRest)
		}
		select {
		case <-during.Done():
		case <-time.After(rest):
		}
	}
}

// A request under way is never broken off by the load's end. With methods that change something, Go's client tries nothing again
// that was sent: a failure is seen.
func (one *load) ask(client *http.Client, kept bool) outcome {
	came := outcome{Id: newId(), Kept: kept, SentAt: time.Now().UnixMilli()}
	status, pod, err := one.send(client, came.Id)
	came.AnsweredAt = time.Now().UnixMilli()
	if err != nil {
		came.Failure = failureOf(err)
	} else {
		came.Status, came.Pod = status, pod
	}
	return came
}

func (one *load) send(client *http.Client, id string) (int, string, error) {
	request, err := http.NewRequest(one.order.Method, one.order.Url+"/load/"+id, nil)
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("X-Request-Id", id)
	if one.order.Token != "" {
		request.Header.Set("Authorization", "Bearer "+one.order.Token)
	}
	answer, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	_, err = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode, answer.Header.Get("X-Pod"), err
}

func newId() string {
	bytes := make([]byte, 16)
	rand.Read(bytes)
	text := hex.EncodeToString(bytes)
	return text[:8] + "-" + text[8:12] + "-4" + text[13:16] + "-a" + text[17:20] + "-" + text[20:]
}

func failureOf(err error) string {
	for name, known := range map[string]error{
		"ECONNREFUSED": syscall.ECONNREFUSED,
		"ECONNRESET":   syscall.ECONNRESET,
		"EPIPE":        syscall.EPIPE,
		"EOF":          io.EOF,
		"EOF within":   io.ErrUnexpectedEOF,
	} {
		if errors.Is(err, known) {
			return name
		}
	}
	// Go's client has no name for it: the connection was closed just when it was taken for a request.
	if strings.HasSuffix(err.Error(), "server closed idle connection") {
		return "closed while idle"
	}
	return err.Error()
}

// Ids of the load's requests that came to this app.
type seen struct {
	mutex sync.Mutex
	ids   []string
}

func (those *seen) note(id string) {
	those.mutex.Lock()
	defer those.mutex.Unlock()
	those.ids = append(those.ids, id)
}

func (those *seen) ServeHTTP(answer http.ResponseWriter, _ *http.Request) {
	those.mutex.Lock()
	defer those.mutex.Unlock()
	json.NewEncoder(answer).Encode(append([]string{}, those.ids...))
}
