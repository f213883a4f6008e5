// Command bareclient reads the creation time of every tag of a repository with nothing but an HTTP
// client: the tag list, then a manifest and a configuration for each tag. It is the measure of what
// a registry can give: no login, no check of a digest, no list of more than one page.
//
//	bareclient CONNECTIONS http://HOST REPOSITORY
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bareclient:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 3 {
		return fmt.Errorf("usage: bareclient CONNECTIONS http://HOST REPOSITORY")
	}
	connections, err := strconv.Atoi(args[0])
	if err != nil {
		return err
	}
	c := client{base: args[1] + "/v2/" + args[2], http: &http.Client{
		Transport: &http.Transport{MaxConnsPerHost: connections, MaxIdleConnsPerHost: connections},
		Timeout:   time.Minute,
	}}
	var list struct{ Tags []string }
	if err := c.get("/tags/list?n=1000", &list); err != nil {
		return err
	}
	created := make([]time.Time, len(list.Tags))
	errs := make([]error, len(list.Tags))
	next := make(chan int)
	var workers sync.WaitGroup
	for range connections {
		workers.Go(func() {
			for i := range next {
				created[i], errs[i] = c.created(list.Tags[i])
			}
		})
	}
	for i := range list.Tags {
		next <- i
	}
	close(next)
	workers.Wait()
	for i, tag := range list.Tags {
		if errs[i] != nil {
			return fmt.Errorf("%s: %w", tag, errs[i])
		}
		fmt.Println(tag, created[i].Format(time.RFC3339))
	}
	return nil
}

type client struct {
	base string
	http *http.Client
}

func (c client) created(tag string) (time.Time, error) {
	var manifest struct{ Config struct{ Digest string } }
	var config struct{ Created time.Time }
	if err := c.get("/manifests/"+tag, &manifest); err != nil {
		return time.Time{}, err
	}
	err := c.get("/blobs/"+manifest.Config.Digest, &config)
	return config.Created, err
}

func (c client) get(path string, into any) error {
	request, err := http.NewRequest(http.MethodGet, c.base+path, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json")
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", path, response.Status)
	}
	return json.NewDecoder(response.Body).Decode(into)
}
